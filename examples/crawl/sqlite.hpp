// SQLite from C++: a connection, and statements that are prepared once. Errors are exceptions that name the statement.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace crawl::sqlite {

/// Somebody else has the database.
struct busy : std::runtime_error {
    using runtime_error::runtime_error;
};

class database {
public:
    explicit database(const std::filesystem::path& file);
    void execute(const std::string& statements);
    [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }
    /// Rows changed by the last statement.
    [[nodiscard]] int changes() const noexcept;
    [[nodiscard]] std::int64_t last_id() const noexcept;

private:
    struct closer {
        void operator()(sqlite3* db) const noexcept;
    };
    std::unique_ptr<sqlite3, closer> handle_;
};

/// `for (s.bind(…); s.step();) s.text(0)`, or `s.run(…)` for what gives no rows.
class statement {
public:
    statement(database& db, const char* sql);
    ~statement();
    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;

    template <class... T>
    void bind(const T&... values)
    {
        reset();
        int column = 0;
        (put(++column, values), ...);
    }
    /// True when there is a row; after the last one the statement is ready for the next `bind`.
    bool step();
    template <class... T>
    void run(const T&... values)
    {
        bind(values...);
        while (step())
            ;
    }
    void reset() noexcept;

    [[nodiscard]] std::int64_t number(int column) const noexcept;
    [[nodiscard]] std::string text(int column) const;

private:
    void put(int column, std::int64_t value);
    void put(int column, int value) { put(column, std::int64_t{value}); }
    void put(int column, std::string_view value); // which must live until the step; empty is NULL
    void check(int code) const;

    database& db_;
    sqlite3_stmt* handle_ = nullptr;
};

/// Begins, and rolls back unless `commit` is called.
class transaction {
public:
    explicit transaction(database& db) : db_(&db) { db.execute("BEGIN IMMEDIATE"); }
    ~transaction();
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    void commit();

private:
    database* db_;
};

} // namespace crawl::sqlite
