// A pending login or logout lives in the browser: one sealed cookie per attempt, nothing on the server.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cookie.hpp"
#include "crypto.hpp"
#include "request.hpp"

namespace oidc {

enum class Purpose : std::uint8_t { login = 1, logout = 2 };

// What is sealed. `state`, `nonce` and `verifier` derive from the seed: 43 characters of [A-Za-z0-9] each, 256 bits.
struct Attempt {
    Purpose purpose = Purpose::login;
    std::uint8_t restarts = 0;                 // how often this login began again by itself
    std::int64_t created = 0;                  // Unix seconds
    std::array<unsigned char, 32> seed{};
    std::string provider;
    std::string return_path;
    std::vector<std::string> acr;              // the levels asked for
};

struct Derived {
    std::string state, nonce, verifier;
};

Derived derive(const Attempt& attempt);
Digest use_key(const Attempt& attempt);        // under which its one use is recorded

// The Set-Cookie line that keeps `attempt` in the browser.
std::string seal_attempt(const Attempt& attempt, const Derived& derived, const Request& request, const Secret& key, RandomBytes random,
                         Seconds timeout);

// The attempt that `state` names, when this browser holds its cookie, unaltered. nullopt: no such cookie, or not ours.
std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys);

std::string delete_attempt(std::string_view state, const Request& request);

// Set-Cookie lines that delete the oldest attempts, so that with the new line's cookie at most `limit` and 4 kB stay.
std::vector<std::string> drop_oldest(const Request& request, std::size_t limit, std::string_view new_line);

// How many logins this browser has just finished without showing a session, and the Set-Cookie line that counts one more: a
// browser that drops the session cookie would otherwise go round for ever. Not sealed: it can only stop its own browser.
std::uint8_t rounds(const Provider& provider, const Request& request);
std::string count_round(const Provider& provider, const Request& request, std::uint8_t so_far);
std::string forget_rounds(const Provider& provider, const Request& request);
constexpr std::string_view rounds_cookie_prefix = "NGX_OIDC_ROUNDS_";

// "__Host-NGX_OIDC_LOGIN_" on https: what our cookies of attempts begin with.
std::string_view attempt_cookie_prefix(bool https) noexcept;

}  // namespace oidc
