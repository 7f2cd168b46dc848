// The content of a page while it is being fetched and looked at: in memory as long as it is small, then in a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace crawl {

/// Bytes that are appended, then read, then stored. So a thousand pages under way take a bounded amount of memory, however large they are.
class body {
public:
    static constexpr std::size_t in_memory = 1u << 20;

    /// Makes a folder ready to be given to bodies; what is in it goes.
    static void make_folders(const std::filesystem::path& folder);
    static constexpr unsigned folders = 16;

    body() = default;
    /// `folder`: where the file goes when one is needed. Without it, all stays in memory.
    explicit body(std::filesystem::path folder) : folder_(std::move(folder)) {}
    body(body&& other) noexcept;
    body& operator=(body&& other) noexcept;
    ~body();

    /// Throws std::system_error when the disk is full.
    void append(std::string_view bytes);
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// All of it. Not while there is more to append.
    [[nodiscard]] std::string_view view() const;
    /// Makes it a file under a name that nobody else uses, and gives that; for the owner to rename or remove.
    [[nodiscard]] std::filesystem::path to_file() &&;

private:
    void spill();

    std::filesystem::path folder_;
    std::string memory_;
    std::size_t size_ = 0;
    std::filesystem::path file_; // when there is one
    int descriptor_ = -1;
    mutable void* mapped_ = nullptr;
};

/// In hexadecimal.
[[nodiscard]] std::string sha256(std::string_view bytes);

/// What the system says about `path`: "open /x/y: Permission denied".
[[noreturn]] void throw_errno(const char* doing, const std::filesystem::path& path);

} // namespace crawl
