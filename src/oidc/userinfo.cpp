#include "userinfo.hpp"

#include <algorithm>

#include "failure.hpp"
#include "id_token.hpp"
#include "jose.hpp"
#include "keys.hpp"
#include "token.hpp"

namespace oidc {
namespace {

bool is_jwt(const Provider& provider, const HttpResponse& response)
{
    std::string_view type(response.content_type);
    type = type.substr(0, type.find_first_of("; \t"));
    constexpr std::string_view jwt = "application/jwt";
    bool says_jwt = std::equal(type.begin(), type.end(), jwt.begin(), jwt.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b;
    });
    switch (provider.userinfo_format) {
    case UserinfoFormat::automatic: return says_jwt;
    case UserinfoFormat::jwt:
        if (!says_jwt) fail(Reason::userinfo_malformed, "the answer is no JWT, and userinfo_format wants one");
        return true;
    case UserinfoFormat::json:
        if (says_jwt) fail(Reason::userinfo_malformed, "the answer is a JWT, and userinfo_format wants JSON");
        return false;
    }
    return false;
}

// 5.3.2: a signed answer names its issuer and its audience; its life is the access token's.
void require_signed_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss").value_or("") != provider.issuer) fail(Reason::userinfo_issuer);
    std::vector<std::string> audience = claims.strings("aud");
    if (std::find(audience.begin(), audience.end(), provider.client_id) == audience.end()) fail(Reason::userinfo_audience);
    if (!claims.has("exp")) return;
    std::optional<std::int64_t> expires = claims.integer("exp");
    if (!expires || *expires + provider.clock_skew <= now) fail(Reason::userinfo_expired);
}

Jws unwrap_userinfo(const HttpResponse& response, const Provider& provider)
{
    std::string body = response.body;
    DecryptPolicy policy{provider.userinfo_encryption.algs, userinfo_reasons};
    return unwrap(std::move(body), provider.userinfo_encryption.required, provider.own_keys, policy);
}

VerifyPolicy verify_policy(const Provider& provider)
{
    VerifyPolicy policy{provider.userinfo_algs.empty() ? allowed_algs(provider) : provider.userinfo_algs, nullptr, userinfo_reasons};
    if (!provider.client_secret.empty()) policy.hmac_secret = &provider.client_secret;
    return policy;
}

Json require_subject(Json claims, const std::string& subject)
{
    if (!claims || !claims.is_object()) fail(Reason::userinfo_malformed, "the answer is no JSON object");
    if (claims.string("sub").value_or("") != subject) fail(Reason::userinfo_subject);
    return claims;
}

}  // namespace

Task<Json> fetch_userinfo(const Provider& provider, const Endpoints& endpoints, Ports& ports, UserinfoFor whom, std::int64_t now)
{
    if (endpoints.userinfo.empty()) fail(Reason::metadata_endpoint, "no userinfo_endpoint");
    HttpRequest request;
    request.url = endpoints.userinfo;
    request.policy = &provider.http;
    request.headers = {"Authorization: Bearer " + whom.access_token, "Accept: application/jwt, application/json"};
    HttpResponse response = co_await ports.http.send(std::move(request));
    require_response(response, "UserInfo endpoint");
    if (response.status != 200) fail(Reason::userinfo_refused, "status " + std::to_string(response.status));
    if (!is_jwt(provider, response)) {
        if (provider.userinfo_encryption.required) fail(Reason::userinfo_encryption, "the answer is not encrypted");
        co_return require_subject(Json::parse(response.body, 32), whom.subject);
    }
    Jws token = unwrap_userinfo(response, provider);
    VerifyPolicy policy = verify_policy(provider);
    VerifiedJws verified = co_await verify_with_refetch(token, provider, ports.documents, policy);
    require_signed_claims(verified.claims(), provider, now);
    co_return require_subject(verified.claims(), whom.subject);
}

}  // namespace oidc
