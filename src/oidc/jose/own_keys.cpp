#include "oidc/jose/own_keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwa.hpp"
#include "oidc/jose/jwk.hpp"

namespace oidc {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument{why}; }

// An encrypted file is refused, nobody is asked for its passphrase.
int no_passphrase(char*, int, int, void*) noexcept { return -1; }

// `openssl ecparam -genkey` writes the curve first, which OpenSSL 3.0 would take for a key without its two halves.
Pkey read_pem(std::string_view text)
{
    constexpr std::string_view end = "-----END EC PARAMETERS-----";
    if (const std::size_t at = text.find(end); at != text.npos) text.remove_prefix(at + end.size());
    const Owned<BIO, BIO_free> bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    Pkey key{PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)};
    if (!key) refuse("no private key in it: give an unencrypted PEM (PKCS#1, SEC1 or PKCS#8) or a private JWK");
    return key;
}

std::vector<std::pair<std::string, std::string>> thumbprints_of(std::string_view pem, const EVP_PKEY* key)
{
    const Owned<BIO, BIO_free> bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    const Owned<X509, X509_free> certificate{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)};
    if (!certificate) return {};
    if (X509_check_private_key(certificate.get(), key) != 1) refuse("the first certificate in it is of another key");
    const auto print = [&](const EVP_MD* digest) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
        unsigned size = 0;
        X509_digest(certificate.get(), digest, bytes.data(), &size);
        return base64url({reinterpret_cast<const char*>(bytes.data()), size});
    };
    return {{"x5t", print(EVP_sha1())}, {"x5t#S256", print(EVP_sha256())}};
}

std::string member(const Json& jwk, const std::string& name)
{
    std::string bytes = bytes_in(jwk, name);
    if (bytes.empty()) refuse("the JWK has no usable \"" + name + "\": give a whole private key");
    return bytes;
}

// RFC 7518 sections 6.2 and 6.3.
Pkey read_jwk(const Json& jwk)
{
    using Names = std::vector<std::pair<const char*, const char*>>;
    const Names ec{{"d", OSSL_PKEY_PARAM_PRIV_KEY}},
        rsa{{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
            {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
            {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
            {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    const std::string kty = jwk.text("kty"), crv = jwk.text("crv");
    const Curve* curve = find_curve(&Curve::crv, crv);

    if (jwk.has("keys")) refuse("it is a JWK set: give one key");
    if (kty != "RSA" && kty != "EC") refuse("key type \"" + kty + "\" is not supported: use RSA or EC");
    if (!jwk.has("d")) refuse("it is a public key: give the private one");
    if (kty == "EC" && curve == nullptr) refuse("curve \"" + crv + "\" is not supported: use P-256, P-384 or P-521");

    const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build{OSSL_PARAM_BLD_new()};  // refers to all it is given
    std::vector<BigNumber> numbers;
    for (const auto& [name, parameter] : kty == "RSA" ? rsa : ec) {
        numbers.push_back(big_number(member(jwk, name)));
        OSSL_PARAM_BLD_push_BN(build.get(), parameter, numbers.back().get());
    }

    const std::string point = kty == "EC" ? '\x04' + member(jwk, "x") + member(jwk, "y") : "";
    if (kty == "EC") {
        OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group.data(),
                                        curve->group.size());
        OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    }

    const Owned<OSSL_PARAM, OSSL_PARAM_free> params{OSSL_PARAM_BLD_to_param(build.get())};
    const PkeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, kty.c_str(), nullptr)};
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context.get());
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params.get());
    if (key == nullptr) refuse("the members of the JWK do not make a key");
    return Pkey{key};
}

bool is_rsa(const EVP_PKEY* key) { return EVP_PKEY_is_a(key, "RSA") == 1; }

const Curve* curve_of(const EVP_PKEY* key)
{
    std::array<char, 64> name{};
    EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr);
    return find_curve(&Curve::group, name.data());
}

void require_sound(EVP_PKEY* key, KeyUse use)
{
    const bool rsa = is_rsa(key);
    const int bits = EVP_PKEY_get_bits(key);
    if (!rsa && EVP_PKEY_is_a(key, "EC") != 1) refuse("the kind of the key is not supported: use RSA or EC");
    if (rsa && (bits < min_rsa_bits || bits > max_rsa_bits))
        refuse("the RSA key has " + std::to_string(bits) + " bits: use 2048 to 8192");
    if (!rsa && curve_of(key) == nullptr) refuse("the curve is not supported: use P-256, P-384 or P-521");
    if (!rsa && use == KeyUse::enc && curve_of(key)->crv != "P-256") refuse("encryption (ECDH-ES) needs a P-256 key");
    const PkeyContext context{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    if (EVP_PKEY_pairwise_check(context.get()) != 1)
        refuse("the private and the public part of the key do not belong together");
}

std::string integer_of(const EVP_PKEY* key, const char* name, std::size_t min_size = 0)
{
    BIGNUM* found = nullptr;
    EVP_PKEY_get_bn_param(key, name, &found);
    const BigNumber number{found};
    if (!number) refuse("a public member of the key cannot be read");
    std::string bytes(std::max(min_size, static_cast<std::size_t>(BN_num_bytes(found))), '\0');
    BN_bn2binpad(found, bytes_of(bytes), static_cast<int>(bytes.size()));
    return base64url(bytes);
}

// The members that RFC 7638 section 3.2 hashes, in its order: built from the public parameters alone.
Json public_members(const EVP_PKEY* key)
{
    if (is_rsa(key))
        return Json::object({{"e", integer_of(key, OSSL_PKEY_PARAM_RSA_E)},
                             {"kty", "RSA"},
                             {"n", integer_of(key, OSSL_PKEY_PARAM_RSA_N)}});
    const auto& [crv, group, alg, size] = *curve_of(key);
    return Json::object({{"crv", std::string{crv}},
                         {"kty", "EC"},
                         {"x", integer_of(key, OSSL_PKEY_PARAM_EC_PUB_X, size)},
                         {"y", integer_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, size)}});
}

std::string_view use_name(KeyUse use) noexcept { return use == KeyUse::enc ? "enc" : "sig"; }

}  // namespace

bool can_decrypt(const OwnKey& key, std::string_view alg)
{
    const bool same_type = is_jwe_alg(alg) && alg.starts_with("RSA") == is_rsa(key.key.get());
    return key.use == KeyUse::enc && same_type && (key.alg.empty() || key.alg == alg);
}

OwnKey load_own_key(std::string_view text, KeyUse use, std::string_view alg, std::string_view kid)
{
    const CleanErrorQueue clean;
    const bool is_jwk = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())).starts_with('{');
    const Json jwk = is_jwk ? Json::parse(text) : Json{};
    if (is_jwk && !jwk) refuse("it is not a JSON Web Key: the JSON is malformed");
    if (jwk.has("use") && jwk.string("use") != use_name(use))
        refuse("the JWK's own \"use\" is not the one of the directive");

    OwnKey key;
    key.key = is_jwk ? read_jwk(jwk) : read_pem(text);
    key.use = use;
    EVP_PKEY* const pair = key.key.get();
    require_sound(pair, use);
    if (!is_jwk && use == KeyUse::sig) key.thumbprints = thumbprints_of(text, pair);

    key.alg = alg.empty() ? jwk.text("alg") : std::string{alg};
    key.kid = kid.empty() ? jwk.text("kid") : std::string{kid};

    const std::string_view encrypts = is_rsa(pair) ? "RSA-OAEP and RSA-OAEP-256" : "ECDH-ES";
    const std::string_view signs = is_rsa(pair) ? "RS256 to PS512" : curve_of(pair)->alg;
    const bool can_sign = use == KeyUse::sig && (is_rsa(pair) ? is_rsa_alg(key.alg) : key.alg == signs);
    if (!key.alg.empty() && !can_sign && !can_decrypt(key, key.alg))
        refuse(concat({"the key cannot do \"", key.alg, "\" with use=", use_name(use), ", it can do ",
                       use == KeyUse::enc ? encrypts : signs}));

    if (key.alg.empty() && use == KeyUse::sig && !is_rsa(pair)) key.alg = signs;
    if (key.kid.empty()) key.kid = base64url(view(sha256(public_members(pair).dump())));
    return key;
}

std::string public_jwks(const std::vector<OwnKey>& keys)
{
    std::string list;
    for (const OwnKey& key : keys) {
        if (key.state != KeyState::active) continue;
        Json jwk = public_members(key.key.get());
        jwk.set("use", use_name(key.use));
        jwk.set("kid", key.kid);
        if (!key.alg.empty()) jwk.set("alg", key.alg);
        list += (list.empty() ? "" : ",") + jwk.dump();
    }
    return "{\"keys\":[" + list + "]}";
}

}  // namespace oidc
