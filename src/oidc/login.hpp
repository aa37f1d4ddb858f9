// The journeys of a browser: login (OpenID Connect Core 3.1) and logout (OpenID Connect RP-Initiated Logout 1.0).
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
    std::uint8_t restarts = 0;
};

// ---- Login. `existing`: the live session of this provider, when the browser has one.
// Redirects to the provider (3.1.2.1). No wait, nothing written on this side but a sealed cookie.
Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, Destination destination,
                  const Secret& cookie_key, RandomBytes random);
// The same where the metadata may have to be fetched first.
Task<Reply> start_login(Journey on, Destination destination);
// login_uri: `?return=` a local path; with a session it leads straight there.
Task<Reply> login_link(Journey on, SessionView existing);
// The redirect URI (3.1.2.5 to 3.1.3.7, 5.3).
Task<Reply> finish_login(Journey on, SessionView existing);

// ---- Logout: the session ends here first, then the browser goes to the provider.
// logout_uri. Never fails for a provider's fault: without its end_session endpoint the browser goes to the page after logout.
Task<Reply> logout(Journey on);
// The return from the provider: verifies our `state` (single use). Reason::logout_state.
Task<Reply> logged_out(Journey on);

}  // namespace oidc
