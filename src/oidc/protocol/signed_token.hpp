// A token as it came from a provider, opened: decrypted where the configuration says so, and verified with the
// provider's keys.
#pragma once

#include <string>

#include "oidc/base/task.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// An unknown kid or a failed signature asks once for newer keys. Reasons: those of `policy`, and what fetching keys can
// fail with.
Task<VerifiedJws> verify_token(Context context, std::string token, const Encryption& encryption,
                               const VerifyPolicy& policy);

}  // namespace oidc
