// What is known of each kind of provider, in one table: what it accepts, and what it is asked for unless a directive
// says otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/provider/acr.hpp"

namespace oidc {

enum class Switch : std::uint8_t { automatic, on, off };
// How the client proves who it is, and what a provider's metadata calls it: in the order of preference.
enum class ClientAuth : std::uint8_t {
    automatic,
    basic,
    post,
    private_key_jwt,
    secret_jwt,
    tls,
    self_signed_tls,
    none
};
inline constexpr char client_auth_names[] =
    "auto client_secret_basic client_secret_post private_key_jwt client_secret_jwt "
    "tls_client_auth self_signed_tls_client_auth none";
enum class UserinfoFormat : std::uint8_t { automatic, json, jwt };

// What a profile sets and a directive may change.
struct ProfileDefaults {
    ClientAuth client_auth = ClientAuth::automatic;  // of a profile, not automatic: no other is accepted
    Switch pkce = Switch::automatic;
    std::vector<AcrOrder> acr_orders;        // of a profile, not empty: no other level exists
    std::vector<std::string> acr_default;    // asked for when acr_values is absent or empty
    std::vector<std::string> id_token_algs;  // empty: every asymmetric one
    bool userinfo = false;
    UserinfoFormat userinfo_format = UserinfoFormat::automatic;
    bool logout_token_hint = false, logout_state = false;
    bool revoke_on_logout = false;
    bool tamper_logout = false;  // tamper_action provider_logout
};

struct ProfileIssuer {
    std::string_view environment, issuer, network = "internet";
};

struct ArgumentRule {  // a parameter of the authorization URL whose values are limited
    std::string_view name;
    bool (*accepts)(std::string_view value);
    std::string_view wants;  // completes "<title> wants"
};

struct Profile : ProfileDefaults {
    std::string_view name = "generic", title = "the provider";  // in the configuration, in messages
    std::vector<ProfileIssuer> issuers;                         // the first one is the default

    // The client.
    bool hexadecimal_secret = false;  // it gives secrets of 64 hexadecimal characters
    bool par_accepted = true;         // pushed authorization requests, RFC 9126

    // The authorization URL.
    bool closed = false;                               // a parameter outside the lists is refused
    std::vector<std::string_view> authorization_args;  // accepted beyond the standard ones that we always send
    std::vector<ArgumentRule> argument_rules;
    std::string_view max_age_refusal, pkce_refusal;  // why max_age, why pkce cannot work; empty: it can
    bool essential_acr = false;                      // acr_values is but a wish: a required level goes into `claims`

    // Tokens and UserInfo.
    std::vector<std::string> known_algs;    // empty: any
    bool one_algorithm = false;             // it signs with the one that was registered
    Switch encryption = Switch::automatic;  // on: every token is encrypted, off: none is
    bool userinfo_json = true;              // plain JSON can be had
    bool revocation_hint = true;            // token_type_hint is accepted

    // Logout.
    bool logout_needs_hint = false;    // its end_session endpoint shows an error page without id_token_hint
    bool logout_needs_return = false;  // without post_logout_redirect_uri its own page keeps the browser
    bool tells_of_logout = true;       // by back-channel or front-channel logout
};

// In the order in which messages name them.
const std::vector<Profile>& profiles();
const Profile* find_profile(std::string_view name) noexcept;  // nullptr: unknown
// Whether one of the profile's orders holds the level (any level where it has none).
bool knows_acr(const Profile& profile, std::string_view level) noexcept;
// Why this provider would refuse the parameter on its authorization URL: a sentence with the remedy. Empty: it accepts
// it. value: nullptr when it is not known yet.
std::string why_refused(const Profile& profile, std::string_view name, const std::string* value);
// Parameters that the module computes: nobody else sets them.
bool is_reserved_argument(std::string_view name) noexcept;

}  // namespace oidc
