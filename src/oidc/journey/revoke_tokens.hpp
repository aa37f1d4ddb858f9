// The tokens of a session that ended here are taken back (RFC 7009).
#pragma once

#include <string>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"

namespace oidc {

// `record`: of the session. False: the provider has no revocation endpoint. Throws for the log: nobody waits for it.
Task<bool> revoke_tokens(Context context, std::string record);

}  // namespace oidc
