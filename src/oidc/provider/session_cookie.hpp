// The session cookie of a provider.
#pragma once

#include <string>

#include "oidc/base/cookie.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// `https`: what the browser sees.
std::string session_cookie_name(const Provider& provider, bool https);
CookieAttributes session_cookie_attributes(const Provider& provider, bool https);

}  // namespace oidc
