// The configuration: what the directives of http, server and location become, immutable and owned by the cycle's pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config_error.hpp"
#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/base/secret.hpp"
#include "store/metrics.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {

enum class ClaimSetSource : std::uint8_t { any, id_token, userinfo };
enum class ClaimSetEncoding : std::uint8_t { raw, json, base64url, urlencode };

struct ClaimSet {  // oidc_claim_set
    ClaimSetSource source = ClaimSetSource::any;
    ClaimSetEncoding encoding = ClaimSetEncoding::raw;
    std::vector<std::string> path;
};

struct MainConf {
    std::vector<std::unique_ptr<ProviderConf>> providers;
    std::vector<std::unique_ptr<Zone>> zones;  // oidc_session_zone and the defaults
    std::unique_ptr<Zone> documents, states;   // of the node: what was fetched, which states were used
    std::vector<std::string> session_cookies;  // all their names, sorted
    ngx_int_t cookie_variable = 0;             // the index of $http_cookie
    std::vector<Secret> cookie_keys;           // oidc_cookie_key; empty: the random key of the zone of states
};

struct SrvConf {
    std::vector<ngx_http_server_name_t> hosts;  // its names but "_" and the like; nginx keeps no list of its own
    std::vector<const ProviderConf*> used;      // by auth_oidc in this server; all when it holds a variable
    bool host_needed = false;                   // a redirect URI is a path, and oidc_base_url is not set
    std::vector<Route> routes;                  // sorted by path
};

enum class Unauth : ngx_uint_t { automatic, redirect, status_401, status_403, pass };

// What a directive says for a location and those inside it.
struct Setting {
    ngx_http_complex_value_t* value;  // nullptr: off, or not written
    Place place;                      // line 0: not written
};

struct AuthRequire {  // auth_require
    std::vector<ngx_http_complex_value_t*> values;
    ngx_uint_t status = NGX_HTTP_FORBIDDEN;
};

struct StepUp {  // auth_oidc_acr, auth_oidc_scope; no words: off
    std::vector<std::string> words;
    Place place;
};

struct LocConf {                                // nginx's slots write it by offset
    Setting auth{}, args{}, base_url{};         // auth_oidc, auth_oidc_args, oidc_base_url
    const ProviderConf* provider = nullptr;     // set when auth_oidc is a constant name
    ngx_uint_t unauth = NGX_CONF_UNSET_UINT;    // Unauth
    ngx_flag_t strip_cookies = NGX_CONF_UNSET;  // auth_oidc_strip_cookies
    std::vector<AuthRequire>* require = nullptr;
    StepUp *acr = nullptr, *scope = nullptr;
    ngx_str_t chooser{};  // auth_oidc_chooser
};

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept;  // nullptr: none has that name

Metrics&
metrics_of(std::string_view provider) noexcept;  // in the running configuration; nobody reads those of an unknown one

}  // namespace oidc::ngx
