#include "oidc/jose/jws.hpp"

#include <cstddef>
#include <utility>

#include <cjose/cjose.h>

#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwa.hpp"

namespace oidc {
namespace {

constexpr int max_verifications = 8;  // for one token (W13)

// A new cjose object for each try: it keeps, and then leaks, the digest of a failed one.
bool verifies(const Jws& token, const VerificationKey& key)
{
    cjose_err error{};
    const Owned<cjose_jws_t, cjose_jws_release> jws{
        cjose_jws_import(token.compact().data(), token.compact().size(), &error)};
    return jws && cjose_jws_verify(jws.get(), key.key.get(), &error);
}

void require_signature(const Jws& token, std::size_t size, const Jwks& keys, const JoseReasons& reasons)
{
    int tries = 0;
    for (const VerificationKey& key : keys) {
        const bool same_kid = token.kid().empty() || key.kid == token.kid();
        const bool same_alg =
            key.alg.empty() ? is_rsa_alg(token.alg()) : key.alg == token.alg();  // W7, W8: with type and curve
        if (!same_kid || !same_alg) continue;
        if (++tries > max_verifications) break;
        if (size == key.signature_size && verifies(token, key))
            return;  // W9: cjose reads as many bytes as the key says
    }
    const std::string wanted = "alg " + std::string{token.alg()} + ", kid \"" + std::string{token.kid()} + "\"";
    fail(tries == 0 ? reasons.key : reasons.signature, (tries == 0 ? "no key for " : "") + wanted);
}

void require_hmac(const Jws& token, std::string_view signature, const Secret* secret, const JoseReasons& reasons)
{
    const std::string alg{token.alg()};
    const std::string_view key = secret == nullptr ? std::string_view{} : secret->reveal();
    const std::string mac = hmac(alg, key, token.compact().substr(0, token.compact().rfind('.')));
    if (key.size() < mac.size()) fail(reasons.algorithm, alg + " needs a secret at least as long as its hash");  // W11
    if (!equal_constant_time(signature, mac)) fail(reasons.signature, "alg " + alg);
}

}  // namespace

Jws::Jws(std::string compact, const JoseReasons& reasons) : token_{parse_compact(std::move(compact), 3, reasons)}
{
    if (!is_signature_alg(alg())) fail(reasons.algorithm, concat({"alg \"", alg(), "\""}));
}

VerifiedJws::VerifiedJws(const Jws& token, const Jwks& keys, const VerifyPolicy& policy) : Jws{token}
{
    const CleanErrorQueue clean;
    const JoseReasons& reasons = policy.reasons;
    const std::string &payload = token_.segments[1], &signature = token_.segments[2];
    if (!contains(policy.algs, alg())) fail(reasons.algorithm, concat({"alg ", alg(), " is not allowed"}));
    if (is_hmac_alg(alg())) require_hmac(*this, signature, policy.hmac_secret, reasons);
    else require_signature(*this, signature.size(), keys, reasons);
    claims_ = Json::parse(payload);
    if (!claims_.is_object()) fail(reasons.malformed, "the payload is no JSON object, or repeats a member");
}

}  // namespace oidc
