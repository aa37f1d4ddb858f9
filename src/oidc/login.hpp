// The authorization code flow (OpenID Connect Core 3.1): the way to the provider, and the way back.
#pragma once

#include <string>
#include <string_view>

#include "login_state.hpp"
#include "ports.hpp"
#include "request.hpp"

namespace oidc {

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
Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, const Destination& destination,
                  const Secret& cookie_key, RandomBytes random);

// The same where the metadata may have to be fetched first.
Task<Reply> start_login(const Provider& provider, Ports& ports, const Request& request, Destination destination);

// login_uri: `?return=` a local path; with a session it leads straight there.
Task<Reply> login_link(const Provider& provider, Ports& ports, const Request& request, Existing existing);

// The redirect URI (3.1.2.5 to 3.1.3.7, 5.3). `attempt` is nullopt when this browser holds no cookie for the state.
Task<Reply> finish_login(const Provider& provider, Ports& ports, const Request& request, Existing existing);

// Which attempt a callback answers, by its state: several providers may share one redirect URI.
std::optional<Attempt> attempt_of_callback(const Request& request, const std::vector<Secret>& cookie_keys);

// The page a browser asked for, as a return path: bytes a header cannot hold are encoded, anything unsafe is "/".
std::string return_path(std::string_view target);

// redirect_uri and post_logout_uri as sent: a path gets the site in front.
std::string absolute_uri(const std::string& uri, const Request& request);

}  // namespace oidc
