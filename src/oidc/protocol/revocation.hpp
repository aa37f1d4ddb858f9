// Token revocation (RFC 7009).
#pragma once

#include <string>
#include <string_view>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

// `kind`: access_token or refresh_token, sent where the provider accepts such a hint. Reasons: token_refused,
// client_refused, token_malformed, provider_*.
Task<bool> revoke_token(Context context, const Endpoints& endpoints, std::string token, std::string_view kind);

}  // namespace oidc
