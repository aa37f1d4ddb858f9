// Verification against a provider whose keys rotate: an unknown kid or a failed signature asks once for newer keys.
#pragma once

#include "id_token.hpp"
#include "jose.hpp"
#include "ports.hpp"

namespace oidc {

// The arguments are the caller's: they outlive the wait.
Task<VerifiedJws> verify_with_refetch(const Jws& token, const Provider& provider, Documents& documents, const VerifyPolicy& policy);
Task<VerifiedJws> validate_id_token(const Jws& token, const Provider& provider, Documents& documents, const Expected& expected,
                                    std::int64_t now);

}  // namespace oidc
