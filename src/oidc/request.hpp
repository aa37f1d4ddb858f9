// What the protocol reads of a browser's request, and what it answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "url.hpp"

namespace oidc {

// The views point into memory that outlives the handling of the request.
struct Request {
    std::string_view cookies;       // the Cookie header, several joined with "; "
    std::string_view query;         // without '?'
    std::string_view target;        // path and query as the browser sent them
    std::string base_url;           // "scheme://host[:port]" as the browser sees this site
    bool https = false;             // the scheme of base_url
    std::int64_t now = 0;           // Unix seconds
    std::vector<Param> args;        // for the authorization URL, evaluated, none empty
    std::vector<std::string> acr;   // the levels to ask for
};

struct Reply {
    int status = 302;
    std::string location;
    std::vector<std::string> set_cookies;

    Reply&& with(std::string set_cookie) &&
    {
        set_cookies.push_back(std::move(set_cookie));
        return std::move(*this);
    }
};

}  // namespace oidc
