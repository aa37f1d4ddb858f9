// The relying party's own keys (client_key): reading them, and publishing their public members.
#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <stdexcept>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "crypto.hpp"
#include "jose.hpp"
#include "jwe.hpp"
#include "jwks.hpp"

namespace oidc {
namespace {

struct Release {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
    void operator()(BIGNUM* number) const noexcept { BN_clear_free(number); }
    void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
template <class T> using Owned = std::unique_ptr<T, Release>;
using Pkey = std::unique_ptr<EVP_PKEY, PkeyFree>;

constexpr int min_rsa_bits = 2048, max_rsa_bits = 8192;

struct CurveRow {
    std::string_view crv, group, alg;
    std::size_t field_size;
};
constexpr std::array curves{
    CurveRow{"P-256", "prime256v1", "ES256", 32},
    CurveRow{"P-384", "secp384r1", "ES384", 48},
    CurveRow{"P-521", "secp521r1", "ES512", 66},
};

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument{why}; }

// ---- PEM

int no_passphrase(char*, int, int, void*) { return -1; }  // an encrypted file is refused, nobody is asked

// `openssl ecparam -genkey` writes the curve first, which OpenSSL 3.0 would take for a key without its two halves.
std::string_view without_parameters(std::string_view text)
{
    constexpr std::string_view end = "-----END EC PARAMETERS-----";
    const std::size_t at = text.find(end);
    return at == text.npos ? text : text.substr(at + end.size());
}

Pkey read_pem(std::string_view file)
{
    const std::string_view text = without_parameters(file);
    const Owned<BIO> bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    Pkey key{PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)};
    if (!key) refuse("no private key in it: give an unencrypted PEM (PKCS#1, SEC1 or PKCS#8) or a private JWK");
    return key;
}

// ---- JWK (RFC 7518 section 6)

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// OpenSSL takes integers in the machine's byte order.
OSSL_PARAM number(const char* name, std::string& big_endian)
{
    if constexpr (std::endian::native == std::endian::little) std::ranges::reverse(big_endian);
    return OSSL_PARAM_construct_BN(name, bytes_of(big_endian), big_endian.size());
}

Pkey make_key(const char* type, OSSL_PARAM* params)
{
    const Owned<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context.get());
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params);
    if (key == nullptr) refuse("the members of the JWK do not make a key");
    return Pkey{key};
}

std::string member(const Json& jwk, const std::string& name)
{
    std::optional<std::string> bytes = base64url_decode(jwk.string(name).value_or(""));
    if (!bytes || bytes->empty()) refuse("the JWK has no usable \"" + name + "\": give a whole private key");
    return *bytes;
}

Pkey rsa_of(const Json& jwk)
{
    constexpr std::array<std::pair<const char*, const char*>, 8> names{{
        {"n", OSSL_PKEY_PARAM_RSA_N},
        {"e", OSSL_PKEY_PARAM_RSA_E},
        {"d", OSSL_PKEY_PARAM_RSA_D},
        {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},
        {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2},
        {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    }};
    std::array<std::string, names.size()> values;
    std::array<OSSL_PARAM, names.size() + 1> params;
    for (std::size_t i = 0; i < names.size(); ++i) {
        values[i] = member(jwk, names[i].first);
        params[i] = number(names[i].second, values[i]);
    }
    params.back() = OSSL_PARAM_construct_end();
    return make_key("RSA", params.data());
}

Pkey ec_of(const Json& jwk)
{
    const std::string crv = jwk.string("crv").value_or("");
    const auto* row = std::ranges::find(curves, crv, &CurveRow::crv);
    if (row == curves.end()) refuse("curve \"" + crv + "\" is not supported: use P-256, P-384 or P-521");
    std::string group{row->group}, secret = member(jwk, "d"), point = '\x04' + member(jwk, "x") + member(jwk, "y");
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
        number(OSSL_PKEY_PARAM_PRIV_KEY, secret),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end(),
    };
    return make_key("EC", params);
}

Pkey read_jwk(const Json& jwk)
{
    if (jwk.has("keys")) refuse("it is a JWK set: give one key");
    const std::string kty = jwk.string("kty").value_or("");
    if (kty != "RSA" && kty != "EC") refuse("key type \"" + kty + "\" is not supported: use RSA or EC");
    if (!jwk.has("d")) refuse("it is a public key: give the private one");
    return kty == "RSA" ? rsa_of(jwk) : ec_of(jwk);
}

// ---- Both

const CurveRow* curve_of(const EVP_PKEY* key)
{
    std::array<char, 64> name{};
    EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr);
    const auto* row = std::ranges::find(curves, std::string_view(name.data()), &CurveRow::group);
    return row == curves.end() ? nullptr : row;
}

KeyType type_of(const EVP_PKEY* key)
{
    if (EVP_PKEY_is_a(key, "RSA")) return KeyType::rsa;
    if (EVP_PKEY_is_a(key, "EC")) return KeyType::ec;
    refuse("the kind of the key is not supported: use RSA or EC");
}

void require_sound(EVP_PKEY* key, KeyType type, KeyUse use)
{
    const int bits = EVP_PKEY_get_bits(key);
    if (type == KeyType::rsa && (bits < min_rsa_bits || bits > max_rsa_bits))
        refuse("the RSA key has " + std::to_string(bits) + " bits: use 2048 to 8192");
    if (type == KeyType::ec && curve_of(key) == nullptr) refuse("the curve is not supported: use P-256, P-384 or P-521");
    if (type == KeyType::ec && use == KeyUse::enc && curve_of(key)->crv != "P-256")
        refuse("encryption (ECDH-ES) needs a P-256 key");

    const Owned<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    if (EVP_PKEY_pairwise_check(context.get()) != 1) refuse("the private and the public part of the key do not belong together");
}

bool can_do(const OwnKey& key, std::string_view alg)
{
    const bool rsa = key.type == KeyType::rsa;
    if (key.use == KeyUse::enc) return is_jwe_alg(alg) && rsa == alg.starts_with("RSA");
    if (rsa) return is_signature_alg(alg) && (alg.starts_with("RS") || alg.starts_with("PS"));
    return alg == curve_of(key.key.get())->alg;
}

std::string integer_of(const EVP_PKEY* key, const char* name, std::size_t size)
{
    BIGNUM* found = nullptr;
    const bool got = EVP_PKEY_get_bn_param(key, name, &found) == 1;
    const Owned<BIGNUM> number{found};
    if (!got) refuse("a public member of the key cannot be read");
    std::string bytes(std::max(size, static_cast<std::size_t>(BN_num_bytes(number.get()))), '\0');
    BN_bn2binpad(number.get(), bytes_of(bytes), static_cast<int>(bytes.size()));
    return base64url(bytes);
}

// The members that RFC 7638 section 3.2 hashes, in its order: built from the public parameters alone.
Json public_members(const OwnKey& key)
{
    Json jwk = Json::object();
    if (key.type == KeyType::rsa) {
        jwk.set("e", integer_of(key.key.get(), OSSL_PKEY_PARAM_RSA_E, 0));
        jwk.set("kty", "RSA");
        jwk.set("n", integer_of(key.key.get(), OSSL_PKEY_PARAM_RSA_N, 0));
        return jwk;
    }
    const CurveRow* row = curve_of(key.key.get());
    jwk.set("crv", row->crv);
    jwk.set("kty", "EC");
    jwk.set("x", integer_of(key.key.get(), OSSL_PKEY_PARAM_EC_PUB_X, row->field_size));
    jwk.set("y", integer_of(key.key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, row->field_size));
    return jwk;
}

std::string_view use_name(KeyUse use) noexcept { return use == KeyUse::enc ? "enc" : "sig"; }

std::string first_of(std::string_view given, const Json& jwk, std::string_view name)
{
    return given.empty() ? jwk.string(name).value_or("") : std::string{given};
}

}  // namespace

OwnKey load_own_key(std::string_view text, KeyUse use, std::string_view alg, std::string_view kid)
{
    const CleanErrorQueue clean;
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    const bool is_jwk = start != text.npos && text[start] == '{';
    const Json jwk = is_jwk ? Json::parse(text) : Json{};
    if (is_jwk && !jwk) refuse("it is not a JSON Web Key: the JSON is malformed");
    if (jwk.has("use") && jwk.string("use") != use_name(use)) refuse("the JWK's own \"use\" is not the one of the directive");

    OwnKey key;
    key.key = is_jwk ? read_jwk(jwk) : read_pem(text);
    key.use = use;
    key.type = type_of(key.key.get());
    require_sound(key.key.get(), key.type, use);
    key.alg = first_of(alg, jwk, "alg");
    if (!key.alg.empty() && !can_do(key, key.alg))
        refuse("the key cannot do \"" + key.alg + "\" with use=" + std::string{use_name(use)});
    key.kid = first_of(kid, jwk, "kid");
    if (key.kid.empty()) key.kid = base64url(view(sha256(public_members(key).dump())));
    return key;
}

std::string public_jwks(const std::vector<OwnKey>& keys)
{
    std::string list;
    for (const OwnKey& key : keys) {
        if (key.state != KeyState::active) continue;
        Json jwk = public_members(key);
        jwk.set("use", use_name(key.use));
        jwk.set("kid", key.kid);
        if (!key.alg.empty()) jwk.set("alg", key.alg);
        list += (list.empty() ? "" : ",") + jwk.dump();
    }
    return "{\"keys\":[" + list + "]}";
}

}  // namespace oidc
