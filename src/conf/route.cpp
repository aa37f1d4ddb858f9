#include "conf/route.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "conf/config_error.hpp"
#include "conf/parse.hpp"
#include "oidc/base/text.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

struct EndpointRow {
    Endpoint endpoint;
    std::string_view directive;
    std::string Provider::*uri;
    bool shareable;  // by providers: something in the request tells them apart
};

// In the order of Endpoint.
constexpr EndpointRow endpoint_rows[] = {
    {Endpoint::callback, "redirect_uri", &Provider::redirect_uri, true},
    {Endpoint::login, "login_uri", &Provider::login_uri, false},
    {Endpoint::logout, "logout_uri", &Provider::logout_uri, true},
    {Endpoint::logged_out, "post_logout_uri", &Provider::post_logout_uri, true},
    {Endpoint::jwks, "client_jwks_uri", &Provider::client_jwks_uri, false},
    {Endpoint::sector, "sector_identifier_uri", &Provider::sector_identifier_uri, true},
    {Endpoint::initiate, "initiate_login_uri", &Provider::initiate_login_uri, true},
    {Endpoint::backchannel, "backchannel_logout_uri", &Provider::backchannel_logout_uri, false},
    {Endpoint::frontchannel, "frontchannel_logout_uri", &Provider::frontchannel_logout_uri, false},
};

// Throws ConfigError for two on one path, unless something in the request tells the providers apart.
void add_route(std::vector<Route>& routes, const ProviderConf& conf, const EndpointRow& row, const std::string& path)
{
    auto at = std::ranges::lower_bound(routes, path, {}, &Route::path);
    if (at == routes.end() || at->path != path) at = routes.insert(at, {path, row.endpoint, {}});
    at->providers.push_back(&conf);
    const Provider& first = at->providers.front()->provider;
    const EndpointRow& other = endpoint_rows[static_cast<std::size_t>(at->endpoint)];
    bool same_keys = row.endpoint == Endpoint::jwks && first.own_jwks == conf.provider.own_jwks;
    if (other.endpoint == row.endpoint && (row.shareable || same_keys || &first == &conf.provider)) return;
    throw ConfigError(concat({row.directive, " of ", provider_title(conf.provider), " and ", other.directive, " of ",
                              provider_title(first), " are both ", quoted(path), "; give each a path of its own"}),
                      conf.place);
}

}  // namespace

void add_routes(std::vector<Route>& routes, const ProviderConf& conf)
{
    for (const EndpointRow& row : endpoint_rows) {
        std::string path = path_of(conf.provider.*row.uri);
        // Without a logout state the provider's return is an ordinary page of the site.
        if (path.empty() || (row.endpoint == Endpoint::logged_out && !conf.provider.logout_state)) continue;

        add_route(routes, conf, row, path);
        std::string why = concat({": the module answers this path, as the ", row.directive, "; choose another"});
        for (auto [directive, page] : {std::pair("error_uri", &Provider::error_uri),
                                       {"logged_out_uri", &Provider::logged_out_uri},
                                       {"post_logout_uri", &Provider::post_logout_uri}}) {
            bool login =
                row.endpoint == Endpoint::login && page != &Provider::error_uri;  // whoever logged out may log in again
            if (path != conf.provider.*page || row.uri == page || login) continue;
            throw ConfigError(directive_of(conf.provider, directive) + why, conf.place_of(directive));
        }
    }
}

const Route* find_route(const std::vector<Route>& routes, std::string_view path)
{
    auto route = std::ranges::lower_bound(routes, path, {}, &Route::path);
    return route != routes.end() && route->path == path ? &*route : nullptr;
}

}  // namespace oidc::ngx
