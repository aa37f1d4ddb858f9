// JWS: the strict layer W1-W13 and the J-rows 3.1 to 3.3 of the security cases.

#include <gtest/gtest.h>

#include <algorithm>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/jose/jwa.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/userinfo.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using namespace std::string_literals;
using tokens::header_of, tokens::jwk, tokens::jwks_text, tokens::key, tokens::sign, tokens::verdict, tokens::with;

const std::vector<std::string> asymmetric{"RS256", "RS384", "RS512", "PS256", "PS384",
                                          "PS512", "ES256", "ES384", "ES512"};
const std::vector<std::string> symmetric{"HS256", "HS384", "HS512"};
const std::string payload = R"({"sub":"someone"})";
const std::string secret_text(64, 's');

std::string kind_for(std::string_view alg)
{
    if (alg == "ES256") return "P-256";
    if (alg == "ES384") return "P-384";
    return alg == "ES512" ? "P-521" : "rsa2048";
}

Jwks one_key(const std::string& name, const tokens::Members& members = {})
{
    return parse_jwks(jwks_text({with(jwk(key(name)), members)}));
}

Jwks all_keys()
{
    return parse_jwks(jwks_text({jwk(key("rsa2048")), jwk(key("P-256")), jwk(key("P-384")), jwk(key("P-521"))}));
}

std::string judge(const std::string& token, const Jwks& keys, const std::vector<std::string>& algs = asymmetric,
                  const Secret* secret = nullptr)
{
    return verdict([&] { VerifiedJws(Jws(token, id_token_reasons), keys, {algs, secret, id_token_reasons}); });
}

std::string signed_with_header(std::string_view header) { return sign("ES256", key("P-256"), header, payload); }

// ---- what must be accepted

TEST(Jws, VerifiesEachOfTheNineAlgorithmsAndGivesItsClaims)
{
    for (const std::string& alg : asymmetric) {
        const std::string token = sign(alg, key(kind_for(alg)), header_of(alg, "", R"(,"typ":"JWT")"), payload);
        const VerifiedJws jws(Jws(token, id_token_reasons), all_keys(), {{alg}, nullptr, id_token_reasons});
        EXPECT_EQ(jws.claims().string("sub"), "someone") << alg;
        EXPECT_EQ(jws.alg(), alg);
        EXPECT_EQ(jws.typ(), "JWT");
        EXPECT_EQ(jws.compact(), token);
    }
}

TEST(Jws, VerifiesHmacWithTheRawBytesOfTheSecretWhenConfigured)
{
    const Secret secret{secret_text};
    for (const std::string& alg : symmetric) {
        const std::string token = sign(alg, secret_text, header_of(alg), payload);
        EXPECT_EQ(judge(token, all_keys(), {alg}, &secret), "accepted") << alg;
        EXPECT_EQ(judge(token, {}, {alg}, &secret), "accepted") << alg;
    }
}

TEST(Jws, VerifiesTheExamplesOfRfc7515)
{
    const std::string es256 =  // appendix A.3
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const Jwks ec = parse_jwks(
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]})");
    EXPECT_EQ(judge(es256, ec), "accepted");

    const std::string rs256 =  // appendix A.2
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
        "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjb"
        "KBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
        "eOkHWEsqtFZES"
        "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const Jwks rsa = parse_jwks(
        R"({"keys":[{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qP)"
        R"(CJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5)"
        R"(rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NA)"
        R"(co9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]})");
    EXPECT_EQ(judge(rs256, rsa), "accepted");
}

TEST(Jws, VerifiesWithAModulusThatBeginsWithAZeroOctet)
{
    const std::string n = base64url('\0' + *base64url_decode(*jwk(key("rsa2048")).string("n")));
    const std::string token = sign("PS256", key("rsa2048"), header_of("PS256"), payload);
    EXPECT_EQ(judge(token, one_key("rsa2048", {{"n", n}})), "accepted");
}

TEST(Jws, ToleratesUnknownHeaderMembersAndIgnoresKeysInTheHeader)
{
    const std::string own = jwk(key("P-256")).dump();
    EXPECT_EQ(judge(signed_with_header(R"({"alg":"ES256","iss":"x","aud":"y","unknown":{"a":[1]}})"), one_key("P-256")),
              "accepted");
    EXPECT_EQ(judge(signed_with_header(R"({"alg":"ES256","jku":"https://evil.example","x5u":"x"})"), one_key("P-256")),
              "accepted");
    EXPECT_EQ(judge(signed_with_header(R"({"alg":"ES256","jwk":)" + own + "}"), one_key("P-256 other")),
              "id_token_signature");  // CVE-2018-0114
}

// ---- header

TEST(JwsHeader, RefusesEverySpellingOfNone)
{
    for (const std::string alg : {"none", "None", "NONE", "nOnE", "", "none ", "none\\u0000", " none"}) {
        const std::string input = tokens::signing_input(header_of(alg), payload);
        EXPECT_EQ(judge(input + ".", all_keys()), "id_token_algorithm") << alg;
        EXPECT_EQ(judge(input + ".AAAA", all_keys(), {"none"}), "id_token_algorithm") << alg;
    }
}

TEST(JwsHeader, RefusesAnUnknownOrForeignAlgorithm)
{
    for (const std::string alg :
         {"es256", "ES256K", "EdDSA", "RS1", "HS1", "A256KW", "RSA-OAEP", "dir", "ES256 ", "ES2", "ES2560"})
        EXPECT_EQ(judge(signed_with_header(header_of(alg)), all_keys(), {alg}), "id_token_algorithm") << alg;
}

TEST(JwsHeader, RefusesWhatIsMalformed)
{
    const std::pair<std::string, const char*> rows[] = {
        {R"({"alg":["ES256"]})", "id_token_malformed"},
        {R"({"alg":null})", "id_token_malformed"},
        {R"({"alg":{}})", "id_token_malformed"},
        {R"({"alg":256})", "id_token_malformed"},
        {"{}", "id_token_algorithm"},
        {R"({"typ":"JWT"})", "id_token_algorithm"},
        {R"(["ES256"])", "id_token_malformed"},
        {R"("ES256")", "id_token_malformed"},
        {"256", "id_token_malformed"},
        {"null", "id_token_malformed"},
        {"", "id_token_malformed"},
        {"\xEF\xBB\xBF{\"alg\":\"ES256\"}", "id_token_malformed"},
        {R"({"alg":"ES256"}x)", "id_token_malformed"},
        {R"({"alg":"ES256"},)", "id_token_malformed"},
        {R"({"alg":"ES256","crit":["exp"],"exp":1})", "id_token_malformed"},
        {R"({"alg":"ES256","crit":[]})", "id_token_malformed"},
        {R"({"alg":"ES256","crit":null})", "id_token_malformed"},
        {R"({"alg":"ES256","b64":false})", "id_token_malformed"},
        {R"({"alg":"ES256","b64":true})", "id_token_malformed"},
        {R"({"alg":"ES256","b64":false,"crit":["b64"]})", "id_token_malformed"},
        {R"({"alg":"ES256","zip":"DEF"})", "id_token_malformed"},
        {R"({"alg":"none","alg":"ES256"})", "id_token_malformed"},
        {R"({"alg":"none","\u0061lg":"ES256"})", "id_token_malformed"},
        {R"({"alg":"ES256","kid":"a","kid":"b"})", "id_token_malformed"},
        {R"({"alg":"ES256","kid":["a"]})", "id_token_malformed"},
        {R"({"alg":"ES256","kid":7})", "id_token_malformed"},
        {R"({"alg":"ES256","kid":")" + std::string(257, 'k') + "\"}", "id_token_malformed"},
        {R"({"alg":"ES256","typ":1})", "id_token_malformed"},
        {R"({"alg":"ES256","x":)" + std::string(8, '[') + std::string(8, ']') + "}", "id_token_malformed"},
        {R"({"alg":"ES256","x":")" + std::string(8 * 1024, 'x') + "\"}", "id_token_malformed"},
    };
    for (const auto& [header, expected] : rows)
        EXPECT_EQ(judge(signed_with_header(header), one_key("P-256")), expected) << header.substr(0, 80);
}

// ---- encoding

TEST(JwsEncoding, RefusesEveryOtherSpellingOfAToken)
{
    const std::string token = sign("ES256", key("P-256"), header_of("ES256"), R"({"a":1})");
    const std::vector<std::string> parts = tokens::split(token);
    ASSERT_EQ(judge(token, one_key("P-256")), "accepted");

    std::vector<std::string> bad{"",
                                 ".",
                                 "..",
                                 "...",
                                 " " + token,
                                 token + " ",
                                 token + "\n",
                                 "Bearer " + token,
                                 "\"" + token + "\"",
                                 token + ".",
                                 "." + token,
                                 token + "." + parts[2],
                                 parts[0] + "." + parts[1],
                                 token + "\0"s,
                                 std::string(1'000'000, '.')};
    for (std::size_t i = 0; i < 3; ++i) {
        for (const std::string tail : {"=", "==", "A", "AAAAA", "*", "\n"}) {
            std::vector<std::string> changed = parts;
            changed[i] += tail;
            if (tail != "A" || changed[i].size() % 4 == 1) bad.push_back(tokens::join(changed));
        }
        std::vector<std::string> changed = parts;
        std::replace(changed[i].begin(), changed[i].end(), '_', '/');
        if (changed != parts) bad.push_back(tokens::join(changed));
    }
    for (const std::string& each : bad) EXPECT_NE(judge(each, one_key("P-256")), "accepted") << each.substr(0, 200);
}

TEST(JwsEncoding, RefusesUnusedBitsInTheLastCharacterOfASegment)  // J25: a second spelling of the same signature
{
    const std::string token = sign("ES256", key("P-256"), R"({"alg":"ES256"}  )", R"({"a":1})");
    std::vector<std::string> parts = tokens::split(token);
    for (std::string& part : parts) {
        ASSERT_NE(part.size() % 4, 0U);
        const char last = part.back();
        part.back() = static_cast<char>(last + 1);  // the unused bits are zero, so the next letter differs in them
        EXPECT_EQ(judge(tokens::join(parts), one_key("P-256")), "id_token_malformed");
        part.back() = last;
    }
}

TEST(JwsEncoding, RefusesATokenAbove64kB)
{
    const std::string fill(max_token_size, ' ');
    const std::string fits =
        sign("ES256", key("P-256"), header_of("ES256"), "{\"a\":1" + fill.substr(0, 47 * 1024) + "}");
    EXPECT_EQ(judge(fits, one_key("P-256")), "accepted");
    EXPECT_EQ(judge(sign("ES256", key("P-256"), header_of("ES256"), "{" + fill + "}"), one_key("P-256")),
              "id_token_malformed");
}

TEST(JwsPayload, IsOneObjectWithinTheCaps)
{
    const std::string deep(2000, '[');
    const std::string bad[] = {"",
                               "[]",
                               "\"x\"",
                               "1",
                               "null",
                               "{}x",
                               "{} {}",
                               "{/**/}",
                               R"({"a":1,"a":2})",
                               R"({"iss":"x","\u0069ss":"y"})",
                               "{\"a\":" + deep + std::string(2000, ']') + "}",
                               "{\"a\":\"\xff\"}",
                               "\xEF\xBB\xBF{}"};
    for (const std::string& text : bad)
        EXPECT_EQ(judge(sign("ES256", key("P-256"), header_of("ES256"), text), one_key("P-256")), "id_token_malformed")
            << text.substr(0, 40);
}

// ---- algorithm and key

TEST(JwsAlgorithm, ComesFromConfigurationOnly)
{
    const Secret secret{secret_text};
    for (const std::string& alg : asymmetric) {
        std::vector<std::string> others = asymmetric;
        std::erase(others, alg);
        EXPECT_EQ(judge(sign(alg, key(kind_for(alg)), header_of(alg), payload), all_keys(), others),
                  "id_token_algorithm")
            << alg;
    }
    for (const std::string& alg : symmetric)
        EXPECT_EQ(judge(sign(alg, secret_text, header_of(alg), payload), all_keys(), asymmetric, &secret),
                  "id_token_algorithm")
            << alg;
    EXPECT_EQ(judge(sign("ES256", key("P-256"), header_of("ES256"), payload), all_keys(), {"HS256"}, &secret),
              "id_token_algorithm");
}

TEST(JwsAlgorithm, HmacNeverUsesAPublicKeyOrAShortSecret)
{
    const Secret secret{secret_text}, short_secret{std::string(31, 's')}, empty{""};
    for (const std::string& as_key : {tokens::pem(key("rsa2048")), jwk(key("rsa2048")).dump(), ""s}) {
        const std::string token = sign("HS256", as_key, header_of("HS256"), payload);
        EXPECT_EQ(judge(token, all_keys(), {"HS256", "RS256"}, &secret), "id_token_signature");
        EXPECT_EQ(judge(token, all_keys(), {"HS256", "RS256"}, nullptr), "id_token_algorithm");
    }
    EXPECT_EQ(judge(sign("HS256", short_secret.reveal(), header_of("HS256"), payload), {}, {"HS256"}, &short_secret),
              "id_token_algorithm");
    EXPECT_EQ(judge(sign("HS512", std::string(63, 's'), header_of("HS512"), payload), {}, {"HS512"}, &short_secret),
              "id_token_algorithm");
    EXPECT_EQ(judge(sign("HS256", "", header_of("HS256"), payload), {}, {"HS256"}, &empty), "id_token_algorithm");
}

TEST(JwsAlgorithm, FitsTypeCurveAndAlgOfTheKey)
{
    struct Row {
        const char *alg, *signer, *offered, *key_alg;
    };
    const Row rows[] = {
        {"ES256", "P-384", "P-384", ""},          {"ES512", "P-256", "P-256", ""},
        {"ES384", "P-521", "P-521", ""},          {"ES256", "P-256", "rsa2048", ""},
        {"RS256", "rsa2048", "P-256", ""},        {"PS256", "rsa2048", "rsa2048", "RS256"},
        {"RS256", "rsa2048", "rsa2048", "PS512"}, {"RS256", "rsa2048", "rsa2048", "RS384"},
    };
    for (const Row& row : rows) {
        tokens::Members members;
        if (*row.key_alg) members.emplace_back("alg", row.key_alg);
        const std::string token = sign(row.alg, key(row.signer), header_of(row.alg), payload);
        EXPECT_EQ(judge(token, one_key(row.offered, members)), "id_token_key")
            << row.alg << " " << row.offered << " " << row.key_alg;
    }
}

// ---- kid

TEST(JwsKid, ChoosesTheKeyByItsBytes)
{
    const Jwks set = parse_jwks(jwks_text(
        {with(jwk(key("P-256")), {{"kid", "a"}}), with(jwk(key("P-256 other")), {{"kid", "pkcs11:ES256:hsm"}})}));
    EXPECT_EQ(judge(signed_with_header(header_of("ES256", "a")), set), "accepted");
    EXPECT_EQ(judge(signed_with_header(header_of("ES256", "pkcs11:ES256:hsm")), set), "id_token_signature");
    for (const std::string kid : {"A", "a ", "b", "../../../../dev/null", "/etc/passwd", "' OR 1=1--", "%00",
                                  "a\\u0000", "a\\r\\n", "\\ud83d\\ude00"})
        EXPECT_EQ(judge(signed_with_header(header_of("ES256", kid)), set), "id_token_key") << kid;
    EXPECT_EQ(judge(signed_with_header(header_of("ES256", "a")), one_key("P-256")),
              "id_token_key");  // a key without kid is not the one named
}

TEST(JwsKid, SharedByTwoKeysTriesBoth)
{
    for (const bool first : {true, false}) {
        std::vector<Json> keys{with(jwk(key("P-256")), {{"kid", "same"}}),
                               with(jwk(key("P-256 other")), {{"kid", "same"}})};
        if (!first) std::swap(keys[0], keys[1]);
        EXPECT_EQ(judge(signed_with_header(header_of("ES256", "same")), parse_jwks(jwks_text(keys))), "accepted");
    }
}

TEST(JwsKid, AbsentTriesEveryKeyThatFitsAndNoMoreThanEight)
{
    std::vector<Json> keys;
    for (int i = 0; i < 7; ++i) keys.push_back(with(jwk(key("P-256 other")), {{"kid", std::to_string(i)}}));
    keys.push_back(jwk(key("rsa2048")));
    keys.push_back(with(jwk(key("P-256")), {{"kid", "eighth"}}));
    EXPECT_EQ(judge(signed_with_header(header_of("ES256")), parse_jwks(jwks_text(keys))), "accepted");
    keys.insert(keys.begin(), jwk(key("P-256 other")));
    EXPECT_EQ(judge(signed_with_header(header_of("ES256")), parse_jwks(jwks_text(keys))), "id_token_signature");
    EXPECT_EQ(judge(signed_with_header(header_of("ES256")), {}), "id_token_key");
}

// ---- signature

TEST(JwsSignature, RefusesOneFlippedBitInEverySegment)
{
    for (const std::string& alg : asymmetric) {
        const std::string token = sign(alg, key(kind_for(alg)), header_of(alg), payload);
        for (std::size_t segment = 0; segment < 3; ++segment)
            for (const std::size_t bit : {0, 3, 13, 38, 77, 100})
                EXPECT_NE(judge(tokens::flip(token, segment, bit), all_keys()), "accepted")
                    << alg << " " << segment << " " << bit;
    }
}

TEST(JwsSignature, HasExactlyTheLengthOfItsKey)
{
    const Secret secret{secret_text};
    std::vector<std::string> algs = asymmetric;
    algs.insert(algs.end(), symmetric.begin(), symmetric.end());
    for (const std::string& alg : algs) {
        const bool mac = is_hmac_alg(alg);
        const std::string token = mac ? sign(alg, secret_text, header_of(alg), payload)
                                      : sign(alg, key(kind_for(alg)), header_of(alg), payload);
        const std::string input = token.substr(0, token.rfind('.') + 1),
                          good = *base64url_decode(token.substr(token.rfind('.') + 1));
        for (const std::string& other :
             {""s, good.substr(0, 1), good.substr(1), good.substr(0, good.size() - 1), good + '\0', '\0' + good,
              good + good, std::string(good.size(), '\0'), std::string(good.size(), '\xff'), std::string(8000, 'x')})
            EXPECT_EQ(judge(input + base64url(other), all_keys(), algs, &secret), "id_token_signature")
                << alg << " " << other.size();
    }
}

TEST(JwsSignature, OfAnEllipticCurveIsNeitherDerNorOutOfRange)
{
    const std::string input = tokens::signing_input(header_of("ES256"), payload);
    EXPECT_EQ(judge(input + "." + base64url(tokens::der_signature("ES256", key("P-256"), input)), all_keys()),
              "id_token_signature");
    const std::string good = tokens::signature("ES256", key("P-256"), input), zero(32, '\0'),
                      order = *base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    for (const std::string& bad :
         {zero + zero, good.substr(0, 32) + zero, zero + good.substr(32), order + good.substr(32),
          good.substr(0, 32) + order, good.substr(32) + good.substr(0, 32)})
        EXPECT_EQ(judge(input + "." + base64url(bad), all_keys()), "id_token_signature");
}

TEST(JwsSignature, OfAnotherKeyOrAnotherTokenIsRefused)
{
    EXPECT_EQ(judge(signed_with_header(header_of("ES256")), one_key("P-256 other")), "id_token_signature");
    std::vector<std::string> one = tokens::split(signed_with_header(header_of("ES256")));
    one[2] = tokens::split(sign("ES256", key("P-256"), header_of("ES256"), R"({"sub":"else"})"))[2];
    EXPECT_EQ(judge(tokens::join(one), one_key("P-256")), "id_token_signature");
    const std::string rs = sign("RS256", key("rsa2048"), header_of("PS256"), payload);
    EXPECT_EQ(judge(rs, all_keys()), "id_token_signature");
}

TEST(Algorithms, AreNamedOnce)
{
    for (const std::string& alg : asymmetric) EXPECT_TRUE(is_signature_alg(alg) && !is_hmac_alg(alg));
    for (const std::string& alg : symmetric) EXPECT_TRUE(is_signature_alg(alg) && is_hmac_alg(alg));
    EXPECT_EQ(hash("PS384", "").size(), 48U);
    EXPECT_EQ(hash("ES512", "").size(), 64U);
    EXPECT_THROW(hash("none", ""), std::invalid_argument);
}

TEST(UserinfoReasons, AreOnlyOfUserinfo)
{
    const JoseReasons& r = userinfo_reasons;
    for (const Reason each : {r.malformed, r.encryption, r.decryption, r.algorithm, r.key, r.signature})
        EXPECT_TRUE(name_of(each).starts_with("userinfo_"));
}

}  // namespace
}  // namespace oidc
