#include <gtest/gtest.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/jose/jwks.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using tokens::jwk, tokens::jwks_text, tokens::key, tokens::verdict, tokens::with;

Json raw(std::string_view text) { return Json::parse(text); }
Json rsa(const tokens::Members& members = {}) { return with(jwk(key("rsa2048")), members); }
Json p256(const tokens::Members& members = {}) { return with(jwk(key("P-256")), members); }
std::size_t usable(const std::vector<Json>& keys) { return parse_jwks(jwks_text(keys)).size(); }

Json with_json(Json json, std::string_view name, std::string_view text)
{
    json.set(name, raw("{\"v\":" + std::string{text} + "}").at("v"));
    return json;
}

std::string even(std::string bytes)
{
    bytes.back() = static_cast<char>(bytes.back() & ~1);
    return bytes;
}

TEST(Jwks, ReadsEachKindOfKey)
{
    const Jwks set = parse_jwks(jwks_text({rsa({{"kid", "pkcs11:RS256:hsm"}, {"alg", "RS256"}, {"use", "sig"}}),
                                           p256({{"kid", "b"}}), jwk(key("P-384")), jwk(key("P-521"))}));
    ASSERT_EQ(set.size(), 4U);
    EXPECT_EQ(set[0].kid, "pkcs11:RS256:hsm");
    EXPECT_EQ(set[0].alg, "RS256");
    EXPECT_EQ(set[0].signature_size, 256U);
    EXPECT_EQ(set[1].alg, "ES256");
    EXPECT_EQ(set[1].signature_size, 64U);
    EXPECT_EQ(set[2].signature_size, 96U);
    EXPECT_EQ(set[2].alg, "ES384");
    EXPECT_EQ(set[3].signature_size, 132U);
    EXPECT_EQ(set[3].alg, "ES512");
    EXPECT_EQ(set[3].kid, "");
}

TEST(Jwks, RefusesWhatIsNoKeySet)
{
    const std::string bad[] = {"",
                               "null",
                               "[]",
                               "{}",
                               "<html>",
                               R"({"keys":{}})",
                               R"({"keys":"x"})",
                               R"({"keys":[]})",
                               R"({"keys":[1,"x",null,[]]})",
                               jwks_text({rsa()}) + "x",
                               R"({"keys":[],"keys":[)" + rsa().dump() + "]}"};
    for (const std::string& text : bad)
        EXPECT_EQ(verdict([&] { parse_jwks(text); }), "jwks_malformed") << text.substr(0, 60);
}

TEST(Jwks, LeavesOutAKeyThatCannotVerifyAndKeepsTheOthers)
{
    const std::pair<const char*, Json> rows[] = {
        {"oct", raw(R"({"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})")},
        {"OKP", raw(R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})")},
        {"secp256k1", with(p256(), {{"crv", "secp256k1"}})},
        {"no kty", raw("{}")},
        {"kty in another case", with(p256(), {{"kty", "ec"}})},
        {"kty is an array", with_json(p256(), "kty", "[\"EC\"]")},
        {"use=enc", p256({{"use", "enc"}})},
        {"use is an array", with_json(p256(), "use", "[\"sig\"]")},
        {"key_ops without verify", with_json(p256(), "key_ops", "[\"sign\"]")},
        {"key_ops is a string", p256({{"key_ops", "verify"}})},
        {"key_ops repeats an operation", with_json(p256(), "key_ops", "[\"verify\",\"verify\"]")},
        {"key_ops holds a number", with_json(p256(), "key_ops", "[\"verify\",1]")},
        {"alg of encryption", rsa({{"alg", "RSA-OAEP"}})},
        {"alg of another type", rsa({{"alg", "ES256"}})},
        {"alg of another curve", p256({{"alg", "ES384"}})},
        {"alg HS256", rsa({{"alg", "HS256"}})},
        {"alg none", rsa({{"alg", "none"}})},
        {"alg is null", with_json(rsa(), "alg", "null")},
        {"kid is a number", with_json(p256(), "kid", "7")},
        {"kid of 257 bytes", p256({{"kid", std::string(257, 'k')}})},
        {"RSA of 1024 bits", jwk(key("rsa1024"))},
        {"even modulus", rsa({{"n", base64url(even(*base64url_decode(*rsa().string("n"))))}})},
        {"e = 1", rsa({{"e", "AQ"}})},
        {"even e", rsa({{"e", "AQAA"}})},
        {"e = 0", rsa({{"e", "AA"}})},
        {"empty e", rsa({{"e", ""}})},
        {"e of nine bytes", rsa({{"e", base64url(std::string(9, '\x01'))}})},
        {"no n", raw(R"({"kty":"RSA","e":"AQAB"})")},
        {"n with padding", rsa({{"n", *rsa().string("n") + "=="}})},
        {"modulus of 8200 bits", rsa({{"n", base64url(std::string(1025, '\x7f'))}})},
        {"point off the curve", p256({{"y", *p256().string("x")}})},
        {"point (0, 0)", p256({{"x", base64url(std::string(32, '\0'))}, {"y", base64url(std::string(32, '\0'))}})},
        {"coordinate of 31 bytes", p256({{"x", base64url(base64url_decode(*p256().string("x"))->substr(1))}})},
        {"coordinate with a leading zero", p256({{"x", base64url('\0' + *base64url_decode(*p256().string("x")))}})},
        {"P-384 point called P-256", with(jwk(key("P-384")), {{"crv", "P-256"}})},
        {"no y", raw(R"({"kty":"EC","crv":"P-256","x":")" + *p256().string("x") + "\"}")},
    };
    for (const auto& [what, bad] : rows) {
        EXPECT_EQ(usable({bad, rsa({{"kid", "good"}})}), 1U) << what;
        EXPECT_EQ(verdict([&, &only = bad] { usable({only}); }), "jwks_malformed") << what;
    }
}

TEST(Jwks, KeepsAKeyWhoseOptionalMembersAllowIt)
{
    const Json good[] = {
        rsa({{"use", "sig"}}),
        with_json(rsa(), "key_ops", "[\"verify\"]"),
        with_json(rsa(), "key_ops", "[\"sign\",\"verify\"]"),
        with_json(rsa({{"x5t", "AA"}}), "x5c", "[\"MII=\"]"),
        rsa({{"alg", "PS512"}}),
        p256({{"alg", "ES256"}, {"unknown", "x"}}),
        rsa({{"n", base64url('\0' + *base64url_decode(*rsa().string("n")))}}),
    };
    for (const Json& each : good) EXPECT_EQ(usable({each}), 1U) << each.dump();
}

TEST(Jwks, RefusesTheFingerprintOfRoca)
{
    // 65537^k mod M for a primorial M has the fingerprint by construction: 2^2047 <= n, n = 1 modulo each of the
    // primes.
    const tokens::Owned<BIGNUM> n{BN_new()};
    BN_one(n.get());
    for (const unsigned long prime : {11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157})
        BN_mul_word(n.get(), prime);
    BN_lshift(n.get(), n.get(), 2048 - BN_num_bits(n.get()));
    BN_add_word(n.get(), 1);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(n.get())), '\0');
    BN_bn2bin(n.get(), tokens::raw(bytes));
    EXPECT_EQ(verdict([&] { usable({rsa({{"n", base64url(bytes)}})}); }), "jwks_malformed");
}

TEST(Jwks, DropsPrivateMembers)
{
    const Jwks set = parse_jwks(jwks_text({jwk(key("rsa2048"), true), jwk(key("P-256"), true)}));
    ASSERT_EQ(set.size(), 2U);
    for (const VerificationKey& each : set) {
        cjose_err error{};
        const std::unique_ptr<char, decltype(&std::free)> text{cjose_jwk_to_json(each.key.get(), true, &error),
                                                               std::free};
        for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "k"})
            EXPECT_FALSE(Json::parse(text.get()).has(name)) << name;
    }
}

TEST(Jwks, KeepsTwoKeysUnderOneKid)
{
    EXPECT_EQ(usable({p256({{"kid", "same"}}), with(jwk(key("P-256 other")), {{"kid", "same"}})}), 2U);
}

TEST(Jwks, ReadsAtMost64Keys)
{
    EXPECT_EQ(usable(std::vector<Json>(100, p256())), 64U);
    std::vector<Json> late(64, raw("{}"));
    late.push_back(p256());
    EXPECT_EQ(verdict([&] { usable(late); }), "jwks_malformed");
}

}  // namespace
}  // namespace oidc
