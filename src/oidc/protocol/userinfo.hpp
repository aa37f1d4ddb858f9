// UserInfo (OpenID Connect Core 5.3): JSON, a signed JWT, or a JWT signed then encrypted.
#pragma once

#include <string>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/task.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/protocol/token_endpoint.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

constexpr JoseReasons userinfo_reasons{Reason::userinfo_malformed,  Reason::userinfo_encryption,
                                       Reason::userinfo_encryption, Reason::userinfo_signature,
                                       Reason::userinfo_signature,  Reason::userinfo_signature};

// The claims, their `sub` equal to the ID token's (5.3.2). Reasons: userinfo_*, provider_*.
Task<Json> fetch_userinfo(Context context, const Endpoints& endpoints, const Tokens& tokens, std::string subject);

}  // namespace oidc
