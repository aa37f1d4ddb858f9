// A provider as nginx keeps it: what the protocol reads of it, and what only nginx needs.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config_error.hpp"
#include "conf/secret_file.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/provider/provider.hpp"
#include "store/metrics.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {

// An argument of the authorization URL whose value may hold variables (auth_args, prompt, claims, ...).
struct AuthArg {
    std::string name;
    ngx_http_complex_value_t* value;
    std::string directive;
    Place place;
};

struct ProviderConf {
    Provider provider;
    std::vector<AuthArg> args;                       // as written
    ngx_http_complex_value_t* acr_values = nullptr;  // nullptr: provider.acr_default
    Zone* sessions = nullptr;
    ngx_shm_zone_t* counters = nullptr;
    mutable SecretFile secret_file;             // of the worker
    std::string cookie_names[2];                // of the session: on http, on https
    std::string session_store;                  // its name; empty: a zone of its own
    Place place{};                              // of oidc_provider
    std::map<std::string_view, Place> written;  // the directives that stand in the block

    const Place& place_of(std::string_view directive) const
    {
        auto at = written.find(directive);
        return at != written.end() ? at->second : place;
    }
    Metrics& metrics() const noexcept { return *static_cast<Metrics*>(counters->data); }
};

}  // namespace oidc::ngx
