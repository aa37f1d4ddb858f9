#include "jwks.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "crypto.hpp"
#include "failure.hpp"
#include "jose.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_keys = 64;
constexpr std::size_t max_kid_size = 256;
constexpr std::size_t min_rsa_bits = 2048, max_rsa_bits = 8192;  // below: too weak; above: a verification costs too much
constexpr std::size_t max_exponent_size = 8;                     // bytes: e < 2^64

struct CurveRow {
    std::string_view crv, alg;
    Curve curve;
    cjose_jwk_ec_curve cjose;
    std::size_t field_size;
};
constexpr std::array curves{
    CurveRow{"P-256", "ES256", Curve::p256, CJOSE_JWK_EC_P_256, 32},
    CurveRow{"P-384", "ES384", Curve::p384, CJOSE_JWK_EC_P_384, 48},
    CurveRow{"P-521", "ES512", Curve::p521, CJOSE_JWK_EC_P_521, 66},
};

std::uint8_t* mutable_bytes(std::string& text) noexcept { return reinterpret_cast<std::uint8_t*>(text.data()); }

bool absent_or_equal(const Json& jwk, std::string_view name, std::string_view value)
{
    return !jwk.has(name) || jwk.string(name) == value;
}

// RFC 7517 section 4.3: an array of distinct strings.
bool ops_allow_verify(const Json& jwk)
{
    if (!jwk.has("key_ops")) return true;

    std::vector<std::string> ops = jwk.strings("key_ops");
    if (!jwk.at("key_ops").is_array() || ops.size() != jwk.at("key_ops").elements().size()) return false;
    std::sort(ops.begin(), ops.end());
    const bool distinct = std::adjacent_find(ops.begin(), ops.end()) == ops.end();
    return distinct && std::binary_search(ops.begin(), ops.end(), "verify");
}

bool optional_text(const Json& jwk, std::string_view name, std::size_t max_size, std::string& out)
{
    if (!jwk.has(name)) return true;
    out = jwk.string(name).value_or("");
    return jwk.at(name).is_string() && out.size() <= max_size;
}

// RFC 7518 section 6.3.1.1 forbids leading zero octets, yet mentions libraries that write one.
std::optional<std::string> unsigned_integer(const Json& jwk, std::string_view name)
{
    std::optional<std::string> bytes = base64url_decode(jwk.string(name).value_or(""));
    if (bytes) bytes->erase(0, std::min(bytes->find_first_not_of('\0'), bytes->size()));
    if (!bytes || bytes->empty()) return std::nullopt;
    return bytes;
}

std::uint32_t remainder_of(std::string_view big_endian, std::uint32_t divisor) noexcept
{
    std::uint32_t rest = 0;
    for (const char byte : big_endian) rest = (rest << 8 | static_cast<unsigned char>(byte)) % divisor;
    return rest;
}

// CVE-2017-15361 (ROCA): the modulus of a broken generator is a power of 65537 modulo each of these primes.
bool has_roca_fingerprint(std::string_view modulus) noexcept
{
    constexpr std::array<std::uint32_t, 17> primes{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157};
    return std::all_of(primes.begin(), primes.end(), [&](std::uint32_t prime) {
        const std::uint32_t rest = remainder_of(modulus, prime);
        std::uint32_t power = 1;
        do {
            if (power == rest) return true;
            power = power * (65537 % prime) % prime;
        } while (power != 1);
        return false;
    });
}

std::size_t bits_of(std::string_view integer) noexcept
{
    return integer.size() * 8 - static_cast<std::size_t>(std::countl_zero(static_cast<unsigned char>(integer.front())));
}

bool is_odd(std::string_view integer) noexcept { return (static_cast<unsigned char>(integer.back()) & 1) != 0; }

bool is_sound_rsa(std::string_view n, std::string_view e) noexcept
{
    const bool exponent_is_one = e.size() == 1 && e.front() == 1;
    return bits_of(n) >= min_rsa_bits && bits_of(n) <= max_rsa_bits && is_odd(n) && is_odd(e) && !exponent_is_one &&
           e.size() <= max_exponent_size && !has_roca_fingerprint(n);
}

bool is_rsa_alg(std::string_view alg) noexcept { return is_signature_alg(alg) && (alg.starts_with("RS") || alg.starts_with("PS")); }

bool import_rsa(const Json& jwk, VerificationKey& key)
{
    std::optional<std::string> n = unsigned_integer(jwk, "n"), e = unsigned_integer(jwk, "e");
    const bool fits = key.alg.empty() || is_rsa_alg(key.alg);
    if (!n || !e || !fits || !is_sound_rsa(*n, *e)) return false;

    cjose_jwk_rsa_keyspec spec{};
    spec.n = mutable_bytes(*n);
    spec.nlen = n->size();
    spec.e = mutable_bytes(*e);
    spec.elen = e->size();
    cjose_err error{};
    key.type = KeyType::rsa;
    key.signature_size = n->size();
    key.key.reset(cjose_jwk_create_RSA_spec(&spec, &error));
    return key.key != nullptr;
}

bool import_ec(const Json& jwk, VerificationKey& key)
{
    const std::string crv = jwk.string("crv").value_or("");
    const auto* row = std::find_if(curves.begin(), curves.end(), [&](const CurveRow& each) { return each.crv == crv; });
    if (row == curves.end() || !(key.alg.empty() || key.alg == row->alg)) return false;

    std::optional<std::string> x = base64url_decode(jwk.string("x").value_or(""));
    std::optional<std::string> y = base64url_decode(jwk.string("y").value_or(""));
    if (!x || !y || x->size() != row->field_size || y->size() != row->field_size) return false;

    cjose_jwk_ec_keyspec spec{};
    spec.crv = row->cjose;
    spec.x = mutable_bytes(*x);
    spec.xlen = x->size();
    spec.y = mutable_bytes(*y);
    spec.ylen = y->size();
    cjose_err error{};
    key.type = KeyType::ec;
    key.curve = row->curve;
    key.signature_size = 2 * row->field_size;
    key.key.reset(cjose_jwk_create_EC_spec(&spec, &error));  // refuses a point that is not on the curve
    return key.key != nullptr;
}

// Only the public members are read, whatever else the key holds.
std::optional<VerificationKey> import_key(const Json& jwk)
{
    VerificationKey key;
    const bool for_signatures = absent_or_equal(jwk, "use", "sig") && ops_allow_verify(jwk);
    const bool sized = optional_text(jwk, "kid", max_kid_size, key.kid) && optional_text(jwk, "alg", max_kid_size, key.alg);
    if (!for_signatures || !sized) return std::nullopt;

    const std::string kty = jwk.string("kty").value_or("");
    const bool imported = (kty == "RSA" && import_rsa(jwk, key)) || (kty == "EC" && import_ec(jwk, key));
    if (!imported) return std::nullopt;
    return key;
}

}  // namespace

Jwks parse_jwks(std::string_view json)
{
    const CleanErrorQueue clean;
    const Json document = Json::parse(json);
    if (!document.at("keys").is_array()) fail(Reason::jwks_malformed, "the document is no JSON Web Key set");

    std::vector<Json> elements = document.at("keys").elements();
    elements.resize(std::min(elements.size(), max_keys));
    Jwks set;
    for (const Json& element : elements)
        if (std::optional<VerificationKey> key = import_key(element)) set.keys.push_back(std::move(*key));
    if (set.keys.empty()) fail(Reason::jwks_malformed, "the key set holds no usable signature key");
    return set;
}

}  // namespace oidc
