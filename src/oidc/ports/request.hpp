// What the journeys read of a browser's request, and what they answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/url.hpp"

namespace oidc {

// The views point into memory that outlives the handling of the request.
struct Request {
    std::string_view cookies;  // the Cookie header, several joined with "; "
    std::string_view query;    // without '?'
    std::string form;  // the body of a POST that is a form; empty: there is none, or it is longer than any of ours
    std::string_view target;  // path and query as the browser sent them
    std::string base_url;     // "scheme://host[:port]" as the browser sees this site
    bool https = false;       // the scheme of base_url
    std::int64_t now = 0;     // Unix seconds
    std::vector<Param> args;  // for the authorization URL, evaluated, none empty
    std::string acr, scope;   // the levels to ask for, and the scopes beside the provider's, separated by spaces
    bool step_up = false;     // the levels are a location's: no other will do
};

struct Reply {
    int status = 302;
    std::string location{};
    std::vector<std::string> set_cookies{};
    std::optional<Failure> why{};  // the login began again, or was tampered with: what became of it, for the log
    std::string ended{};           // the record of the session that this ends, whose tokens are taken back
};

// redirect_uri and post_logout_uri as sent: a path gets the site in front.
std::string absolute_uri(const std::string& uri, const Request& request);

}  // namespace oidc
