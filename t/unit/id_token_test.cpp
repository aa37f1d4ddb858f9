// OpenID Connect Core 3.1.3.7, one table: a change of a valid token, and the Reason it is refused with.

#include <gtest/gtest.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/registered_claims.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using namespace std::string_literals;
using tokens::header_of, tokens::key, tokens::verdict;

constexpr std::int64_t now = 1'700'000'000;
const std::string nonce = "nonce-of-this-login-0123456789";
const std::string access_token = "an access token";

Provider provider()
{
    Provider made;
    made.issuer = "https://fcp.example/api/v2";
    made.client_id = "client";
    made.client_secret = Secret{std::string(64, 's')};
    made.acr_orders = {{"eidas1", "eidas2", "eidas3"}, {"self", "consistency", "certification"}};
    return made;
}

Expected expected()
{
    Expected made;
    made.nonce = nonce;
    made.access_token = access_token;
    return made;
}

// A claim of the valid token replaced by JSON text; an empty text removes it.
using Changes = std::vector<std::pair<std::string, std::string>>;
std::string payload(const Changes& changes = {})
{
    std::vector<std::pair<std::string, std::string>> claims{{"iss", R"("https://fcp.example/api/v2")"},
                                                            {"sub", R"("0123456789abcdefv1")"},
                                                            {"aud", R"("client")"},
                                                            {"exp", std::to_string(now + 60)},
                                                            {"iat", std::to_string(now)},
                                                            {"nonce", "\"" + nonce + "\""},
                                                            {"acr", R"("eidas2")"},
                                                            {"auth_time", std::to_string(now - 5)}};
    for (const auto& [name, value] : changes) {
        std::erase_if(claims, [&, &removed = name](const auto& claim) { return claim.first == removed; });
        if (!value.empty()) claims.emplace_back(name, value);
    }
    std::string text;
    for (const auto& [name, value] : claims) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
    return text + "}";
}

Jwks keys() { return parse_jwks(tokens::jwks_text({tokens::jwk(key("P-256")), tokens::jwk(key("rsa2048"))})); }

VerifiedJws verify_id_token(const Jws& token, const Jwks& with, const Provider& of, const Expected& wanted)
{
    VerifiedJws jws(token, with, id_token_policy(of, Endpoints()));
    require_id_token(jws, of, wanted, now);
    return jws;
}
std::string judge(const std::string& token, const Expected& wanted = expected(), const Provider& of = provider())
{
    return verdict([&] { verify_id_token(Jws(token, id_token_reasons), keys(), of, wanted); });
}
std::string judge(const Changes& changes, const Expected& wanted = expected(), const Provider& of = provider())
{
    return judge(tokens::sign("ES256", key("P-256"), header_of("ES256"), payload(changes)), wanted, of);
}
std::string at(std::int64_t seconds) { return std::to_string(now + seconds); }
std::string quoted(const std::string& text) { return "\"" + text + "\""; }

TEST(IdToken, OfTheThreeFrenchProvidersIsAccepted)
{
    EXPECT_EQ(judge(Changes{}), "accepted");
    EXPECT_EQ(judge({{"amr", R"(["fc","pwd"])"}}), "accepted");
    EXPECT_EQ(judge({{"exp", at(3600)}, {"acr", ""}, {"auth_time", ""}}), "accepted");
    const std::string typed =
        tokens::sign("RS256", key("rsa2048"), header_of("RS256", "", R"(,"typ":"JWT")"), payload());
    EXPECT_EQ(judge(typed), "accepted");
}

TEST(IdToken, GivesItsClaimsOnceVerified)
{
    const std::string token = tokens::sign("ES256", key("P-256"), header_of("ES256"), payload());
    const VerifiedJws jws = verify_id_token(Jws(token, id_token_reasons), keys(), provider(), expected());
    EXPECT_EQ(jws.claims().string("sub"), "0123456789abcdefv1");
    EXPECT_EQ(jws.compact(), token);
}

TEST(IdToken, WithOneWrongClaimIsRefusedForThatReason)
{
    const std::string digest_of_another = base64url(hash("SHA256", "another").substr(0, 16));
    const std::pair<Changes, const char*> rows[] = {
        // (2) issuer, byte for byte
        {{{"iss", ""}}, "id_token_issuer"},
        {{{"iss", R"("https://fcp.example/api/v21")"}}, "id_token_issuer"},
        {{{"iss", R"("https://fcp.example/api/v2/")"}}, "id_token_issuer"},
        {{{"iss", R"("https://FCP.example/api/v2")"}}, "id_token_issuer"},
        {{{"iss", R"("https://fcp.example:443/api/v2")"}}, "id_token_issuer"},
        {{{"iss", R"("https://fср.example/api/v2")"}}, "id_token_issuer"},  // Cyrillic
        {{{"iss", R"("https://fcp.example/api/v2\u0000")"}}, "id_token_issuer"},
        {{{"iss", R"(["https://fcp.example/api/v2"])"}}, "id_token_issuer"},
        {{{"iss", "null"}}, "id_token_issuer"},
        // subject
        {{{"sub", ""}}, "id_token_subject"},
        {{{"sub", "\"\""}}, "id_token_subject"},
        {{{"sub", "null"}}, "id_token_subject"},
        {{{"sub", "12345"}}, "id_token_subject"},
        {{{"sub", "[\"x\"]"}}, "id_token_subject"},
        {{{"sub", quoted(std::string(256, 's'))}}, "id_token_subject"},
        {{{"sub", quoted(std::string(255, 's'))}}, "accepted"},
        {{{"sub", R"("a\nb")"}}, "id_token_subject"},  // no session could name it
        {{{"sub", R"("a\rb")"}}, "id_token_subject"},
        {{{"sub", R"("a\u0000b")"}}, "id_token_subject"},
        // (3) to (5) audience and authorised party
        {{{"aud", ""}}, "id_token_audience"},
        {{{"aud", "\"client1\""}}, "id_token_audience"},
        {{{"aud", "\"Client\""}}, "id_token_audience"},
        {{{"aud", "\"client \""}}, "id_token_audience"},
        {{{"aud", "[]"}}, "id_token_audience"},
        {{{"aud", "[\"other\"]"}}, "id_token_audience"},
        {{{"aud", "[[\"client\"]]"}}, "id_token_audience"},
        {{{"aud", "{\"client\":1}"}}, "id_token_audience"},
        {{{"aud", "null"}}, "id_token_audience"},
        {{{"aud", "[\"client\",1]"}}, "id_token_audience"},
        {{{"aud", "[\"client\"]"}}, "accepted"},
        {{{"aud", "[\"client\",\"other\"]"}}, "id_token_azp"},
        {{{"aud", "[\"other\",\"client\"]"}, {"azp", "\"client\""}}, "accepted"},
        {{{"aud", "[\"other\",\"client\"]"}, {"azp", "\"other\""}}, "id_token_azp"},
        {{{"azp", "\"client\""}}, "accepted"},
        {{{"azp", "\"other\""}}, "id_token_azp"},
        {{{"azp", "[\"client\"]"}}, "id_token_azp"},
        {{{"azp", "null"}}, "id_token_azp"},
        // (9) expiry, RFC 7519 4.1.5
        {{{"exp", ""}}, "id_token_expired"},
        {{{"exp", at(-59)}}, "accepted"},
        {{{"exp", at(-60)}}, "id_token_expired"},
        {{{"exp", at(-300)}}, "id_token_expired"},
        {{{"exp", quoted(at(60))}}, "id_token_expired"},
        {{{"exp", "null"}}, "id_token_expired"},
        {{{"exp", "-1"}}, "id_token_expired"},
        {{{"exp", "1e300"}}, "id_token_expired"},
        {{{"exp", "-9223372036854775808"}}, "id_token_expired"},
        {{{"exp", "9223372036854775807"}}, "id_token_expired"},
        {{{"exp", "1700000060.5"}}, "id_token_expired"},
        {{{"exp", "1700000060.0"}}, "accepted"},
        {{{"nbf", at(60)}}, "accepted"},
        {{{"nbf", at(61)}}, "id_token_expired"},
        {{{"nbf", "\"0\""}}, "id_token_expired"},
        {{{"nbf", "1e300"}}, "id_token_expired"},
        // (10) issued at
        {{{"iat", ""}}, "id_token_iat"},
        {{{"iat", at(60)}}, "accepted"},
        {{{"iat", at(61)}}, "id_token_iat"},
        {{{"iat", at(-86400)}}, "accepted"},
        {{{"iat", at(-86400 - 61)}}, "id_token_iat"},
        {{{"iat", at(-7 * 86400)}}, "id_token_iat"},
        {{{"iat", quoted(at(0))}}, "id_token_iat"},
        {{{"iat", "-1"}}, "id_token_iat"},
        {{{"iat", "-9007199254740992"}}, "id_token_iat"},
        {{{"iat", "1e300"}}, "id_token_iat"},
        // (11) nonce
        {{{"nonce", ""}}, "id_token_nonce"},
        {{{"nonce", "\"\""}}, "id_token_nonce"},
        {{{"nonce", quoted(nonce + "1")}}, "id_token_nonce"},
        {{{"nonce", quoted(nonce.substr(1))}}, "id_token_nonce"},
        {{{"nonce", "[" + quoted(nonce) + "]"}}, "id_token_nonce"},
        {{{"nonce", "null"}}, "id_token_nonce"},
        // 3.1.3.8 at_hash, only when present
        {{{"at_hash", quoted(base64url(hash("SHA256", access_token).substr(0, 16)))}}, "accepted"},
        {{{"at_hash", quoted(digest_of_another)}}, "id_token_at_hash"},
        {{{"at_hash", quoted(base64url(hash("SHA256", access_token)))}}, "id_token_at_hash"},
        {{{"at_hash", "\"\""}}, "id_token_at_hash"},
        {{{"at_hash", "null"}}, "id_token_at_hash"},
        {{{"at_hash", "[]"}}, "id_token_at_hash"},
        // RFC 8725 3.11: not a logout token
        {{{"events", R"({"http://schemas.openid.net/event/backchannel-logout":{}})"}}, "id_token_type"},
        {{{"events", "null"}}, "id_token_type"},
    };
    for (const auto& [changes, reason] : rows)
        EXPECT_EQ(judge(changes), reason) << changes[0].first << " = " << changes[0].second;
}

TEST(IdToken, HasNoTypeOrThatOfAJwt)
{
    const std::pair<const char*, const char*> rows[] = {
        {"JWT", "accepted"},
        {"jwt", "accepted"},
        {"application/jwt", "accepted"},
        {"application/JWT", "accepted"},
        {"logout+jwt", "id_token_type"},
        {"at+jwt", "id_token_type"},
        {"application/at+jwt", "id_token_type"},
        {"JOSE", "id_token_type"},
        {"JWTX", "id_token_type"},
    };
    for (const auto& [typ, reason] : rows) {
        const std::string header = header_of("ES256", "", ",\"typ\":\"" + std::string{typ} + "\"");
        EXPECT_EQ(judge(tokens::sign("ES256", key("P-256"), header, payload())), reason) << typ;
    }
}

TEST(IdToken, IsSignedWithAnAlgorithmOfTheConfiguration)
{
    const std::string es = tokens::sign("ES256", key("P-256"), header_of("ES256"), payload());
    const std::string rs = tokens::sign("RS256", key("rsa2048"), header_of("RS256"), payload());
    const std::string hs = tokens::sign("HS256", std::string(64, 's'), header_of("HS256"), payload());
    const std::string none = tokens::signing_input(R"({"alg":"none"})", payload()) + ".";
    Provider only_es = provider(), only_hs = provider();
    only_es.id_token_algs = {"ES256"};
    only_hs.id_token_algs = {"HS256"};
    EXPECT_EQ(judge(es), "accepted");
    EXPECT_EQ(judge(rs), "accepted");
    EXPECT_EQ(judge(hs), "id_token_algorithm");
    EXPECT_EQ(judge(none), "id_token_algorithm");
    EXPECT_EQ(judge(es, expected(), only_es), "accepted");
    EXPECT_EQ(judge(rs, expected(), only_es), "id_token_algorithm");
    EXPECT_EQ(judge(hs, expected(), only_es), "id_token_algorithm");
    EXPECT_EQ(judge(hs, expected(), only_hs), "accepted");
    EXPECT_EQ(judge(es, expected(), only_hs), "id_token_algorithm");
}

TEST(IdToken, OfAForgedSignatureIsRefusedBeforeAnyClaimIsJudged)
{
    const Changes wrong{{"iss", "\"x\""}, {"nonce", "\"x\""}};
    const std::string forged = tokens::sign("ES256", key("P-256 other"), header_of("ES256"), payload(wrong));
    EXPECT_EQ(judge(forged), "id_token_signature");
}

TEST(IdToken, IsGenuineWhenOnlyItsNonceIsRefused)  // a caller may log the person out at the provider with it
{
    for (const char* claim : {"iss", "aud", "exp", "iat", "sub"}) {
        const std::string reason = judge({{claim, "\"x\""}, {"nonce", "\"x\""}, {"azp", "\"client\""}});
        EXPECT_EQ(reason == "id_token_nonce", claim == "sub"s) << claim << " " << reason;
    }
    EXPECT_EQ(judge({{"nonce", "\"x\""}, {"acr", "\"eidas1\""}, {"at_hash", "\"x\""}}), "id_token_nonce");
}

TEST(IdToken, AnswersNoLoginWithoutANonce)
{
    Expected empty = expected();
    empty.nonce = "";
    EXPECT_EQ(judge({{"nonce", "\"\""}}, empty), "id_token_nonce");
    EXPECT_EQ(judge({{"nonce", ""}}, empty), "id_token_nonce");
}

TEST(IdToken, AtHashFollowsTheHashOfItsAlgorithm)
{
    const std::pair<const char*, const char*> rows[] = {{"RS256", "SHA256"}, {"RS384", "SHA384"}, {"PS512", "SHA512"}};
    for (const auto& [alg, name] : rows) {
        const std::string digest = hash(name, access_token);
        const std::string claim = quoted(base64url(digest.substr(0, digest.size() / 2)));
        EXPECT_EQ(judge(tokens::sign(alg, key("rsa2048"), header_of(alg), payload({{"at_hash", claim}}))), "accepted")
            << alg;
    }
    Expected without_token = expected();
    without_token.access_token = "";
    EXPECT_EQ(judge({{"at_hash", quoted(base64url(hash("SHA256", "").substr(0, 16)))}}, without_token),
              "id_token_at_hash");
}

TEST(IdTokenPolicy, TakesOfTheMetadataWhatIsAsymmetric)
{
    Endpoints endpoints;
    Provider given = provider();
    EXPECT_EQ(id_token_policy(given, endpoints).algs.size(), 9u);
    endpoints.id_token_algs = {"HS256", "none", "ES256", "RS256", "EdDSA"};
    EXPECT_EQ(id_token_policy(given, endpoints).algs, (std::vector<std::string>{"RS256", "ES256"}));
    given.id_token_algs = {"HS256"};
    EXPECT_EQ(id_token_policy(given, endpoints).algs, given.id_token_algs);
}

TEST(IdTokenAcr, IsRequiredWhenALevelWasAskedFor)
{
    Expected level = expected();
    level.acr = {"eidas2"};
    const std::pair<const char*, const char*> rows[] = {
        {"\"eidas2\"", "accepted"},     {"\"eidas3\"", "accepted"}, {"\"eidas1\"", "id_token_acr"},
        {"\"eidas4\"", "id_token_acr"}, {"", "id_token_acr"},       {"[\"eidas2\"]", "id_token_acr"},
        {"null", "id_token_acr"},       {"2", "id_token_acr"},      {"\"EIDAS2\"", "id_token_acr"},
        {"\"\"", "id_token_acr"},
    };
    for (const auto& [acr, reason] : rows) EXPECT_EQ(judge({{"acr", acr}}, level), reason) << acr;
    EXPECT_EQ(judge({{"acr", ""}}), "accepted");
}

TEST(IdTokenAuthTime, IsRequiredWithMaxAge)
{
    Provider aged = provider();
    aged.max_age = 300;
    const std::pair<std::string, const char*> rows[] = {
        {at(-300), "accepted"},
        {at(-360), "accepted"},
        {at(-361), "id_token_auth_time"},
        {"", "id_token_auth_time"},
        {quoted(at(0)), "id_token_auth_time"},
        {"null", "id_token_auth_time"},
        {"-9007199254740992", "id_token_auth_time"},
        {"1e300", "id_token_auth_time"},
    };
    for (const auto& [auth_time, reason] : rows)
        EXPECT_EQ(judge({{"auth_time", auth_time}}, expected(), aged), reason) << auth_time;
    EXPECT_EQ(judge({{"auth_time", "\"x\""}}), "accepted");
}

TEST(AcrAtLeast, JudgesByEqualityOrByAnOrder)
{
    const std::vector<std::vector<std::string>> orders{{"eidas1", "eidas2", "eidas3"}, {"a", "a-mfa"}};
    EXPECT_TRUE(acr_at_least(orders, {"eidas2"}, "eidas2"));
    EXPECT_TRUE(acr_at_least(orders, {"eidas1"}, "eidas3"));
    EXPECT_FALSE(acr_at_least(orders, {"eidas2"}, "eidas1"));
    EXPECT_FALSE(acr_at_least(orders, {"eidas1"}, "a-mfa"));
    EXPECT_TRUE(acr_at_least(orders, {"eidas3", "a"}, "a-mfa"));
    EXPECT_TRUE(acr_at_least({}, {"https://level"}, "https://level"));
    EXPECT_FALSE(acr_at_least({}, {"https://level"}, "https://level/"));
    EXPECT_FALSE(acr_at_least(orders, {}, "eidas1"));
}

TEST(RequireClaims, AppliesTheClockSkewOfTheProvider)
{
    Provider strict = provider();
    strict.clock_skew = 0;
    EXPECT_EQ(judge({{"exp", at(1)}}, expected(), strict), "accepted");
    EXPECT_EQ(judge({{"exp", at(0)}}, expected(), strict), "id_token_expired");
    EXPECT_EQ(judge({{"iat", at(1)}}, expected(), strict), "id_token_iat");
    EXPECT_EQ(verdict([&] { require_claims(Json::parse(payload()), strict, now, id_token_rules); }), "accepted");
    EXPECT_EQ(verdict([&] { require_claims(Json{}, strict, now, id_token_rules); }), "id_token_issuer");
}

}  // namespace
}  // namespace oidc
