#include "conf/files.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <system_error>

#include "conf/config_error.hpp"
#include "oidc/base/text.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_file = 16 * 1024 * 1024;

// `right` as for others: S_IROTH, S_IXOTH.
bool has_right(const passwd& user, const std::string& name, mode_t right)
{
    struct stat file;
    if (user.pw_uid == 0) return true;
    if (stat(name.c_str(), &file) != 0) return false;
    std::array<gid_t, 64> groups;
    int count = groups.size();
    if (getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) count = groups.size();
    bool member = contains(std::span(groups).first(static_cast<std::size_t>(count)), file.st_gid);
    return (file.st_mode & (file.st_uid == user.pw_uid ? right << 6 : member ? right << 3 : right)) != 0;
}

}  // namespace

std::string full_name(ngx_conf_t* cf, std::string_view path)
{
    ngx_str_t name = copy(cf->pool, path);
    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) throw std::bad_alloc{};
    return string(name);
}

std::string read_file(const std::string& name)
{
    int fd = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // a FIFO does not keep us waiting
    std::unique_ptr<FILE, decltype([](FILE* open) { std::fclose(open); })> file(fd >= 0 ? fdopen(fd, "rb") : nullptr);
    auto bytes = std::make_unique_for_overwrite<char[]>(max_file + 1);
    std::size_t size = file ? std::fread(bytes.get(), 1, max_file + 1, file.get()) : 0;
    bool read = file && std::ferror(file.get()) == 0;
    if (!read) throw ConfigError("cannot read " + quoted(name) + ": " + std::generic_category().message(errno));
    if (size > max_file) throw ConfigError(quoted(name) + " is larger than 16 MB");
    return {bytes.get(), size};
}

std::string file_identity(const std::string& name)
{
    struct stat file {};
    if (name.empty() || stat(name.c_str(), &file) != 0) return name;
    std::string identity = name;
    for (const auto part :
         {static_cast<std::int64_t>(file.st_dev), static_cast<std::int64_t>(file.st_ino),
          static_cast<std::int64_t>(file.st_mtim.tv_sec), static_cast<std::int64_t>(file.st_mtim.tv_nsec)})
        identity.append(" ").append(std::to_string(part));
    return identity;
}

// The workers' user is `user` when it is written above, else what nginx was built for; ours when the master is not
// root.
std::string why_unreadable(ngx_conf_t* cf, const std::string& name)
{
    auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cf->cycle->conf_ctx, ngx_core_module));
    const passwd* user = geteuid() != 0 ? nullptr : getpwnam(core->username != nullptr ? core->username : NGX_USER);
    for (std::size_t end = 0; user != nullptr && end < name.size();) {
        end = std::min(name.find('/', end), name.size() - 1) + 1;
        std::string part = name.substr(0, end), who = quoted(user->pw_name);  // the folders on the way, then the file
        if (has_right(*user, part, part.ends_with('/') ? S_IXOTH : S_IROTH)) continue;
        return quoted(part) + " is unreadable for worker user " + who + "; change its mode or group";
    }
    return {};
}

}  // namespace oidc::ngx
