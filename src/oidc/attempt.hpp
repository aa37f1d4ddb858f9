// A pending login or logout: it lives in the browser, one sealed cookie per attempt, nothing on the server.
#pragma once

#include "ports.hpp"
#include "session.hpp"

namespace oidc {

// more: of a session that goes on, with a stronger authentication or more scopes. intruder: of a login that was tampered with.
enum class Purpose : std::uint32_t { login = 1, logout = 2, more = 3, intruder = 4 };

struct AttemptHead {                            // sealed as it lies in memory
    std::int64_t created = 0;                   // Unix seconds
    Purpose purpose = Purpose::login;
    unsigned restarts = 0;                      // how often this login began again by itself
};
struct Attempt : AttemptHead {
    static constexpr std::size_t length = 43;   // of [A-Za-z0-9]: 256 bits
    std::array<char, 3 * length> letters{};
    std::string provider{}, return_path = "/";
    std::string acr{}, scope{};                 // asked for, separated by spaces; the scopes beside the provider's
    std::string_view state() const noexcept { return secret(0); }
    std::string_view nonce() const noexcept { return secret(1); }     // empty, as the next: not drawn
    std::string_view verifier() const noexcept { return secret(2); }  // RFC 7636

private:
    std::string_view secret(std::size_t i) const noexcept { return {&letters[i * length], letters[i * length] == 0 ? 0 : length}; }
};

// `secrets`: 1 the state, 2 the nonce too, 3 the verifier too.
Attempt new_attempt(Purpose purpose, const Provider& provider, const Request& request, std::size_t secrets, RandomBytes random);
inline Digest use_key(const Attempt& attempt) { return sha256(attempt.state()); }  // under which its one use is recorded

// Adds the Set-Cookie lines that keep `attempt` in the browser and delete the oldest ones, so that state_limit and 4 kB hold.
void keep_attempt(Reply& reply, const Attempt& attempt, const Provider& provider, const Request& request, const Secret& key,
                  RandomBytes random);
std::string delete_attempt(const Attempt& attempt, const Provider& provider, const Request& request);
// The attempt that `state` names, when this browser holds its cookie, unaltered. nullopt: no such cookie, or not ours.
std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys);
std::optional<Attempt> attempt_of_query(const Request& request, const std::vector<Secret>& keys);
// Makes the one use of an attempt, or says why this browser's return is not, or no longer, the answer to it.
constexpr Purpose of_login[] = {Purpose::login, Purpose::more}, of_logout[] = {Purpose::logout, Purpose::intruder};
Task<std::optional<Failure>> use(Journey on, std::span<const Purpose> purposes, const std::optional<Attempt>& attempt);

// How many logins this browser has just finished without showing a session, and the Set-Cookie line that keeps a new number: a
// browser that drops the session cookie would otherwise go round for ever. Not sealed: it can only stop its own browser.
unsigned rounds(const Provider& provider, const Request& request);
std::string keep_rounds(const Provider& provider, const Request& request, unsigned number);

// redirect_uri and post_logout_uri as sent: a path gets the site in front.
std::string absolute_uri(const std::string& uri, const Request& request);

}  // namespace oidc
