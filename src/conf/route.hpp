// The paths of a server that the module answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/provider_conf.hpp"

namespace oidc::ngx {

// page: none, a protected page. refresh: none either, it waits for new tokens.
enum class Endpoint : std::uint8_t {
    callback,
    login,
    logout,
    logged_out,
    jwks,
    sector,
    initiate,
    backchannel,
    frontchannel,
    page,
    refresh
};

// One path of a server that a module endpoint answers.
struct Route {
    std::string path;
    Endpoint endpoint;
    std::vector<const ProviderConf*>
        providers;  // several may share a redirect URI: the sealed cookie names the provider
};

// Adds those of one provider. Throws ConfigError for two on one path, unless something in the request tells the
// providers apart.
void add_routes(std::vector<Route>& routes, const ProviderConf& conf);

const Route* find_route(const std::vector<Route>& routes, std::string_view path);  // nullptr: none

}  // namespace oidc::ngx
