// The journeys of a browser: login (OpenID Connect Core 3.1) and logout (OpenID Connect RP-Initiated Logout 1.0).
#pragma once

#include "ports.hpp"
#include "session.hpp"

namespace oidc {

// ---- A pending login or logout lives in the browser: one sealed cookie per attempt, nothing on the server.
// Its cookie and that of the rounds, with `host_prefix` in front on https: nobody else on the domain can set them.
constexpr std::string_view host_prefix = "__Host-", attempt_cookie_prefix = "NGX_OIDC_LOGIN_",
                           rounds_cookie_prefix = "NGX_OIDC_ROUNDS_";

enum class Purpose : std::uint8_t { login = 1, logout = 2 };

struct Attempt {
    Purpose purpose = Purpose::login;
    std::uint8_t restarts = 0;                 // how often this login began again by itself
    std::int64_t created = 0;                  // Unix seconds
    Digest seed{};
    std::string provider, return_path = "/";
    std::string acr;                           // the levels asked for, separated by spaces

    // What derives from the seed: three times 43 characters of [A-Za-z0-9], 256 bits each. Not sealed.
    static constexpr std::size_t length = 43;
    std::array<char, 3 * length> letters{};
    std::string_view state() const noexcept { return {letters.data(), length}; }
    std::string_view nonce() const noexcept { return {letters.data() + length, length}; }
    std::string_view verifier() const noexcept { return {letters.data() + 2 * length, length}; }
};

Attempt new_attempt(Purpose purpose, const Provider& provider, const Request& request, RandomBytes random);
inline Digest use_key(const Attempt& attempt) { return sha256(view(attempt.seed)); }  // under which its one use is recorded
inline std::int64_t end_of(const Attempt& attempt, const Provider& provider) { return attempt.created + provider.state_timeout; }

// Adds the Set-Cookie lines that keep `attempt` in the browser and delete the oldest ones, so that state_limit and 4 kB hold.
void keep_attempt(Reply& reply, const Attempt& attempt, const Provider& provider, const Request& request, const Secret& key,
                  RandomBytes random);
std::string delete_attempt(const Attempt& attempt, const Request& request);
// The attempt that `state` names, when this browser holds its cookie, unaltered. nullopt: no such cookie, or not ours.
std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys);
// How many logins this browser has just finished without showing a session, and the Set-Cookie line that keeps a new number: a
// browser that drops the session cookie would otherwise go round for ever. Not sealed: it can only stop its own browser.
std::uint8_t rounds(const Provider& provider, const Request& request);
std::string keep_rounds(const Provider& provider, const Request& request, int number);

// ---- Login
// What was in the browser before: the live session of this provider, when there is one.
struct Existing {
    bool present = false;
    std::string return_path, state_hash;  // of the login that made it
};

// Where a login leads, and how often it began again by itself.
struct Destination {
    std::string return_path = "/";
    std::uint8_t restarts = 0;
};

// Redirects to the provider (3.1.2.1). No wait, nothing written on this side but a sealed cookie.
Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, Destination destination,
                  const Secret& cookie_key, RandomBytes random);
// The same where the metadata may have to be fetched first.
Task<Reply> start_login(const Provider& provider, Ports& ports, const Request& request, Destination destination);
// login_uri: `?return=` a local path; with a session it leads straight there.
Task<Reply> login_link(const Provider& provider, Ports& ports, const Request& request, Existing existing);
// The redirect URI (3.1.2.5 to 3.1.3.7, 5.3).
Task<Reply> finish_login(const Provider& provider, Ports& ports, const Request& request, Existing existing);
// Which attempt a callback answers, by its state: several providers may share one redirect URI.
std::optional<Attempt> attempt_of_callback(const Request& request, const std::vector<Secret>& cookie_keys);
// redirect_uri and post_logout_uri as sent: a path gets the site in front.
std::string absolute_uri(const std::string& uri, const Request& request);

// ---- Logout: the session ends here first, then the browser goes to the provider.
// logout_uri. Never fails for a provider's fault: without its end_session endpoint the browser goes to the page after logout.
Task<Reply> logout(const Provider& provider, Ports& ports, const Request& request);
// The return from the provider: verifies our `state` (single use). Reason::logout_state.
Task<Reply> logged_out(const Provider& provider, Ports& ports, const Request& request);

}  // namespace oidc
