// Signed tokens (RFC 7515) behind the strict layer W1-W13: cjose verifies, the configuration names the algorithms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/jose/jwks.hpp"

namespace oidc {

struct VerifyPolicy {
    std::vector<std::string> algs;        // allowed, from configuration only
    const Secret* hmac_secret = nullptr;  // raw bytes; used only when an HS* is in algs
    JoseReasons reasons;
};

// A compact JWS that passed the strict layer, not verified: nothing of its payload can be read.
class Jws {
public:
    Jws(std::string compact, const JoseReasons& reasons);
    std::string_view compact() const noexcept { return token_.text; }
    std::string_view alg() const noexcept { return token_.header.at("alg").text(); }
    std::string_view kid() const noexcept { return token_.header.at("kid").text(); }  // empty: none
    std::string_view typ() const noexcept { return token_.header.at("typ").text(); }

protected:
    Compact token_;
};

// A JWS whose signature was verified: the only way to its claims.
class VerifiedJws : public Jws {
public:
    // Verifies with the keys whose kid, type, curve, alg and use fit (all that fit, bounded to 8, when there is no kid
    // or several share one). Reason key: none fits (a refetch may help); signature: one fitted and none verified
    // (likewise).
    VerifiedJws(const Jws& token, const Jwks& keys, const VerifyPolicy& policy);
    const Json& claims() const noexcept { return claims_; }

private:
    Json claims_;
};

}  // namespace oidc
