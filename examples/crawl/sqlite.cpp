#include "sqlite.hpp"

#include <fmt/core.h>
#include <sqlite3.h>

#include <utility>

namespace crawl::sqlite {

namespace {

[[noreturn]] void fail(sqlite3* db, const std::string& doing)
{
    const std::string text = fmt::format("SQLite: {}: {}", doing, db ? sqlite3_errmsg(db) : "out of memory");
    if (db && sqlite3_errcode(db) == SQLITE_BUSY)
        throw busy(text);
    throw std::runtime_error(text);
}

} // namespace

void database::closer::operator()(sqlite3* db) const noexcept { sqlite3_close(db); }

database::database(const std::filesystem::path& file)
{
    sqlite3* db = nullptr;
    // One thread at a time uses it, and we see to that.
    const int code = sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(db);
    if (code != SQLITE_OK)
        fail(db, "open " + file.string());
}

void database::execute(const std::string& statements)
{
    if (sqlite3_exec(handle(), statements.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        fail(handle(), statements);
}

int database::changes() const noexcept { return sqlite3_changes(handle()); }
std::int64_t database::last_id() const noexcept { return sqlite3_last_insert_rowid(handle()); }

statement::statement(database& db, const char* sql) : db_(db)
{
    if (sqlite3_prepare_v3(db.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK)
        fail(db.handle(), sql);
}

statement::~statement() { sqlite3_finalize(handle_); }

void statement::reset() noexcept
{
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
}

bool statement::step()
{
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        fail(db_.handle(), sqlite3_sql(handle_));
    reset();
    return false;
}

std::int64_t statement::number(int column) const noexcept { return sqlite3_column_int64(handle_, column); }

std::string statement::text(int column) const
{
    const unsigned char* const text = sqlite3_column_text(handle_, column);
    return text ? std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(handle_, column)))
                : std::string();
}

void statement::put(int column, std::int64_t value) { check(sqlite3_bind_int64(handle_, column, value)); }

void statement::put(int column, std::string_view value)
{
    check(value.empty() ? sqlite3_bind_null(handle_, column)
                        : sqlite3_bind_text(handle_, column, value.data(), static_cast<int>(value.size()), SQLITE_STATIC));
}

void statement::check(int code) const
{
    if (code != SQLITE_OK)
        fail(db_.handle(), sqlite3_sql(handle_));
}

transaction::~transaction()
{
    if (db_)
        sqlite3_exec(db_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void transaction::commit() { std::exchange(db_, nullptr)->execute("COMMIT"); }

} // namespace crawl::sqlite
