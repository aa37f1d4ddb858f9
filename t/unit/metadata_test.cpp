#include <gtest/gtest.h>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/metadata.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {
namespace {

constexpr std::string_view issuer = "https://op.example/realm";

Provider provider()
{
    Provider made;
    made.issuer = issuer;
    return made;
}

Json document(std::string_view base = "https://op.example")
{
    const std::string at(base);
    Json made = Json::object();
    made.set("issuer", issuer);
    made.set("authorization_endpoint", at + "/authorize?tenant=1");
    made.set("token_endpoint", at + "/token");
    made.set("jwks_uri", at + "/jwks");
    return made;
}

std::string refusal(const Provider& given, std::string_view json)
{
    try {
        parse_metadata(given, json);
    } catch (const Failure& failure) {
        return std::string(name_of(failure.reason));
    }
    return "accepted";
}

struct Change {
    const char* member;
    const char* json;
    const char* verdict;
};

class Members : public testing::TestWithParam<Change> {};

TEST_P(Members, AreJudged)
{
    Json changed = document();
    Json value = Json::parse(std::string("{\"v\":") + GetParam().json + "}").at("v");
    changed.set(GetParam().member, value);
    EXPECT_EQ(refusal(provider(), changed.dump()), GetParam().verdict) << GetParam().member << " = " << GetParam().json;
}

INSTANTIATE_TEST_SUITE_P(
    Metadata, Members,
    testing::Values(Change{"issuer", R"("https://op.example/realm")", "accepted"},
                    Change{"issuer", R"("https://op.example/realm/")", "metadata_issuer"},
                    Change{"issuer", R"("https://OP.example/realm")", "metadata_issuer"},
                    Change{"issuer", R"("https://op.example/realmINVALID")", "metadata_issuer"},
                    Change{"issuer", R"("")", "metadata_issuer"}, Change{"issuer", "null", "metadata_issuer"},
                    Change{"issuer", R"(["https://op.example/realm"])", "metadata_issuer"},
                    Change{"token_endpoint", "null", "metadata_malformed"},
                    Change{"token_endpoint", "7", "metadata_malformed"},
                    Change{"token_endpoint", R"("")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("/token")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("http://op.example/token")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("http://127.0.0.1/token")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("file:///etc/passwd")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("https://user@op.example/token")", "metadata_endpoint"},
                    Change{"token_endpoint", R"("https://op.example/token\r\nX: y")", "metadata_endpoint"},
                    Change{"authorization_endpoint", "\"javascript:alert(1)\"", "metadata_endpoint"},
                    Change{"authorization_endpoint", R"("https://op.example/a#b")", "metadata_endpoint"},
                    Change{"userinfo_endpoint", "null", "accepted"},
                    Change{"userinfo_endpoint", R"("http://op.example/userinfo")", "metadata_endpoint"},
                    Change{"end_session_endpoint", R"("ftp://op.example/out")", "metadata_endpoint"},
                    Change{"jwks_uri", "{}", "metadata_malformed"}));

TEST(Metadata, ReadsWhatItAdvertises)
{
    Json full = document();
    full.set("userinfo_endpoint", "https://op.example/userinfo");
    full.set("end_session_endpoint", "https://op.example/end");
    full.set("token_endpoint_auth_methods_supported", Json::parse(R"(["client_secret_post","client_secret_basic"])"));
    full.set("id_token_signing_alg_values_supported", Json::parse(R"(["RS256","none"])"));
    full.set("code_challenge_methods_supported", Json::parse(R"(["plain","S256"])"));
    full.set("authorization_response_iss_parameter_supported", Json::parse(R"({"v":true})").at("v"));

    const Endpoints read = parse_metadata(provider(), full.dump());
    EXPECT_EQ(read.authorization, "https://op.example/authorize?tenant=1");
    EXPECT_EQ(read.token, "https://op.example/token");
    EXPECT_EQ(read.userinfo, "https://op.example/userinfo");
    EXPECT_EQ(read.jwks, "https://op.example/jwks");
    EXPECT_EQ(read.end_session, "https://op.example/end");
    EXPECT_EQ(read.revocation, "");
    EXPECT_EQ(read.auth_methods, (std::vector<std::string>{"client_secret_post", "client_secret_basic"}));
    EXPECT_EQ(read.id_token_algs, (std::vector<std::string>{"RS256", "none"}));
    EXPECT_TRUE(read.pkce_s256);
    EXPECT_TRUE(read.callback_iss);
}

TEST(Metadata, OfferSomeEndpointsToAClientWithACertificate)
{
    Json full = document();
    full.set("revocation_endpoint", "https://op.example/revoke");
    full.set("pushed_authorization_request_endpoint", "https://op.example/par");
    full.set("require_pushed_authorization_requests", Json::parse(R"({"v":true})").at("v"));
    full.set("token_endpoint_auth_signing_alg_values_supported", Json::parse(R"(["PS256"])"));
    full.set("mtls_endpoint_aliases", Json::parse(R"({"token_endpoint":"https://mtls.example/token",
        "pushed_authorization_request_endpoint":"https://mtls.example/par","authorization_endpoint":"https://evil.example/",
        "jwks_uri":"https://evil.example/"})"));
    Provider with = provider();
    const Endpoints plain = parse_metadata(with, full.dump());
    EXPECT_EQ(plain.token, "https://op.example/token");
    EXPECT_EQ(plain.par, "https://op.example/par");
    EXPECT_TRUE(plain.par_required);
    EXPECT_EQ(plain.auth_algs, std::vector<std::string>{"PS256"});
    with.http.certificate = "PEM";
    with.overrides.par = "https://given.example/par";
    const Endpoints mutual = parse_metadata(with, full.dump());
    EXPECT_EQ(mutual.token, "https://mtls.example/token");
    EXPECT_EQ(mutual.par, "https://given.example/par");
    EXPECT_EQ(mutual.revocation, "https://op.example/revoke");
    EXPECT_EQ(mutual.authorization, "https://op.example/authorize?tenant=1");
    EXPECT_EQ(mutual.jwks, "https://op.example/jwks");
    full.set("mtls_endpoint_aliases", Json::parse(R"({"token_endpoint":"http://mtls.example/token"})"));
    EXPECT_THROW(parse_metadata(with, full.dump()), Failure);
    full.set("mtls_endpoint_aliases", "none");
    EXPECT_EQ(parse_metadata(with, full.dump()).token, "https://op.example/token");
}

TEST(Metadata, AdvertisesNothingByDefault)
{
    const Endpoints read = parse_metadata(provider(), document().dump());
    EXPECT_TRUE(read.auth_methods.empty());
    EXPECT_FALSE(read.par_required);
    EXPECT_EQ(read.par, "");
    EXPECT_FALSE(read.pkce_s256);
    EXPECT_FALSE(read.callback_iss);
}

TEST(Metadata, IsAnObject)
{
    for (const char* text :
         {"", "[]", "null", "\"x\"", "<html>", "{\"issuer\":", "{\"issuer\":\"a\",\"issuer\":\"b\"}"}) {
        EXPECT_EQ(refusal(provider(), text), "metadata_malformed") << text;
    }
}

TEST(Metadata, DirectivesWinOverTheDocument)
{
    Provider given = provider();
    given.overrides.token = "https://inside.example/token";
    Json broken = document();
    broken.set("token_endpoint", "http://op.example/token");
    EXPECT_EQ(parse_metadata(given, broken.dump()).token, "https://inside.example/token");

    broken.set("token_endpoint", Json{});
    EXPECT_EQ(parse_metadata(given, broken.dump()).token, "https://inside.example/token");
    EXPECT_EQ(parse_metadata(given, broken.dump()).jwks, "https://op.example/jwks");
}

TEST(Metadata, LoopbackIssuersMayUseHttp)
{
    Provider local = provider();
    local.issuer = "http://127.0.0.1:8080";
    Json plain = document("http://127.0.0.1:8080");
    plain.set("issuer", local.issuer);
    EXPECT_EQ(refusal(local, plain.dump()), "accepted");
}

TEST(Metadata, HttpIsForLoopbackHostsOfAnHttpIssuerAlone)
{
    struct Case {
        const char *issuer, *endpoints, *verdict;
    };
    const Case cases[] = {
        {"http://localhost:8080", "http://op.localhost:8081", "accepted"},
        {"http://localhost:8080", "https://op.example", "accepted"},
        {"http://localhost:8080", "http://op.example", "metadata_endpoint"},
        {"https://localhost:8080", "http://localhost:8080", "metadata_endpoint"},
        {"https://op.localhost", "http://127.0.0.1", "metadata_endpoint"},
        {"https://op.localhost", "https://127.0.0.1", "accepted"},
        {"https://op.example", "http://localhost", "metadata_endpoint"},
    };
    for (const Case& row : cases) {
        Provider given = provider();
        given.issuer = row.issuer;
        Json metadata = document(row.endpoints);
        metadata.set("issuer", given.issuer);
        EXPECT_EQ(refusal(given, metadata.dump()), row.verdict) << row.issuer << ' ' << row.endpoints;
    }
}

TEST(Metadata, IsNotNeededWhenEveryEndpointInUseIsConfigured)
{
    Provider given = provider();
    EXPECT_TRUE(needs_metadata(given));
    given.overrides.authorization = given.overrides.token = given.overrides.jwks = "https://op.example/x";
    EXPECT_FALSE(needs_metadata(given));
    given.userinfo = true;
    EXPECT_TRUE(needs_metadata(given));
    given.overrides.userinfo = "https://op.example/u";
    EXPECT_FALSE(needs_metadata(given));
    given.logout_uri = "/logout";
    EXPECT_TRUE(needs_metadata(given));
    given.overrides.end_session = "https://op.example/e";
    EXPECT_FALSE(needs_metadata(given));
}

TEST(Metadata, StandsUnderTheIssuer)
{
    Provider given = provider();
    EXPECT_EQ(metadata_url(given), "https://op.example/realm/.well-known/openid-configuration");
    given.issuer = "https://op.example/";
    EXPECT_EQ(metadata_url(given), "https://op.example/.well-known/openid-configuration");
    given.config_url = "https://op.example/elsewhere";
    EXPECT_EQ(metadata_url(given), "https://op.example/elsewhere");
}

}  // namespace
}  // namespace oidc
