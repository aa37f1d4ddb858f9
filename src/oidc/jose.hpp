// JWS compact serialisation (RFC 7515) behind the strict layer W1-W9, W13, W17, W18, W21, W22.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "failure.hpp"
#include "json.hpp"
#include "jwks.hpp"

namespace oidc {

constexpr std::size_t max_token_size = 64 * 1024;
constexpr std::size_t max_header_size = 8 * 1024;

// The Reasons that the kind of token at hand uses, so that one layer serves ID tokens and UserInfo.
struct JoseReasons {
    Reason malformed, encryption, decryption, algorithm, key, signature;
};
extern const JoseReasons id_token_reasons;
extern const JoseReasons userinfo_reasons;

// A compact JWS that passed the strict layer, not verified: nothing of its payload can be read.
class Jws {
public:
    std::string_view compact() const noexcept { return compact_; }
    std::string_view alg() const noexcept { return alg_; }
    std::string_view kid() const noexcept { return kid_; }  // empty: none
    std::string_view typ() const noexcept { return typ_; }

private:
    friend Jws parse_jws(std::string compact, const JoseReasons&);
    std::string compact_, alg_, kid_, typ_;
};

// A JWS whose signature was verified: the only way to its claims.
class VerifiedJws {
public:
    const Json& claims() const noexcept { return claims_; }
    std::string_view compact() const noexcept { return compact_; }
    std::string_view alg() const noexcept { return alg_; }
    std::string_view typ() const noexcept { return typ_; }

private:
    friend VerifiedJws verify(const Jws&, const Jwks&, const struct VerifyPolicy&);
    Json claims_;
    std::string compact_, alg_, typ_;
};

struct VerifyPolicy {
    std::vector<std::string> algs;          // allowed, from configuration only
    const Secret* hmac_secret = nullptr;    // raw bytes; used only when an HS* is in algs
    JoseReasons reasons;
};

bool is_jwe(std::string_view compact) noexcept;  // five segments

// What JWS and JWE share. The segments of a token within max_token_size, exactly `count` of them (W1, W2).
std::vector<std::string_view> split_token(std::string_view compact, std::size_t count, const JoseReasons& reasons);
// The bytes of a canonical segment (W3), and the protected header in one (W4, W5: no crit, b64, zip; alg, kid and typ well typed).
std::string decode_segment(std::string_view segment, const JoseReasons& reasons);
Json parse_header(std::string_view segment, const JoseReasons& reasons);

Jws parse_jws(std::string compact, const JoseReasons& reasons);

// Verifies with the keys whose kid, type, curve, alg and use fit (all that fit, bounded to 8, when there is no kid or several
// share one). Reason key: none fits (a refetch may help); signature: one fitted and none verified (likewise).
VerifiedJws verify(const Jws& token, const Jwks& keys, const VerifyPolicy& policy);

// ES*, RS*, PS*, HS* in all three sizes; whether the name is one of them.
bool is_signature_alg(std::string_view alg) noexcept;
bool is_hmac_alg(std::string_view alg) noexcept;
std::size_t hash_size(std::string_view alg) noexcept;  // 32, 48, 64; 0 when unknown

}  // namespace oidc
