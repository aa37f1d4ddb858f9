// The pushed authorization request endpoint (RFC 9126).
#pragma once

#include <string>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

// The request_uri that stands for the arguments of an authorization URL. Reasons: par_refused, par_malformed,
// client_refused, metadata_endpoint, provider_*.
Task<std::string> push_request(Context context, const Endpoints& endpoints, std::string query);

}  // namespace oidc
