#include "oidc/jose/jwks.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/jose/jwa.hpp"
#include "oidc/jose/jwk.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_keys = 64;
constexpr int max_exponent_bits = 64;  // larger: a verification costs too much

// RFC 7517 section 4.3: an array of distinct strings.
bool ops_allow_verify(const Json& jwk)
{
    const std::vector<std::string> ops = jwk.strings("key_ops");
    const std::set<std::string> distinct(ops.begin(), ops.end());
    return !jwk.has("key_ops") ||
           (distinct.size() == jwk.at("key_ops").elements().size() && distinct.contains("verify"));
}

// CVE-2017-15361 (ROCA): the modulus of a broken generator is a power of 65537 modulo each of these primes.
bool has_roca_fingerprint(const BIGNUM* modulus)
{
    constexpr std::array<BN_ULONG, 17> primes{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157};
    return std::ranges::all_of(primes, [&](BN_ULONG prime) {
        const BN_ULONG rest = BN_mod_word(modulus, prime);
        BN_ULONG power = 1;
        for (BN_ULONG i = 0; i < prime && power != rest; ++i) power = power * 65537 % prime;
        return power == rest;
    });
}

// RFC 7518 section 6.3.1.1 forbids leading zero octets, yet mentions libraries that write one: the numbers count.
std::size_t rsa_signature_size(const Json& jwk)
{
    const BigNumber n = big_number(bytes_in(jwk, "n")), e = big_number(bytes_in(jwk, "e"));
    const int bits = BN_num_bits(n.get());
    const bool sound = bits >= min_rsa_bits && bits <= max_rsa_bits && BN_is_odd(n.get()) && BN_is_odd(e.get()) &&
                       !BN_is_one(e.get()) && BN_num_bits(e.get()) <= max_exponent_bits &&
                       !has_roca_fingerprint(n.get());
    return sound ? static_cast<std::size_t>(BN_num_bytes(n.get())) : 0;
}

// 0: no key that can verify. A key on a curve gets the one algorithm of its curve.
std::size_t signature_size(const Json& jwk, std::string& alg)
{
    const std::string kty = jwk.text("kty");
    if (kty == "RSA") return alg.empty() || is_rsa_alg(alg) ? rsa_signature_size(jwk) : 0;
    const Curve* curve = kty == "EC" ? find_curve(&Curve::crv, jwk.text("crv")) : nullptr;
    if (curve == nullptr || !(alg.empty() || alg == curve->alg)) return 0;
    alg = curve->alg;
    const bool sized = bytes_in(jwk, "x").size() == curve->field_size && bytes_in(jwk, "y").size() == curve->field_size;
    return sized ? 2 * curve->field_size : 0;
}

// cjose sees the public members only, whatever else the key holds. It refuses a point that is not on the curve.
std::optional<VerificationKey> import_key(const Json& jwk)
{
    const bool for_signatures = (!jwk.has("use") || jwk.string("use") == "sig") && ops_allow_verify(jwk);
    if (!for_signatures || !absent_or_short(jwk, "kid") || !absent_or_short(jwk, "alg")) return std::nullopt;
    VerificationKey key{jwk.text("kid"), jwk.text("alg"), 0, nullptr};
    key.signature_size = signature_size(jwk, key.alg);
    if (key.signature_size == 0) return std::nullopt;
    Json members = Json::object();
    for (const char* name : {"kty", "n", "e", "crv", "x", "y"}) members.set(name, jwk.at(name));
    const std::string text = members.dump();
    cjose_err error{};
    key.key.reset(cjose_jwk_import(text.data(), text.size(), &error));
    return key.key ? std::optional{std::move(key)} : std::nullopt;
}

}  // namespace

Jwks parse_jwks(std::string_view json)
{
    const CleanErrorQueue clean;
    const Json keys = Json::parse(json).at("keys");
    if (!keys.is_array()) fail(Reason::jwks_malformed, "the document is no JSON Web Key set");
    std::vector<Json> elements = keys.elements();
    elements.resize(std::min(elements.size(), max_keys));
    Jwks set;
    for (const Json& element : elements)
        if (std::optional<VerificationKey> key = import_key(element)) set.push_back(std::move(*key));
    if (set.empty()) fail(Reason::jwks_malformed, "the key set holds no usable signature key");
    return set;
}

}  // namespace oidc
