// What the directives become: immutable after configuration, owned by the cycle's pool.
#pragma once

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

// An argument of the authorization URL whose value may hold variables (auth_args, acr_values, prompt, ...).
struct AuthArg {
    std::string name;
    ngx_http_complex_value_t* value = nullptr;
};

struct ProviderConf {
    Provider provider;
    std::vector<AuthArg> args;                             // as written: auth_args, extra_auth_args, prompt, login_hint, ...
    ngx_http_complex_value_t* acr_values = nullptr;        // nullptr: provider.acr_default
    Zone* sessions = nullptr;
    std::string cookie_names[2];                           // of the session: on http, on https
    std::string session_store;                             // its name; empty: a zone of its own
    Place place{}, store_place{};                          // of oidc_provider, of session_store
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
    std::vector<Secret> cookie_keys;                       // oidc_cookie_key; empty: the random key of the zone of states
};

struct HostName {                                          // of server_name: nginx keeps its own list during configuration only
    std::string name;
    ngx_http_regex_t* regex;                               // nullptr: a plain name or a wildcard
};

struct SrvConf {
    std::vector<HostName> hosts;
    std::vector<const ProviderConf*> used;                 // by auth_oidc in this server; all when it holds a variable
    bool host_needed = false;                              // a redirect URI is a path, and oidc_base_url is not set
    std::vector<Route> routes;                             // sorted by path
};

enum class Unauth : ngx_uint_t { automatic, redirect, status_401, status_403, pass };

struct LocConf {                                           // POD: nginx's slots write it by offset
    ngx_http_complex_value_t* auth;                        // auth_oidc; nullptr: off
    const ProviderConf* provider;                          // set when auth_oidc is a constant name
    Place auth_place, args_place;                          // of auth_oidc, of auth_oidc_args
    ngx_uint_t unauth;                                     // Unauth
    ngx_str_t args;                                        // auth_oidc_args
    ngx_flag_t strip_cookies;                              // auth_oidc_strip_cookies
    ngx_http_complex_value_t* base_url;                    // oidc_base_url
    ngx_array_t* require;                                  // of Require: auth_require
    ngx_flag_t auth_set;                                   // auth_oidc was written here or above
};

struct Require {                                           // auth_require
    ngx_array_t* values;                                   // of ngx_http_complex_value_t
    ngx_uint_t status;
};

extern ngx_command_t commands[];

void* create_main_conf(ngx_conf_t* cf);
char* init_main_conf(ngx_conf_t* cf, void* conf);
void* create_srv_conf(ngx_conf_t* cf);
void* create_loc_conf(ngx_conf_t* cf);
char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child);
bool build_routes(ngx_conf_t* cf);                         // in postconfiguration: every server's table of endpoints

// The provider by name; nullptr when there is none.
const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept;

}  // namespace oidc::ngx
