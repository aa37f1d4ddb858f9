// A provider as configured: profile + directives, immutable after configuration. Lives as long as the configuration cycle.
#pragma once
#include "jose.hpp"

namespace oidc {

using Seconds = std::int64_t;
enum class Switch : std::uint8_t { automatic, on, off };
// How the client proves who it is, and what a provider's metadata calls it: in the order of preference.
enum class ClientAuth : std::uint8_t { automatic, basic, post, private_key_jwt, secret_jwt, tls, self_signed_tls, none };
inline constexpr char client_auth_names[] = "auto client_secret_basic client_secret_post private_key_jwt client_secret_jwt "
                                            "tls_client_auth self_signed_tls_client_auth none";
enum class UserinfoFormat : std::uint8_t { automatic, json, jwt };
enum class LogoutMethod : std::uint8_t { post, samesite, any };  // the strictest first
enum class SameSite : std::uint8_t { lax, none, strict };

// The endpoints in force: metadata (OpenID Connect Discovery 1.0 section 3) overridden by `endpoint` directives.
struct Endpoints {
    std::string authorization, token, userinfo, jwks, end_session, revocation, par;
    std::vector<std::string> auth_methods;         // token_endpoint_auth_methods_supported
    std::vector<std::string> auth_algs;            // token_endpoint_auth_signing_alg_values_supported
    std::vector<std::string> id_token_algs;        // id_token_signing_alg_values_supported
    bool pkce_s256 = false, callback_iss = false;  // authorization_response_iss_parameter_supported
    bool par_required = false;                     // require_pushed_authorization_requests
};

struct CachePolicy {  // of documents (metadata_cache, jwks_cache)
    Seconds valid = 600, stale = 86400, min_refresh = 30;
};

// What every call to this provider obeys. Milliseconds and bytes. Files are opened by the workers.
struct HttpPolicy {
    std::int64_t timeout = 10000, connect_timeout = 3000;
    std::size_t max_response = 256 * 1024;
    std::string ca_file, crl_file, proxy;
    std::string certificate;                           // of the client, in PEM, its chain behind it
    Secret certificate_key;
};

struct Encryption {
    bool required = false;
    std::vector<std::string> algs;  // of key management; A256GCM is the only content encryption
};

using AcrOrder = std::vector<std::string>;  // levels of authentication in ascending strength

// What a profile sets and a directive may change.
struct Terms {
    ClientAuth client_auth = ClientAuth::automatic;    // of a profile, not automatic: no other is accepted
    Switch pkce = Switch::automatic;
    std::vector<AcrOrder> acr_orders;                  // of a profile, not empty: no other level exists
    std::vector<std::string> acr_default;              // asked for when acr_values is absent or empty
    std::vector<std::string> id_token_algs;            // empty: every asymmetric one
    bool userinfo = false;
    UserinfoFormat userinfo_format = UserinfoFormat::automatic;
    bool logout_token_hint = false, logout_state = false;
    bool revoke_on_logout = false;
    bool tamper_logout = false;                        // tamper_action provider_logout
};

struct ProfileIssuer {
    std::string_view environment, network, issuer;
};

struct ArgumentRule {  // a parameter of the authorization URL whose values are limited
    std::string_view name;
    bool (*accepts)(std::string_view value);
    std::string_view wants;                            // completes "<title> wants"
};

// A kind of provider: what it accepts, and what it is asked for unless a directive says otherwise. A row of one table.
struct Profile : Terms {
    std::string_view name = "generic", title = "the provider";  // in the configuration, in messages
    std::vector<ProfileIssuer> issuers;                // the first one is the default
    bool portal = false;                               // registered with the State: hexadecimal secret, one algorithm, logout page
    bool closed = false;                               // a parameter outside the lists is refused
    std::vector<std::string_view> authorization_args;  // accepted beyond the standard ones that we always send
    std::vector<ArgumentRule> argument_rules;
    std::string_view max_age_refusal, pkce_refusal;    // why max_age, why pkce cannot work; empty: it can
    std::vector<std::string> known_algs;               // empty: any
    Switch encryption = Switch::automatic;             // on: every token is encrypted, off: none is
    bool userinfo_json = true;                         // plain JSON can be had
    bool logout_needs_hint = false;                    // its end_session endpoint shows an error page without id_token_hint
    bool revocation_hint = true;                       // token_type_hint is accepted
    bool essential_acr = false;                        // acr_values is but a wish: a required level is asked for in `claims`
};

struct CookieRules {
    std::string name;                                  // of the session cookie, __Host- included where it applies on https
    bool name_given = false;                           // cookie_name was written: never prefixed
    std::string domain, path = "/";
    SameSite samesite = SameSite::lax;
    Switch secure = Switch::automatic;                 // automatic: on https
};

struct Provider : Terms {
    std::string name;
    const Profile* profile = nullptr;
    std::uint64_t binding = 0;                         // of sessions to this provider: session.hpp's binding_of

    std::string issuer, config_url;
    Endpoints overrides;                               // `endpoint` directives; empty: from metadata
    CachePolicy metadata_cache, jwks_cache;
    HttpPolicy http;
    std::int64_t login_deadline = 25000;               // ms

    std::string client_id;
    mutable Secret client_secret;                      // client_secret_file: each worker replaces its own when the file changes
    bool audience_is_token_endpoint = false;           // of assertions: not the issuer
    std::vector<OwnKey> own_keys;
    std::string own_jwks;                              // the document served at client_jwks_uri
    Seconds client_jwks_max_age = 600;

    std::string redirect_uri = "/oidc_callback";       // path, or absolute URI
    std::string login_uri, logout_uri, post_logout_uri, client_jwks_uri, logged_out_uri, error_uri, sector_identifier_uri,
        backchannel_logout_uri, frontchannel_logout_uri;
    std::string initiate_login_uri;
    bool form_post = false;                            // response_mode: the callback is a POST from another site
    std::string tamper_uri = "/";                      // where a login ends that was tampered with
    LogoutMethod logout_method = LogoutMethod::samesite;
    std::string scope = "openid";                      // space-separated
    std::optional<Seconds> max_age;
    Switch iss_parameter = Switch::automatic, par = Switch::automatic;
    std::vector<std::string> userinfo_algs;            // empty: as the ID token
    Encryption id_token_encryption, userinfo_encryption;

    Seconds clock_skew = 60, state_timeout = 1800, session_timeout = 8 * 3600;
    std::size_t state_limit = 8;
    Seconds session_idle_timeout = 0, session_max_lifetime = 0;  // 0: off
    bool session_refresh = true;
    Seconds refresh_before = 30;                       // the access token's end
    CookieRules cookie;
};

const std::vector<Profile>& profiles();
const Profile* find_profile(std::string_view name) noexcept;  // nullptr: unknown
// Whether one of the profile's orders holds the level (any level where it has none).
bool knows_acr(const Profile& profile, std::string_view level) noexcept;
// Why this provider would refuse the parameter on its authorization URL: a sentence with the remedy. Empty: it accepts it.
// value: nullptr when it is not known yet.
std::string why_refused(const Profile& profile, std::string_view name, const std::string* value);
// Parameters that the module computes: nobody else sets them.
bool is_reserved_argument(std::string_view name) noexcept;

// ---- Metadata (OpenID Connect Discovery 1.0 sections 3 and 4; RFC 8414)

// Where it is read: config_url, else under the issuer (Discovery 4.1).
std::string metadata_url(const Provider& provider);
// False when the `endpoint` directives name every endpoint that this provider's configuration makes use of.
bool needs_metadata(const Provider& provider) noexcept;
// The endpoints in force: `endpoint` directives win over the document, and what they name may be absent or wrong in it.
// Fails with metadata_malformed, metadata_issuer or metadata_endpoint.
Endpoints parse_metadata(const Provider& provider, std::string_view json);

}  // namespace oidc
