// A request to the provider (a login, a logout) whose answer is awaited. It lives in the browser, one sealed cookie per
// request: nothing is kept on the server, but that its state was used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// Of the cookies' names, behind host_prefix on https.
constexpr std::string_view pending_cookie_prefix = "NGX_OIDC_LOGIN_", recent_logins_cookie_prefix = "NGX_OIDC_ROUNDS_";

// step_up: of a session that goes on, with a stronger authentication or more scopes. tampered_login: the logout of a
// person whose login was tampered with.
enum class Purpose : std::uint32_t { login = 1, logout = 2, step_up = 3, tampered_login = 4 };

struct PendingHeader {         // sealed as it lies in memory
    std::int64_t created = 0;  // Unix seconds
    Purpose purpose = Purpose::login;
    unsigned restarts = 0;  // how often this login began again by itself
};
struct PendingRequest : PendingHeader {
    static constexpr std::size_t length = 43;  // of [A-Za-z0-9]: 256 bits
    std::array<char, 3 * length> letters{};
    std::string provider{}, return_path = "/";
    std::string acr{}, scope{};  // asked for, separated by spaces; the scopes beside the provider's
    std::string_view state() const noexcept { return secret(0); }
    std::string_view nonce() const noexcept { return secret(1); }     // empty, as the next: not drawn
    std::string_view verifier() const noexcept { return secret(2); }  // RFC 7636

private:
    std::string_view secret(std::size_t i) const noexcept
    {
        return {&letters[i * length], letters[i * length] == 0 ? 0 : length};
    }
};

// `secrets`: 1 the state, 2 the nonce too, 3 the verifier too.
PendingRequest new_pending_request(Purpose purpose, const Provider& provider, const Request& request,
                                   std::size_t secrets, RandomBytes random);
// Under which its one use is recorded.
inline Digest use_once_key(const PendingRequest& pending) { return sha256(pending.state()); }

// Adds the Set-Cookie lines that keep `pending` in the browser and delete the oldest ones, so that state_limit and 4 kB
// hold.
void keep_pending_request(Reply& reply, const PendingRequest& pending, const Provider& provider, const Request& request,
                          const Secret& key, RandomBytes random);
std::string delete_pending_request(const PendingRequest& pending, const Provider& provider, const Request& request);
// The one that `state` names, when this browser holds its cookie, unaltered. nullopt: no such cookie, or not ours.
std::optional<PendingRequest> open_pending_request(std::string_view state, const Request& request,
                                                   const std::vector<Secret>& keys);
std::optional<PendingRequest> pending_request_of(const Request& request, const std::vector<Secret>& keys);
// Makes the one use of it, or says why this browser's return is not, or no longer, the answer to it.
constexpr Purpose login_purposes[] = {Purpose::login, Purpose::step_up},
                  logout_purposes[] = {Purpose::logout, Purpose::tampered_login};
Task<std::optional<Failure>> use_pending_request(Context context, std::span<const Purpose> purposes,
                                                 const std::optional<PendingRequest>& pending);

// How many logins this browser has just finished without showing a session, and the Set-Cookie line that keeps a new
// number: a browser that drops the session cookie would otherwise go round for ever. Not sealed: it can only stop its
// own browser.
unsigned recent_logins(const Provider& provider, const Request& request);
std::string keep_recent_logins(const Provider& provider, const Request& request, unsigned number);

}  // namespace oidc
