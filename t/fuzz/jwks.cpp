// A provider's published keys (RFC 7517).
#include "oidc/jose/jwks.hpp"
#include "fuzz.hpp"
#include "oidc/base/base64.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwa.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/protocol/id_token.hpp"

using namespace oidc;

namespace {

// Whatever the key, nobody signed this.
void check_verification(const Jwks& keys, const VerificationKey& key, const std::string& alg)
{
    const std::string token = concat({base64url(concat({R"({"alg":")", alg, R"("})"})), ".e30.",
                                      base64url(std::string(key.signature_size, '\x01'))});
    const Jws jws(token, id_token_reasons);
    const std::optional<Failure> why = fuzz::refusal([&] {
        VerifiedJws(jws, keys, {{alg}, nullptr, id_token_reasons});
    });
    MUST(why && (why->reason == Reason::id_token_signature || why->reason == Reason::id_token_key));
}

}  // namespace

FUZZ_TARGET(input)
{
    const fuzz::Exact copy(input);
    Jwks keys;
    const std::optional<Failure> why = fuzz::refusal([&] { keys = parse_jwks(copy.view()); });
    MUST(!why || why->reason == Reason::jwks_malformed);
    MUST(keys.empty() == why.has_value() && keys.size() <= 64);

    for (const VerificationKey& key : keys) {
        MUST(key.key != nullptr && key.kid.size() <= 256);
        const bool rsa = key.alg.empty() || is_rsa_alg(key.alg);
        MUST(rsa ? key.signature_size >= 256 && key.signature_size <= 1024
                 : key.signature_size == 2 * find_curve(&Curve::alg, key.alg)->field_size);
    }
    if (keys.size() == 1) check_verification(keys, keys[0], keys[0].alg.empty() ? "PS256" : keys[0].alg);
}
