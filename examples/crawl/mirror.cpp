#include "mirror.hpp"

#include "body.hpp"
#include "file_names.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

namespace crawl {

// False when something else has the name.
bool mirror::make_folder(const std::string& folder)
{
    if (folders_.contains(folder))
        return true;
    const std::filesystem::path path = root_ / folder;
    if (reserved_.contains(folder))
        return false;
    if (::mkdir(path.c_str(), 0755) != 0) {
        if (errno != EEXIST)
            throw_errno("mkdir", path);
        struct stat s{};
        if (::lstat(path.c_str(), &s) != 0)
            throw_errno("lstat", path);
        if (!S_ISDIR(s.st_mode)) // nor a symbolic link, which may lead out of here
            return false;
    }
    if (folders_.size() > 10'000)
        folders_.clear();
    folders_.insert(folder);
    return true;
}

std::string mirror::place_for(const url& u)
{
    const std::vector<std::string> names = file_names(u);
    std::string folder;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
        std::string next = folder + names[i];
        for (int attempt = 1; !make_folder(next); ++attempt)
            next = folder + other_name(names[i], attempt);
        folder = next + '/';
    }
    std::string file = folder + names.back();
    struct stat s{};
    for (int attempt = 1; reserved_.contains(file) || ::lstat((root_ / file).c_str(), &s) == 0; ++attempt)
        file = folder + other_name(names.back(), attempt);
    reserved_.insert(file);
    return file;
}

void mirror::move_in(const std::string& part, const std::string& file)
{
    const std::filesystem::path to = root_ / file;
    if (::rename(part.c_str(), to.c_str()) != 0)
        throw_errno("rename to", to);
}

void mirror::remove(const std::string& file)
{
    std::error_code gone_already;
    std::filesystem::remove(root_ / file, gone_already);
}

} // namespace crawl
