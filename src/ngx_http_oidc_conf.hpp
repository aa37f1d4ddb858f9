// What the directives become: immutable after configuration, owned by the cycle's pool.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_shm.hpp"
#include "oidc/provider.hpp"

namespace oidc::ngx {

// Where a directive stands, for messages after the line was read.
struct Place {
    ngx_str_t file;
    ngx_uint_t line;
};

// An argument of the authorization URL whose value may hold variables (auth_args, prompt, claims, ...).
struct AuthArg {
    std::string name;
    ngx_http_complex_value_t* value;
    std::string directive;
    Place place;
};

struct ProviderConf {
    Provider provider;
    std::vector<AuthArg> args;                             // as written
    ngx_http_complex_value_t* acr_values = nullptr;        // nullptr: provider.acr_default
    Zone* sessions = nullptr;
    std::string cookie_names[2];                           // of the session: on http, on https
    std::string session_store;                             // its name; empty: a zone of its own
    Place place{};                                         // of oidc_provider
    std::map<std::string_view, Place> written;             // the directives that stand in the block

    const Place& place_of(std::string_view directive) const
    {
        auto at = written.find(directive);
        return at != written.end() ? at->second : place;
    }
};

enum class Endpoint : std::uint8_t { callback, login, logout, logged_out, jwks, page };  // page: none, a protected page

// One path of a server that a module endpoint answers.
struct Route {
    std::string path;
    Endpoint endpoint;
    std::vector<const ProviderConf*> providers;            // several may share a redirect URI: the sealed cookie names the provider
};

enum class ClaimSource : std::uint8_t { any, id_token, userinfo };
enum class ClaimEncoding : std::uint8_t { raw, json, base64url, urlencode };

struct ClaimSet {                                          // oidc_claim_set
    ClaimSource source = ClaimSource::any;
    ClaimEncoding encoding = ClaimEncoding::raw;
    std::vector<std::string> path;
};

struct MainConf {
    std::vector<std::unique_ptr<ProviderConf>> providers;
    std::vector<std::unique_ptr<Zone>> zones;              // oidc_session_zone and the defaults
    std::unique_ptr<Zone> documents, states;               // of the node: what was fetched, which states were used
    ngx_int_t cookie_variable = 0;                         // the index of $http_cookie
    std::vector<Secret> cookie_keys;                       // oidc_cookie_key; empty: the random key of the zone of states
};

struct SrvConf {
    std::vector<ngx_http_server_name_t> hosts;             // its names but "_" and the like; nginx keeps no list of its own
    std::vector<const ProviderConf*> used;                 // by auth_oidc in this server; all when it holds a variable
    bool host_needed = false;                              // a redirect URI is a path, and oidc_base_url is not set
    std::vector<Route> routes;                             // sorted by path
};

enum class Unauth : ngx_uint_t { automatic, redirect, status_401, status_403, pass };

// What a directive says for a location and those inside it.
struct Setting {
    ngx_http_complex_value_t* value;                       // nullptr: off, or not written
    Place place;                                           // line 0: not written
};

struct Require {                                           // auth_require
    std::vector<ngx_http_complex_value_t*> values;
    ngx_uint_t status = NGX_HTTP_FORBIDDEN;
};

struct LocConf {                                           // nginx's slots write it by offset
    Setting auth{}, args{}, base_url{};                    // auth_oidc, auth_oidc_args, oidc_base_url
    const ProviderConf* provider = nullptr;                // set when auth_oidc is a constant name
    ngx_uint_t unauth = NGX_CONF_UNSET_UINT;               // Unauth
    ngx_flag_t strip_cookies = NGX_CONF_UNSET;             // auth_oidc_strip_cookies
    std::vector<Require>* require = nullptr;
};

// The provider by name; nullptr when there is none.
const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept;

}  // namespace oidc::ngx
