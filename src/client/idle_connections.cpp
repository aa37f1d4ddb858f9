#include "client/idle_connections.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace oidc::ngx {
namespace {

// 0: no such socket.
ino_t inode_of(int socket) noexcept
{
    struct stat found {};
    return fstat(socket, &found) == 0 && S_ISSOCK(found.st_mode) ? found.st_ino : 0;
}

// Whether TLS records (RFC 8446 section 5) are session tickets alone, which come when a handshake is over. From TLS 1.3
// on all records look alike, but an alert has its size: two bytes, the byte that says so, a tag.
bool only_tickets(std::span<const unsigned char> bytes) noexcept
{
    constexpr std::size_t header = 5, alert = 2 + 1 + 16;
    constexpr unsigned char application_data = 0x17;
    while (bytes.size() >= header) {
        const std::size_t size = (std::size_t{bytes[3]} << 8) | bytes[4];
        if (bytes[0] != application_data || size <= alert) return false;
        bytes = bytes.subspan(std::min(header + size, bytes.size()));
    }
    return bytes.empty() || bytes[0] == application_data;
}

bool is_dead(int socket, bool tls) noexcept
{
    pollfd state{socket, POLLIN | POLLRDHUP, 0};
    if (poll(&state, 1, 0) == 0) return false;
    if ((state.revents & ~POLLIN) != 0 || !tls) return true;

    std::array<unsigned char, 4096> bytes;
    const ssize_t size = recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    return size <= 0 || !only_tickets(std::span(bytes).first(static_cast<std::size_t>(size)));
}

// libcurl closes a connection that has ended, once nothing is left to read from it.
void shut(int socket) noexcept
{
    std::array<unsigned char, 4096> rest;
    shutdown(socket, SHUT_RDWR);
    while (recv(socket, rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
    }
}

}  // namespace

void IdleConnections::add(int socket, int own, std::string origin)
{
    const ino_t inode = inode_of(own);
    if (inode != 0 && inode_of(socket) == inode)
        connections_.insert_or_assign(socket, Connection{std::move(origin), inode});
}

void IdleConnections::in_use(int socket) noexcept { connections_.erase(socket); }

void IdleConnections::shut_dead(std::string_view origin) noexcept
{
    std::erase_if(connections_, [&](const auto& each) {
        const auto& [socket, connection] = each;
        if (connection.origin != origin) return false;
        if (inode_of(socket) != connection.inode) return true;
        const bool dead = is_dead(socket, origin.starts_with("https:"));
        if (dead) shut(socket);
        return dead;
    });
}

}  // namespace oidc::ngx
