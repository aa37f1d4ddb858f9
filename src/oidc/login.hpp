// The journeys of a browser: login (OpenID Connect Core 3.1) and logout (OpenID Connect RP-Initiated Logout 1.0); and what a
// provider sends for one login: the callback, tokens, an ID token, UserInfo.
#pragma once
#include "ports.hpp"
#include "session.hpp"

namespace oidc {

// A pending login or logout lives in the browser: one sealed cookie per attempt, nothing on the server.
// Its cookie and that of the rounds, with `host_prefix` in front on https: nobody else on the domain can set them.
constexpr std::string_view host_prefix = "__Host-", attempt_cookie_prefix = "NGX_OIDC_LOGIN_",
                           rounds_cookie_prefix = "NGX_OIDC_ROUNDS_";

// Where the journey began that a callback answers, by its state: several providers may share one redirect URI.
struct Origin {
    std::string provider, return_path;
};
std::optional<Origin> origin_of_callback(const Request& request, const std::vector<Secret>& cookie_keys);  // nullopt: not here

// Where a login leads, and how often it began again by itself.
struct Destination {
    std::string return_path = "/";
    unsigned restarts = 0;
    bool more = false;  // for a session that lacks a level or a scope, and goes on with it
};

// ---- Login. `existing`: the live session of this provider, when the browser has one.
// Redirects to the provider (3.1.2.1). Nothing is written on this side but a sealed cookie.
Task<Reply> start_login(Journey on, Destination destination);
// The same without a wait; nullopt: the metadata is not at hand, or the request has to be pushed.
std::optional<Reply> login_at_once(Journey on, Destination destination);
// login_uri: `?return=` a local path; with a session it leads straight there.
Task<Reply> login_link(Journey on, SessionView existing);
// initiate_login_uri (Core 4): another site, named by `iss`, asks for a login. With a session, too.
Task<Reply> initiated_login(Journey on);
// The redirect URI (3.1.2.5 to 3.1.3.7, 5.3).
Task<Reply> finish_login(Journey on, SessionView existing);

// ---- Logout: the session ends here first, then the browser goes to the provider.
// logout_uri. Never fails for a provider's fault: without its end_session endpoint the browser goes to the page after logout.
Task<Reply> logout(Journey on);
// The answer to a login whose tokens are genuine and someone else's: no session, and `id_token` logs that person out (tamper_action).
Reply turn_away(Journey on, const Endpoints& endpoints, std::string_view id_token, Failure why);
// Takes back the tokens of a session that ended. Throws for the log: nobody waits for it.
Task<bool> revoke(Journey on, std::string record);
// The return from the provider: verifies our `state` (single use). Reason::logout_state.
Task<Reply> logged_out(Journey on);

// ---- Logout that the provider tells of. A login under way at that moment goes on.
// OpenID Connect Back-Channel Logout 1.0: a POST of a logout token. Reasons: logout_token_*, provider_*.
Task<Reply> backchannel_logout(Journey on);
// Front-Channel Logout 1.0: from an iframe, for the session of the browser's cookie, or by `iss` and `sid`. Reason::logout_refused.
Task<Reply> frontchannel_logout(Journey on, SessionView existing);

// ---- The query of a redirect URI (RFC 6749 4.1.2)
// The value of a parameter that may be there once, and then not empty; "" when it is absent. Reason::callback_malformed.
std::string once(const std::vector<Param>& params, std::string_view name);
struct Callback {
    std::string code, state, iss, error, error_description;
};
Callback parse_callback(std::string_view query);
// Refuses an error, and with RFC 9207 (mix-up protection) what another issuer sent.
void require_code(const Callback& callback, const Provider& provider, const Endpoints& endpoints);

// ---- The client's authentication
bool can_authenticate(const Provider& provider, ClientAuth method);  // with what is configured
// The configured method, else the first one that can be used and that the metadata names, else the first one that can be used.
ClientAuth client_auth(const Provider& provider, const Endpoints& endpoints);
// A POST of `query` ("?name=value&...") with the client's authentication. An assertion is made anew each time: good for one use.
HttpRequest client_request(Journey on, const Endpoints& endpoints, const std::string& url, const std::string& query);

// ---- The pushed authorization request endpoint (RFC 9126)
// The request_uri that stands for the arguments of an authorization URL. Reasons: par_refused, par_malformed, client_refused,
// metadata_endpoint, provider_*.
Task<std::string> push_request(Journey on, const Endpoints& endpoints, std::string query);

// ---- The token endpoint (OpenID Connect Core 3.1.3, RFC 6749 4.1.3)
struct Tokens {
    std::string id_token, access_token, refresh_token, scope;  // as sent; empty: not
    std::optional<std::int64_t> expires_in;   // seconds
};

struct CodeExchange {
    std::string code, redirect_uri, verifier;  // verifier empty: no PKCE
    Digest use_key;                            // of the attempt: a code that is refused for good leaves no trace of its state
};

// The code leaves at most once. Reasons: token_refused (the code), client_refused, token_malformed, token_type, id_token_missing,
// provider_*.
Task<Tokens> exchange_code(Journey on, const Endpoints& endpoints, CodeExchange exchange);
// Core 12. An ID token may be missing. Reason::refresh_refused: the refresh token is good for nothing any more.
Task<Tokens> refresh_tokens(Journey on, const Endpoints& endpoints, std::string refresh_token);
// RFC 7009. `kind`: access_token or refresh_token, sent where the provider accepts such a hint.
Task<bool> revoke_token(Journey on, const Endpoints& endpoints, std::string token, std::string_view kind);

// ---- Refresh (Core 12): before the access token ends, in the background
bool refresh_due(const Provider& provider, SessionView session, std::int64_t now) noexcept;
// Renews the tokens of the session under `key`; it keeps its id, and ends session_timeout from now. What the provider refuses ends
// it; whatever keeps us from asking does not. Throws for the log.
Task<bool> refresh(Journey on, SessionKey key);
SessionTimes times_of(const Provider& provider, const Tokens& tokens, std::int64_t created, std::int64_t now);

// ---- Signed tokens
// Decrypts where the configuration says so, and verifies. An unknown kid or a failed signature asks once for newer keys.
Task<VerifiedJws> open_token(Journey on, std::string token, const Encryption& encryption, const VerifyPolicy& policy);
// The algorithms configured for ID tokens, else the asymmetric ones that the metadata names, if it does.
VerifyPolicy id_token_policy(const Provider& provider, const Endpoints& endpoints);
// What this login asked for and received, to which its ID token must answer.
struct Expected {
    std::string nonce;
    std::vector<std::string> acr;             // the levels asked for, empty: not judged
    std::string access_token;                 // for at_hash
    bool renewal = false;                     // Core 12.2: the nonce may be missing, and the login is as old as it is
};

// OpenID Connect Core 3.1.3.7, but for the signature. Throws Failure with an id_token_* Reason. `now` in Unix seconds.
void require_id_token(const VerifiedJws& jws, const Provider& provider, const Expected& expected, std::int64_t now);
// How a kind of token is judged.
struct ClaimRules {
    Seconds max_age;                          // since iat: an older one was kept by someone
    bool sub_optional;
    Reason issuer, subject, audience, azp, expired, iat;
};
constexpr ClaimRules id_token_rules{24 * 3600, false, Reason::id_token_issuer, Reason::id_token_subject, Reason::id_token_audience,
                                    Reason::id_token_azp, Reason::id_token_expired, Reason::id_token_iat};
// Checks 2-5 and 9-10 of it: issuer, audience, azp, exp, iat.
void require_claims(const Json& claims, const Provider& provider, std::int64_t now, const ClaimRules& rules = id_token_rules);
// True when `level` is one of `asked`, or stands above one of them in one of the provider's orders of strength.
bool acr_at_least(const std::vector<AcrOrder>& orders, const std::vector<std::string>& asked, std::string_view level);

// ---- UserInfo (OpenID Connect Core 5.3): JSON, a signed JWT, or a JWT signed then encrypted
// The claims, their `sub` equal to the ID token's (5.3.2). Reasons: userinfo_*, provider_*.
Task<Json> fetch_userinfo(Journey on, const Endpoints& endpoints, const Tokens& tokens, std::string subject);

}  // namespace oidc
