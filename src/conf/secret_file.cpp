#include "conf/secret_file.hpp"

#include <string_view>
#include <tuple>
#include <utility>

#include <sys/stat.h>

#include "conf/config_error.hpp"
#include "conf/files.hpp"

namespace oidc::ngx {

Secret read_secret(const std::string& name)
{
    std::string text = read_file(name);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bool one_line = !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == text.npos;
    Secret secret(std::move(text));
    if (!one_line) throw ConfigError(quoted(name) + " must hold the secret alone, on one line");
    return secret;
}

bool SecretFile::look() noexcept
{
    struct stat now {};
    if (stat(name.c_str(), &now) != 0) now = {};  // gone: another one
    auto all = [](SecretFile& file) {
        return std::tie(file.device, file.inode, file.size, file.changed.tv_sec, file.changed.tv_nsec);
    };
    SecretFile found{{}, now.st_dev, now.st_ino, now.st_size, now.st_mtim};
    bool same = all(*this) == all(found);
    all(*this) = all(found);
    return !same;
}

}  // namespace oidc::ngx
