// The UserInfo endpoint (OpenID Connect Core 5.3): JSON, a signed JWT, or a JWT signed then encrypted.
#pragma once

#include <string>

#include "json.hpp"
#include "ports.hpp"

namespace oidc {

// Whose UserInfo is asked for, and with which token.
struct UserinfoFor {
    std::string access_token, subject;

    UserinfoFor(std::string token, std::string sub) : access_token{std::move(token)}, subject{std::move(sub)} {}
};

// The claims, their `sub` equal to the ID token's (5.3.2). Reasons: userinfo_*, provider_*.
Task<Json> fetch_userinfo(const Provider& provider, const Endpoints& endpoints, Ports& ports, UserinfoFor whom, std::int64_t now);

}  // namespace oidc
