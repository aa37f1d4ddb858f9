// JSON Web Keys (RFC 7517), signed tokens (RFC 7515) and encrypted ones (RFC 7516) behind the strict layer W1-W22. Keys and
// signatures are cjose's; OpenSSL decrypts: RSA-OAEP, RSA-OAEP-256, ECDH-ES on P-256, with A256GCM only.
#pragma once
#include <cjose/cjose.h>

#include "crypto.hpp"

namespace oidc {

constexpr std::size_t max_token_size = 64 * 1024;
bool is_signature_alg(std::string_view alg) noexcept;  // ES*, RS*, PS*, HS* in all three sizes
inline bool is_rsa_alg(std::string_view alg) noexcept { return is_signature_alg(alg) && (alg[0] == 'R' || alg[0] == 'P'); }
inline bool is_hmac_alg(std::string_view alg) noexcept { return is_signature_alg(alg) && alg[0] == 'H'; }
inline bool is_jwe_alg(std::string_view alg) noexcept { return alg == "RSA-OAEP" || alg == "RSA-OAEP-256" || alg == "ECDH-ES"; }
bool absent_or_short(const Json& object, std::string_view name);  // no such member, or a string of at most 256 bytes

// One usable public signature key of a provider.
struct VerificationKey {
    std::string kid;                 // empty: none
    std::string alg;                 // empty: any RS* and PS*; a curve has one
    std::size_t signature_size = 0;  // bytes: RSA modulus, or 2 * field size
    Owned<cjose_jwk_t, cjose_jwk_release> key;
};
using Jwks = std::vector<VerificationKey>;

// Parses a fetched set. Keys that cannot verify a signature (oct, OKP, unknown curve, use=enc, weak RSA, key_ops
// without verify) are left out; private members are dropped; at most 64 keys are read.
// Fails with Reason::jwks_malformed when the document is no key set, or holds no usable key.
Jwks parse_jwks(std::string_view json);

// The relying party's own private keys (client_key).
enum class KeyUse : std::uint8_t { sig, enc };
enum class KeyState : std::uint8_t { next, active, retired };
struct OwnKey {
    std::string kid;
    std::string alg;  // empty: any that fits the key
    KeyUse use = KeyUse::enc;
    KeyState state = KeyState::active;
    Pkey key;
    std::vector<std::pair<std::string, std::string>> thumbprints{};  // of its certificate, as a JWS header has them
};

// Reads a private key, PEM (PKCS#1, SEC1, PKCS#8) or JWK. `kid` empty: the JWK's own, else the RFC 7638 thumbprint.
// A PEM file of a signature key may hold its certificate too, the first one: for `x5t` and `x5t#S256` (RFC 7515 4.1.7, 4.1.8).
// `alg` empty: the JWK's own, else any. Throws std::invalid_argument with a sentence that names the remedy (for nginx -t):
// not a private key, kind or curve unsupported, RSA outside 2048..8192 bits, alg that the key cannot do,
// certificate of another key.
OwnKey load_own_key(std::string_view text, KeyUse use, std::string_view alg, std::string_view kid);

bool can_decrypt(const OwnKey& key, std::string_view alg);
std::string public_jwks(const std::vector<OwnKey>& keys);  // of the active keys, never a private member

// The Reasons that the kind of token at hand uses, so that one layer serves ID tokens and UserInfo.
struct JoseReasons {
    Reason malformed, encryption, decryption, algorithm, key, signature;
};
constexpr JoseReasons id_token_reasons{Reason::id_token_malformed, Reason::id_token_encryption, Reason::id_token_decryption,
                                       Reason::id_token_algorithm, Reason::id_token_key,        Reason::id_token_signature};
constexpr JoseReasons userinfo_reasons{Reason::userinfo_malformed, Reason::userinfo_encryption, Reason::userinfo_encryption,
                                       Reason::userinfo_signature, Reason::userinfo_signature,  Reason::userinfo_signature};

// What JWS and JWE share: a token within its limits, its segments canonical and decoded, its header strict (W1-W5).
struct Compact {
    std::string text;
    std::vector<std::string> segments;
    Json header;
};

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
    // Verifies with the keys whose kid, type, curve, alg and use fit (all that fit, bounded to 8, when there is no kid or several
    // share one). Reason key: none fits (a refetch may help); signature: one fitted and none verified (likewise).
    VerifiedJws(const Jws& token, const Jwks& keys, const VerifyPolicy& policy);
    const Json& claims() const noexcept { return claims_; }

private:
    Json claims_;
};

// The plaintext of a nested token (W2-W6, W14-W16). Tries the own `enc` keys that fit by kid, else by type (at most 4). `algs`: of
// key management, from configuration only.
std::string decrypt(std::string compact, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
                    const JoseReasons& reasons);

// The inner JWS of a token as the configuration fixes its shape (W14): with `encrypted` a JWE(JWS) or a refusal, without it a
// plain JWS or a refusal.
Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
           const JoseReasons& reasons);

// One round of the Concat KDF (RFC 7518 section 4.6.2, NIST SP 800-56A 5.8.1): `bits` / 8 bytes, at most 32.
std::string concat_kdf(std::string_view shared, std::string_view alg, std::string_view apu, std::string_view apv, unsigned bits);

}  // namespace oidc
