// Connections that libcurl keeps for the next call. The other side may end one at any time: its last words, a TLS
// alert, look to libcurl 7.88 like a sign of life, and the next request is lost on them. So they are looked at before a
// call.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace oidc::ngx {

class IdleConnections {
public:
    // A call has ended on that socket of libcurl's, which may have been closed meanwhile, and its number be another's:
    // `own` is a descriptor of ours for it. `origin`: "https://host:port".
    void add(int socket, int own, std::string origin);
    void in_use(int socket) noexcept;

    // Before a call to `origin`: those on which anything has arrived are shut, and libcurl takes another one.
    void shut_dead(std::string_view origin) noexcept;

private:
    struct Connection {
        std::string origin;
        ino_t inode;  // tells whether the number is still that socket's
    };

    std::map<int, Connection> connections_;
};

}  // namespace oidc::ngx
