// How the client proves at the provider's endpoints who it is: RFC 6749 section 2.3, OpenID Connect Core 9, RFC 7523,
// RFC 8705.
#pragma once

#include <string>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

bool can_authenticate(const Provider& provider, ClientAuth method);  // with what is configured
// The configured method, else the first one that can be used and that the metadata names, else the first one that can
// be used.
ClientAuth client_auth(const Provider& provider, const Endpoints& endpoints);
// A POST of `query` ("?name=value&...") with the client's authentication. An assertion is made anew each time: good for
// one use.
HttpRequest client_request(Context context, const Endpoints& endpoints, const std::string& url,
                           const std::string& query);

// For what may be asked twice: sent again once, with an assertion of its own, where the first one got no answer.
Task<HttpResponse> send_repeatable(Context context, const Endpoints& endpoints, std::string url, std::string query);

}  // namespace oidc
