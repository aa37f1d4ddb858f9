// A provider as configured: profile + directives, immutable after configuration. Lives as long as the configuration
// cycle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oidc/base/cookie.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/http_policy.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {

using Seconds = std::int64_t;
enum class LogoutMethod : std::uint8_t { post, samesite, any };  // the strictest first

struct CachePolicy {  // of documents (metadata_cache, jwks_cache)
    Seconds valid = 600, stale = 86400, min_refresh = 30;
};

struct Encryption {
    bool required = false;
    std::vector<std::string> algs;  // of key management; A256GCM is the only content encryption
};

struct CookieRules {
    std::string name;         // of the session cookie, __Host- included where it applies on https
    bool name_given = false;  // cookie_name was written: never prefixed
    std::string domain, path = "/";
    SameSite samesite = SameSite::lax;
    Switch secure = Switch::automatic;  // automatic: on https
};

struct Provider : ProfileDefaults {
    std::string name;
    const Profile* profile = nullptr;
    std::uint64_t binding = 0;  // of sessions to this provider: session_binding()

    std::string issuer, config_url;
    Endpoints overrides;  // `endpoint` directives; empty: from metadata
    CachePolicy metadata_cache, jwks_cache;
    HttpPolicy http;
    std::int64_t login_deadline = 25000;  // ms

    std::string client_id;
    mutable Secret client_secret;             // client_secret_file: each worker replaces its own when the file changes
    bool audience_is_token_endpoint = false;  // of assertions: not the issuer
    std::vector<OwnKey> own_keys;
    std::string own_jwks;  // the document served at client_jwks_uri
    Seconds client_jwks_max_age = 600;

    std::string redirect_uri = "/oidc_callback";  // path, or absolute URI
    std::string login_uri, logout_uri, post_logout_uri, client_jwks_uri, logged_out_uri, error_uri,
        sector_identifier_uri, backchannel_logout_uri, frontchannel_logout_uri;
    std::string initiate_login_uri;
    bool form_post = false;        // response_mode: the callback is a POST from another site
    std::string tamper_uri = "/";  // where a login ends that was tampered with
    LogoutMethod logout_method = LogoutMethod::samesite;
    std::string scope = "openid";  // space-separated
    std::optional<Seconds> max_age;
    Switch iss_parameter = Switch::automatic, par = Switch::automatic;
    std::vector<std::string> userinfo_algs;  // empty: as the ID token
    Encryption id_token_encryption, userinfo_encryption;

    Seconds clock_skew = 60, state_timeout = 1800, session_timeout = 8 * 3600;
    std::size_t state_limit = 8;
    Seconds session_idle_timeout = 0, session_max_lifetime = 0;  // 0: off
    bool session_refresh = true;
    Seconds refresh_before = 30;  // the access token's end
    CookieRules cookie;
};

// Sessions of another name, issuer or client are not this provider's.
std::uint64_t session_binding(const Provider& provider);

}  // namespace oidc
