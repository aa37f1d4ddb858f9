// Makes keys and tokens for the tests with OpenSSL alone, so that nothing under test judges itself.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwe.hpp"

namespace oidc::tokens {

struct Release {
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(EVP_PKEY_CTX* p) const noexcept { EVP_PKEY_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const noexcept { EVP_CIPHER_CTX_free(p); }
    void operator()(BIO* p) const noexcept { BIO_free(p); }
    void operator()(BIGNUM* p) const noexcept { BN_free(p); }
    void operator()(ECDSA_SIG* p) const noexcept { ECDSA_SIG_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;
using Key = std::shared_ptr<EVP_PKEY>;

inline void require(bool ok)
{
    if (!ok) throw std::runtime_error{"OpenSSL, in a test helper"};
}
inline unsigned char* raw(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }
inline const unsigned char* raw(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

// One key per name, made once: "rsa2048", "P-256", "rsa2048 other", ... The first word is the kind.
inline Key key(const std::string& name)
{
    static std::map<std::string, Key> made;
    Key& entry = made[name];
    if (entry) return entry;
    const std::string kind = name.substr(0, name.find(' '));
    if (kind.starts_with("rsa")) entry.reset(EVP_RSA_gen(std::stoul(kind.substr(3))), Release{});
    else entry.reset(EVP_EC_gen(kind.c_str()), Release{});
    require(entry != nullptr);
    return entry;
}

inline std::string number(EVP_PKEY* key, const char* name, std::size_t size = 0)
{
    BIGNUM* found = nullptr;
    require(EVP_PKEY_get_bn_param(key, name, &found) == 1);
    const Owned<BIGNUM> owned{found};
    std::string bytes(std::max<std::size_t>(size, static_cast<std::size_t>(BN_num_bytes(found))), '\0');
    BN_bn2binpad(found, raw(bytes), static_cast<int>(bytes.size()));
    return base64url(bytes);
}

inline bool is_rsa(EVP_PKEY* key) { return EVP_PKEY_is_a(key, "RSA") == 1; }
inline std::size_t field_size(EVP_PKEY* key) { return (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8; }

inline Json jwk(const Key& of, bool with_private = false)
{
    EVP_PKEY* key = of.get();
    Json jwk = Json::object();
    if (is_rsa(key)) {
        jwk.set("kty", "RSA");
        jwk.set("n", number(key, "n"));
        jwk.set("e", number(key, "e"));
        if (!with_private) return jwk;
        jwk.set("d", number(key, "d"));
        jwk.set("p", number(key, OSSL_PKEY_PARAM_RSA_FACTOR1));
        jwk.set("q", number(key, OSSL_PKEY_PARAM_RSA_FACTOR2));
        jwk.set("dp", number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1));
        jwk.set("dq", number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2));
        jwk.set("qi", number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1));
        return jwk;
    }
    const std::size_t size = field_size(key);
    jwk.set("kty", "EC");
    jwk.set("crv", size == 32 ? "P-256" : size == 48 ? "P-384" : "P-521");
    jwk.set("x", number(key, OSSL_PKEY_PARAM_EC_PUB_X, size));
    jwk.set("y", number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size));
    if (with_private) jwk.set("d", number(key, OSSL_PKEY_PARAM_PRIV_KEY, size));
    return jwk;
}

using Members = std::vector<std::pair<std::string, std::string>>;
inline Json with(Json json, const Members& members)
{
    for (const auto& [name, value] : members) json.set(name, value);
    return json;
}

inline std::string jwks_text(const std::vector<Json>& keys)
{
    std::string list;
    for (const Json& each : keys) list += (list.empty() ? "" : ",") + each.dump();
    return "{\"keys\":[" + list + "]}";
}

enum class Pem { pkcs8, traditional };  // traditional: PKCS#1 or SEC1
inline std::string pem(const Key& key, Pem form = Pem::pkcs8)
{
    const Owned<BIO> bio{BIO_new(BIO_s_mem())};
    if (form == Pem::pkcs8)
        require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    else
        require(PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

inline const EVP_MD* md_of(std::string_view alg)
{
    return alg.ends_with("256") ? EVP_sha256() : alg.ends_with("384") ? EVP_sha384() : EVP_sha512();
}

inline std::string hmac(std::string_view alg, std::string_view secret, std::string_view input)
{
    std::string mac(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    HMAC(md_of(alg), secret.data(), static_cast<int>(secret.size()), raw(input), input.size(), raw(mac), &size);
    return mac.substr(0, size);
}

inline std::string fixed_size(const std::string& der, std::size_t size)
{
    const unsigned char* at = raw(std::string_view{der});
    const Owned<ECDSA_SIG> parsed{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
    std::string out(2 * size, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw(out), static_cast<int>(size));
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw(out) + size, static_cast<int>(size));
    return out;
}

inline std::string der_signature(std::string_view alg, const Key& key, std::string_view input)
{
    const Owned<EVP_MD_CTX> context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* params = nullptr;
    require(EVP_DigestSignInit(context.get(), &params, md_of(alg), nullptr, key.get()) == 1);
    if (alg.starts_with("PS")) {
        require(EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) == 1);
        require(EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    std::size_t size = 0;
    require(EVP_DigestSign(context.get(), nullptr, &size, raw(input), input.size()) == 1);
    std::string out(size, '\0');
    require(EVP_DigestSign(context.get(), raw(out), &size, raw(input), input.size()) == 1);
    out.resize(size);
    return out;
}

inline std::string signature(std::string_view alg, const Key& key, std::string_view input)
{
    const std::string made = der_signature(alg, key, input);
    return is_rsa(key.get()) ? made : fixed_size(made, field_size(key.get()));
}

inline std::string signing_input(std::string_view header, std::string_view payload)
{
    return base64url(header) + "." + base64url(payload);
}

// `header` and `payload` are signed as they stand, valid or not.
inline std::string sign(std::string_view alg, const Key& key, std::string_view header, std::string_view payload)
{
    const std::string input = signing_input(header, payload);
    return input + "." + base64url(signature(alg, key, input));
}
inline std::string sign(std::string_view alg, std::string_view secret, std::string_view header,
                        std::string_view payload)
{
    const std::string input = signing_input(header, payload);
    return input + "." + base64url(hmac(alg, secret, input));
}

inline std::string header_of(std::string_view alg, std::string_view kid = {}, std::string_view more = {})
{
    std::string text = "{\"alg\":\"" + std::string{alg} + "\"";
    if (!kid.empty()) text += ",\"kid\":\"" + std::string{kid} + "\"";
    return text.append(more) + "}";
}

struct Sealed {
    std::string iv = std::string(12, '\x07'), ciphertext, tag = std::string(16, '\0');
};
inline Sealed gcm(const std::string& cek, std::string_view aad, std::string_view plaintext)
{
    Sealed out;
    out.ciphertext.resize(plaintext.size());
    const Owned<EVP_CIPHER_CTX> context{EVP_CIPHER_CTX_new()};
    int size = 0;
    require(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(std::string_view{cek}), raw(out.iv)) ==
            1);
    require(EVP_EncryptUpdate(context.get(), nullptr, &size, raw(aad), static_cast<int>(aad.size())) == 1);
    require(EVP_EncryptUpdate(context.get(), raw(out.ciphertext), &size, raw(plaintext),
                              static_cast<int>(plaintext.size())) == 1);
    require(EVP_EncryptFinal_ex(context.get(), raw(out.tag), &size) == 1);
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, out.tag.data()) == 1);
    return out;
}

inline std::string oaep(std::string_view alg, const Key& to, const std::string& cek)
{
    const Owned<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new(to.get(), nullptr)};
    const EVP_MD* md = alg == "RSA-OAEP" ? EVP_sha1() : EVP_sha256();
    require(EVP_PKEY_encrypt_init(context.get()) == 1);
    require(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
    require(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), md) == 1 &&
            EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), md) == 1);
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(to.get()));
    std::string out(size, '\0');
    require(EVP_PKEY_encrypt(context.get(), raw(out), &size, raw(std::string_view{cek}), cek.size()) == 1);
    return out;
}

inline std::string shared_secret(const Key& mine, const Key& theirs)
{
    const Owned<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new(mine.get(), nullptr)};
    std::size_t size = field_size(mine.get());
    std::string out(size, '\0');
    require(EVP_PKEY_derive_init(context.get()) == 1 && EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1);
    require(EVP_PKEY_derive(context.get(), raw(out), &size) == 1);
    return out;
}

struct JweOptions {
    std::string kid = {};
    std::string more = {};           // further header members, ",\"cty\":\"JWT\""
    std::string apu = {}, apv = {};  // decoded
    std::string enc = "A256GCM";
    std::string cek = std::string(32, 'K');  // RSA only
    std::string epk = {};                    // JSON, instead of the true one
};
inline std::string encrypt(const std::string& alg, const Key& to, std::string_view plaintext,
                           const JweOptions& options = {})
{
    std::string more = ",\"enc\":\"" + options.enc + "\"" + options.more, cek = options.cek, encrypted_key;
    if (alg == "ECDH-ES") {
        const Key ephemeral = key("P-256 ephemeral");
        more += ",\"epk\":" + (options.epk.empty() ? jwk(ephemeral).dump() : options.epk);
        if (!options.apu.empty()) more += ",\"apu\":\"" + base64url(options.apu) + "\"";
        if (!options.apv.empty()) more += ",\"apv\":\"" + base64url(options.apv) + "\"";
        const bool same_curve = field_size(to.get()) == 32;
        cek = concat_kdf(same_curve ? shared_secret(ephemeral, to) : "", "A256GCM", options.apu, options.apv, 256);
    } else {
        encrypted_key = oaep(alg, to, cek);
    }
    const std::string header = base64url(header_of(alg, options.kid, more));
    const Sealed sealed = gcm(cek, header, plaintext);
    return header + "." + base64url(encrypted_key) + "." + base64url(sealed.iv) + "." + base64url(sealed.ciphertext) +
           "." + base64url(sealed.tag);
}

inline std::vector<std::string> split(const std::string& token)
{
    std::vector<std::string> segments{""};
    for (const char c : token) {
        if (c == '.') segments.emplace_back();
        else segments.back() += c;
    }
    return segments;
}
inline std::string join(const std::vector<std::string>& segments)
{
    std::string token;
    for (std::size_t i = 0; i < segments.size(); ++i) token += (i == 0 ? "" : ".") + segments[i];
    return token;
}
// One bit of the decoded bytes of one segment.
inline std::string flip(const std::string& token, std::size_t segment, std::size_t bit)
{
    std::vector<std::string> segments = split(token);
    std::string bytes = *base64url_decode(segments[segment]);
    bytes[bit / 8 % bytes.size()] = static_cast<char>(bytes[bit / 8 % bytes.size()] ^ (1 << bit % 8));
    segments[segment] = base64url(bytes);
    return join(segments);
}

// The identifier of the refusal, "accepted" when there is none: readable in a failed assertion.
// In passing: no refusal leaves an error in OpenSSL's queue, where nginx would find it.
template <class F>
std::string verdict(F action)
{
    struct Watch {
        Watch() { ERR_clear_error(); }
        ~Watch() { EXPECT_EQ(ERR_peek_error(), 0UL); }
    };
    const Watch watch;
    try {
        action();
        return "accepted";
    } catch (const Failure& failure) {
        return std::string{name_of(failure.reason)};
    }
}

}  // namespace oidc::tokens
