// JWE: W14-W16 and the J-rows 3.4 of the security cases.

#include <gtest/gtest.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/json.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/jose/jwe.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/protocol/id_token.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using namespace std::string_literals;
using tokens::encrypt, tokens::jwk, tokens::key, tokens::pem, tokens::verdict;

const std::vector<std::string> all_algs{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES"};
const std::string text = "the inner token";

std::string kind_for(const std::string& alg) { return alg == "ECDH-ES" ? "P-256" : "rsa2048"; }

OwnKey own(const std::string& name, std::string_view kid = {}, std::string_view alg = {}, KeyUse use = KeyUse::enc)
{
    return load_own_key(pem(key(name)), use, alg, kid);
}
template <class... K>
std::vector<OwnKey> set_of(K... keys)
{
    std::vector<OwnKey> set;
    (set.push_back(std::move(keys)), ...);
    return set;
}
const std::vector<OwnKey>& both()
{
    static const std::vector<OwnKey> keys = set_of(own("rsa2048", "rsa"), own("P-256", "ec"));
    return keys;
}

std::string judge(const std::string& token, const std::vector<OwnKey>& keys = both(),
                  const std::vector<std::string>& algs = all_algs)
{
    return verdict([&] { EXPECT_EQ(decrypt(token, keys, algs, id_token_reasons), text); });
}

TEST(Jwe, OpensEachOfTheThreeAlgorithms)
{
    for (const std::string& alg : all_algs) {
        EXPECT_EQ(judge(encrypt(alg, key(kind_for(alg)), text), both(), {alg}), "accepted") << alg;
        EXPECT_EQ(judge(encrypt(alg, key(kind_for(alg)), text,
                                {.more = R"(,"cty":"JWT","iss":"https://fc","aud":"client")"})),
                  "accepted")
            << alg;
    }
}

TEST(Jwe, HonoursThePartyInformationOfTheKeyAgreement)
{
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.apu = "Alice", .apv = "Bob"})), "accepted");
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.apu = "\0\xff"s})), "accepted");
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.more = R"(,"apu":1)"})), "id_token_malformed");
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.more = R"(,"apv":"A")"})), "id_token_malformed");
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.more = R"(,"apv":"Qm9i")"})), "id_token_decryption");
}

TEST(ConcatKdf, AnswersRfc7518AppendixC)
{
    const unsigned char z[] = {158, 86, 217, 29,  129, 113, 53,  211, 114, 131, 66,  131, 191, 132, 38,  156,
                               251, 49, 110, 163, 218, 128, 106, 72,  246, 218, 167, 121, 140, 254, 144, 196};
    const std::string shared(reinterpret_cast<const char*>(z), sizeof z);
    EXPECT_EQ(base64url(concat_kdf(shared, "A128GCM", "Alice", "Bob", 128)), "VqqN6vgjbSBcIijNcacQGg");
}

TEST(Jwe, RefusesOneFlippedBitInEachOfItsSegments)
{
    for (const std::string& alg : all_algs) {
        const std::string token = encrypt(alg, key(kind_for(alg)), text, {.kid = "k", .apu = "Alice"});
        for (std::size_t segment = 0; segment < 5; ++segment) {
            if (tokens::split(token)[segment].empty()) continue;
            for (const std::size_t bit : {0, 5, 9, 31, 63, 90, 95, 119})
                EXPECT_NE(judge(tokens::flip(token, segment, bit)), "accepted") << alg << " " << segment << " " << bit;
        }
    }
}

TEST(Jwe, IsEncryptedAsConfigured)
{
    for (const std::string& alg : all_algs)
        for (const std::string& configured : all_algs)
            EXPECT_EQ(judge(encrypt(alg, key(kind_for(alg)), text), both(), {configured}),
                      alg == configured ? "accepted" : "id_token_encryption");

    for (const std::string alg : {"RSA1_5", "dir", "A256KW", "A128GCMKW", "PBES2-HS256+A128KW", "ECDH-ES+A256KW",
                                  "RSA-OAEP-512", "rsa-oaep", "none", ""}) {
        std::vector<std::string> parts = tokens::split(encrypt("RSA-OAEP", key("rsa2048"), text));
        parts[0] = base64url(R"({"alg":")" + alg + R"(","enc":"A256GCM"})");
        EXPECT_EQ(judge(tokens::join(parts), both(), {alg}), "id_token_encryption") << alg;
    }
    for (const std::string enc : {"A128GCM", "A192GCM", "A256CBC-HS512", "A128CBC-HS256", "a256gcm", ""})
        EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text, {.enc = enc})), "id_token_encryption") << enc;
}

TEST(Jwe, HasAStrictHeader)
{
    for (const std::string more : {R"(,"zip":"DEF")", R"(,"crit":["exp"])", R"(,"b64":false)", R"(,"enc":"A256GCM")",
                                   R"(,"alg":"RSA-OAEP")", R"(,"kid":1)"})
        EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text, {.more = more})), "id_token_malformed") << more;
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.more = R"(,"epk":{})"})),
              "id_token_malformed");  // two of them
}

TEST(Jwe, HasSegmentsOfExactLengths)
{
    for (const std::string& alg : all_algs) {
        const std::vector<std::string> good = tokens::split(encrypt(alg, key(kind_for(alg)), text));
        for (const std::size_t size : {0, 1, 11, 13, 16, 4096}) {
            std::vector<std::string> parts = good;
            parts[2] = base64url(std::string(size, '\x07'));
            EXPECT_EQ(judge(tokens::join(parts)), "id_token_malformed") << alg << " IV " << size;
        }
        for (const std::size_t size : {0, 4, 8, 12, 15, 17, 32}) {
            std::vector<std::string> parts = good;
            const std::string tag = *base64url_decode(good[4]);
            parts[4] = base64url((tag + tag).substr(0, size));
            EXPECT_EQ(judge(tokens::join(parts)), "id_token_malformed") << alg << " tag " << size;
        }
        for (const std::size_t size : {0, 1, 255, 257, 512, 4104}) {
            std::vector<std::string> parts = good;
            parts[1] = base64url(std::string(size, 'e'));
            EXPECT_EQ(judge(tokens::join(parts)),
                      alg == "ECDH-ES" ? (size == 0 ? "accepted" : "id_token_malformed") : "id_token_decryption")
                << alg << size;
        }
        for (const std::string& token :
             {good[0], good[0] + "..", tokens::join(good) + ".", tokens::join(good) + ".AAAA", tokens::join(good) + "=",
              " " + tokens::join(good)})
            EXPECT_EQ(judge(token), "id_token_malformed") << alg;
    }
    EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), std::string(max_token_size, 'x'))), "id_token_malformed");
}

TEST(Jwe, NeedsAContentKeyOf256Bits)
{
    for (const std::size_t size : {0, 16, 31, 33, 64}) {
        std::vector<std::string> parts = tokens::split(encrypt("RSA-OAEP", key("rsa2048"), text));
        parts[1] = base64url(tokens::oaep("RSA-OAEP", key("rsa2048"), std::string(size, 'K')));
        EXPECT_EQ(judge(tokens::join(parts)), "id_token_decryption") << size;
    }
}

TEST(JweEphemeralKey, IsAPublicPointOfTheSameCurve)
{
    const Json good = jwk(key("P-256 ephemeral"));
    const std::string x = *good.string("x"), y = *good.string("y");
    const std::string bad[] = {
        "null",
        "[]",
        "\"x\"",
        "{}",
        jwk(key("P-256 ephemeral"), true).dump(),
        jwk(key("P-384")).dump(),
        jwk(key("rsa2048")).dump(),
        R"({"kty":"EC","crv":"P-256","x":")" + x + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" + x + "\"}",
        R"({"kty":"EC","crv":"P-384","x":")" + x + R"(","y":")" + y + "\"}",
        R"({"kty":"OKP","crv":"P-256","x":")" + x + R"(","y":")" + y + "\"}",
        R"({"kty":"EC","crv":"P-256","x":1,"y":")" + y + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + x + R"(=","y":")" + y + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + base64url(std::string(32, '\0')) + R"(","y":")" +
            base64url(std::string(32, '\0')) + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + base64url(std::string(32, '\xff')) + R"(","y":")" + y + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + base64url(std::string(31, '\1')) + R"(","y":")" + y + "\"}",
        R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","x":")" + x + R"(","y":")" + y + "\"}",
    };
    for (const std::string& epk : bad)
        EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text, {.epk = epk})), "id_token_malformed") << epk;

    std::vector<std::string> parts = tokens::split(encrypt("ECDH-ES", key("P-256"), text));
    parts[0] = base64url(R"({"alg":"ECDH-ES","enc":"A256GCM"})");
    EXPECT_EQ(judge(tokens::join(parts)), "id_token_malformed");
}

TEST(JweKeys, AreChosenByKidThenByType)
{
    const std::vector<OwnKey> two = set_of(own("rsa2048 other", "old"), own("rsa2048", "new"), own("P-256", "ec"));
    for (const std::string kid : {"new", "", "unknown", "ec"})
        EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text, {.kid = kid}), two), "accepted") << kid;
    EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text, {.kid = "old"}), two), "id_token_decryption");
}

TEST(JweKeys, OpenInEveryStateButNotForAnotherUseOrAlgorithm)
{
    for (const KeyState state : {KeyState::next, KeyState::active, KeyState::retired}) {
        std::vector<OwnKey> keys = set_of(own("P-256"));
        keys[0].state = state;
        EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text), keys), "accepted");
    }
    EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text), set_of(own("rsa2048", "", "RSA-OAEP-256"))),
              "id_token_decryption");
    EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text), set_of(own("rsa2048", "", "", KeyUse::sig))),
              "id_token_decryption");
    EXPECT_EQ(judge(encrypt("RSA-OAEP", key("rsa2048"), text), {}), "id_token_decryption");
}

TEST(JweKeys, AreTriedFourTimesAtMost)
{
    std::vector<OwnKey> keys;
    for (int i = 0; i < 3; ++i) keys.push_back(own("P-256 other", std::to_string(i)));
    keys.push_back(own("P-256"));
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text), keys), "accepted");
    keys.insert(keys.begin(), own("P-256 other", "more"));
    EXPECT_EQ(judge(encrypt("ECDH-ES", key("P-256"), text), keys), "id_token_decryption");
}

TEST(Unwrap, HasTheShapeThatIsConfigured)
{
    const std::string plain = tokens::sign("ES256", key("P-256"), tokens::header_of("ES256"), "{}");
    const std::string nested = encrypt("ECDH-ES", key("P-256"), plain);
    const auto shape = [](const std::string& token, bool encrypted) {
        return verdict([&] { EXPECT_EQ(unwrap(token, encrypted, both(), all_algs, id_token_reasons).alg(), "ES256"); });
    };
    EXPECT_EQ(shape(plain, false), "accepted");
    EXPECT_EQ(shape(nested, true), "accepted");
    EXPECT_EQ(shape(plain, true), "id_token_encryption");
    EXPECT_EQ(shape(nested, false), "id_token_encryption");
    EXPECT_EQ(shape(encrypt("ECDH-ES", key("P-256"), nested), true), "id_token_malformed");
    EXPECT_EQ(shape(encrypt("ECDH-ES", key("P-256"), R"({"sub":"x"})"), true), "id_token_malformed");
    EXPECT_EQ(shape(encrypt("ECDH-ES", key("P-256"), tokens::signing_input(R"({"alg":"none"})", "{}") + "."), true),
              "id_token_algorithm");
    EXPECT_EQ(shape("", true), "id_token_encryption");
    EXPECT_EQ(shape(std::string(1'000'000, '.'), false), "id_token_malformed");
}

}  // namespace
}  // namespace oidc
