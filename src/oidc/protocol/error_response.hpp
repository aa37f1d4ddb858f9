// The error response of the token endpoint and its kin (RFC 6749 section 5.2).
#pragma once

#include "oidc/base/failure.hpp"
#include "oidc/ports/http.hpp"

namespace oidc {

// What a response that is no success means: client_refused, else token_refused, with the provider's own reference of
// the incident.
Failure error_response(const HttpResponse& response);

}  // namespace oidc
