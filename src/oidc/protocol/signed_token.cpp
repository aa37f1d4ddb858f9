#include "oidc/protocol/signed_token.hpp"

#include <memory>
#include <utility>

#include "oidc/base/failure.hpp"
#include "oidc/jose/jwa.hpp"
#include "oidc/jose/jwe.hpp"
#include "oidc/jose/jwks.hpp"

namespace oidc {

Task<VerifiedJws> verify_token(Context context, std::string token, const Encryption& encryption,
                               const VerifyPolicy& policy)
{
    const Jws jws =
        unwrap(std::move(token), encryption.required, context.provider.own_keys, encryption.algs, policy.reasons);
    if (is_hmac_alg(jws.alg()))
        co_return VerifiedJws(jws, Jwks(), policy);  // its key is the client secret, where that is allowed
    std::shared_ptr<const Jwks> keys = co_await context.ports.documents.keys(context.provider);
    try {
        co_return VerifiedJws(jws, *keys, policy);
    } catch (const Failure& failure) {
        if (failure.reason != policy.reasons.key && failure.reason != policy.reasons.signature) throw;
    }
    std::shared_ptr<const Jwks> newer = co_await context.ports.documents.newer_keys(context.provider, keys);
    co_return VerifiedJws(jws, *newer, policy);
}

}  // namespace oidc
