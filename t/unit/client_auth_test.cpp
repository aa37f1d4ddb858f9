// What leaves with a request that the client signs, secures with its secret, or only names itself in.
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "oidc/base/base64.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/protocol/client_auth.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using tokens::key, tokens::pem;
using Algs = std::vector<std::string>;

struct ClientAuthentication : ::testing::Test {
    Provider provider;
    Endpoints endpoints;
    ScriptedHttp http;
    MapSessions sessions;
    FixedDocuments documents;
    std::vector<Secret> keys;
    Ports ports{http, sessions, documents, system_random, keys};
    Request request;
    HttpRequest last;

    ClientAuthentication()
    {
        provider.issuer = "https://op.example";
        provider.client_id = "me & \"you\"";
        endpoints.token = "https://op.example/token";
        request.now = 1'800'000'000;
    }

    void own(const std::string& kind, std::string_view alg = {}, KeyState state = KeyState::active)
    {
        provider.own_keys.push_back(load_own_key(pem(key(kind)), KeyUse::sig, alg, kind));
        provider.own_keys.back().state = state;
    }

    std::vector<Param> send(const std::string& query = "?a=1")
    {
        last = client_request({provider, ports, request}, endpoints, endpoints.token, query);
        return parse_query(*last.form).value();
    }

    // The assertion, verified with the keys that the client publishes or with its secret.
    VerifiedJws verified(const char* alg)
    {
        const std::vector<Param> sent = send();
        EXPECT_EQ(last_value(sent, "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        const Jwks published = provider.own_keys.empty() ? Jwks() : parse_jwks(public_jwks(provider.own_keys));
        const Jws jws(std::string(last_value(sent, "client_assertion")), id_token_reasons);
        return VerifiedJws(jws, published, {{alg}, &provider.client_secret, id_token_reasons});
    }
};

TEST_F(ClientAuthentication, AnAssertionHasWhatRfc7523Wants)
{
    provider.client_auth = ClientAuth::private_key_jwt;
    own("P-256");
    const VerifiedJws jws = verified("ES256");
    EXPECT_EQ(jws.kid(), "P-256");
    const Json& claims = jws.claims();
    EXPECT_EQ(claims.names().size(), 6u);
    EXPECT_EQ(claims.text("iss"), provider.client_id);
    EXPECT_EQ(claims.text("sub"), provider.client_id);
    EXPECT_EQ(claims.string("aud"), "https://op.example");  // a string, not an array
    EXPECT_EQ(claims.integer("iat"), request.now);
    EXPECT_EQ(claims.integer("exp"), request.now + 60);
    EXPECT_EQ(claims.text("jti").size(), 43u);
    EXPECT_NE(verified("ES256").claims().text("jti"), claims.text("jti"));
    provider.audience_is_token_endpoint = true;
    EXPECT_EQ(verified("ES256").claims().string("aud"), endpoints.token);
}

TEST_F(ClientAuthentication, EveryAlgorithmSigns)
{
    provider.client_auth = ClientAuth::private_key_jwt;
    const std::pair<const char*, const char*> pairs[] = {
        {"P-256", "ES256"},   {"P-384", "ES384"},   {"P-521", "ES512"},  {"rsa2048", "RS256"},
        {"rsa2048", "PS256"}, {"rsa2048", "RS384"}, {"rsa2048", "PS512"}};
    for (const auto& [kind, alg] : pairs) {
        provider.own_keys.clear();
        own(kind, alg);
        for (int i = 0; i < 20; ++i) EXPECT_EQ(verified(alg).alg(), alg);  // some integers of ECDSA begin with zeros
    }
}

TEST_F(ClientAuthentication, TheKeyIsTheFirstActiveOneThatTheProviderTakes)
{
    provider.client_auth = ClientAuth::private_key_jwt;
    own("P-384", {}, KeyState::next);
    own("rsa2048");
    own("P-256");
    EXPECT_EQ(verified("RS256").kid(), "rsa2048");
    endpoints.auth_algs = {"PS256", "ES256"};
    EXPECT_EQ(verified("PS256").kid(), "rsa2048");
    endpoints.auth_algs = {"ES256", "ES384"};
    EXPECT_EQ(verified("ES256").kid(), "P-256");
    endpoints.auth_algs = {"EdDSA"};
    EXPECT_EQ(verified("RS256").kid(), "rsa2048");
}

TEST_F(ClientAuthentication, ASecretSignsWithoutAKid)
{
    provider.client_auth = ClientAuth::secret_jwt;
    provider.client_secret = Secret(std::string(32, 's'));
    const VerifiedJws jws = verified("HS256");
    EXPECT_EQ(jws.kid(), "");
    EXPECT_EQ(last.form->find(std::string(32, 's')), std::string::npos);
    EXPECT_FALSE(can_authenticate(provider, ClientAuth::private_key_jwt));
    provider.client_secret = Secret(std::string(31, 's'));
    EXPECT_FALSE(can_authenticate(provider, ClientAuth::secret_jwt));
}

TEST_F(ClientAuthentication, TheOthersSendNoMoreThanTheyMust)
{
    provider.client_secret = Secret("a:b c");
    const std::string id = "client_id=me%20%26%20%22you%22";
    const std::pair<ClientAuth, std::string> forms[] = {{ClientAuth::basic, "a=1"},
                                                        {ClientAuth::post, "a=1&" + id + "&client_secret=a%3Ab%20c"},
                                                        {ClientAuth::tls, "a=1&" + id},
                                                        {ClientAuth::self_signed_tls, "a=1&" + id},
                                                        {ClientAuth::none, "a=1&" + id}};
    for (const auto& [method, form] : forms) {
        provider.client_auth = method;
        send();
        EXPECT_EQ(last.form, form);
        EXPECT_EQ(last.headers.size(), method == ClientAuth::basic ? 2u : 1u);
        const std::string proof =
            method == ClientAuth::basic ? "Authorization: Basic " + base64("me%20%26%20%22you%22:a%3Ab%20c") : "";
        if (!proof.empty()) {
            EXPECT_EQ(last.headers.back(), proof);
        }
        send("?" + id + "&b=2");  // a pushed request has it already
        EXPECT_EQ(last.form->find("client_id", 1), std::string::npos);
    }
}

TEST_F(ClientAuthentication, AutomaticIsTheFirstThatBothCan)
{
    struct Row {
        bool secret, key, certificate;
        Algs offered;
        ClientAuth chosen;
    };
    using enum ClientAuth;
    const Row rows[] = {
        {true, false, false, {}, basic},
        {true, true, true, {}, basic},
        {true, false, false, {"client_secret_post", "client_secret_basic"}, basic},
        {true, false, false, {"client_secret_post"}, post},
        {true, false, false, {"private_key_jwt"}, basic},
        {true, true, false, {"private_key_jwt"}, private_key_jwt},
        {true, true, false, {"private_key_jwt", "client_secret_post"}, post},
        {true, false, false, {"private_key_jwt", "client_secret_jwt"}, secret_jwt},
        {true, false, true, {"self_signed_tls_client_auth"}, self_signed_tls},
        {false, true, true, {"tls_client_auth"}, tls},
        {false, true, false, {}, private_key_jwt},
        {false, false, true, {"client_secret_basic"}, tls},
        {false, false, false, {"client_secret_basic"}, none},
    };
    for (const Row& row : rows) {
        Provider with;
        if (row.secret) with.client_secret = Secret(std::string(32, 's'));
        if (row.key) with.own_keys.push_back(load_own_key(pem(key("P-256")), KeyUse::sig, {}, {}));
        if (row.certificate) with.http.certificate = "PEM";
        endpoints.auth_methods = row.offered;
        EXPECT_EQ(client_auth(with, endpoints), row.chosen)
            << row.secret << row.key << row.certificate << join(row.offered, " ");
    }
}

}  // namespace
}  // namespace oidc
