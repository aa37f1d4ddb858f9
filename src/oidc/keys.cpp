#include "keys.hpp"

#include "failure.hpp"

namespace oidc {
namespace {

bool newer_keys_may_help(const Failure& failure, const JoseReasons& reasons)
{
    return failure.reason == reasons.key || failure.reason == reasons.signature;
}

// Runs `check` with the cached keys and, when their age may be the cause of its failure, once more with newer ones.
// A template, not a lambda coroutine: `check` is the caller's and outlives the wait.
template <class Check>
Task<VerifiedJws> with_refetch(const Check& check, const Provider& provider, Documents& documents, const JoseReasons& reasons)
{
    if (is_hmac_alg(check.token.alg())) co_return check(Jwks());  // the client secret is the key, if the configuration allows it
    std::shared_ptr<const Jwks> keys = co_await documents.keys(provider);
    try {
        co_return check(*keys);
    } catch (const Failure& failure) {
        if (!newer_keys_may_help(failure, reasons)) throw;
    }
    std::shared_ptr<const Jwks> newer = co_await documents.newer_keys(provider, keys);
    co_return check(*newer);
}

struct VerifyCheck {
    const Jws& token;
    const VerifyPolicy& policy;
    VerifiedJws operator()(const Jwks& keys) const { return verify(token, keys, policy); }
};

struct IdTokenCheck {
    const Jws& token;
    const Provider& provider;
    const Expected& expected;
    std::int64_t now;
    VerifiedJws operator()(const Jwks& keys) const { return verify_id_token(token, keys, provider, expected, now); }
};

}  // namespace

Task<VerifiedJws> verify_with_refetch(const Jws& token, const Provider& provider, Documents& documents, const VerifyPolicy& policy)
{
    VerifyCheck check{token, policy};
    co_return co_await with_refetch(check, provider, documents, policy.reasons);
}

Task<VerifiedJws> validate_id_token(const Jws& token, const Provider& provider, Documents& documents, const Expected& expected,
                                    std::int64_t now)
{
    IdTokenCheck check{token, provider, expected, now};
    co_return co_await with_refetch(check, provider, documents, id_token_reasons);
}

}  // namespace oidc
