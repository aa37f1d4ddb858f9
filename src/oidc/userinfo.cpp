#include "protocol.hpp"

namespace oidc {
namespace {

bool is_jwt(const Provider& provider, std::string_view content_type)
{
    const bool jwt = equal_no_case(content_type.substr(0, content_type.find_first_of("; \t")), "application/jwt");
    if (provider.userinfo_format == UserinfoFormat::jwt && !jwt) {
        fail(Reason::userinfo_malformed, "the answer is no JWT, and userinfo_format wants one");
    }
    if (provider.userinfo_format == UserinfoFormat::json && jwt) {
        fail(Reason::userinfo_malformed, "the answer is a JWT, and userinfo_format wants JSON");
    }
    return jwt;
}

// 5.3.2: a signed answer names its issuer and its audience; its life is the access token's.
void require_signed_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss") != provider.issuer) fail(Reason::userinfo_issuer);
    if (!contains(claims.strings("aud"), provider.client_id)) fail(Reason::userinfo_audience);
    const std::int64_t expires = claims.integer("exp").value_or(0);
    if (claims.has("exp") && expires + provider.clock_skew <= now) fail(Reason::userinfo_expired);
}

Json require_subject(Json claims, const std::string& subject)
{
    if (!claims.is_object()) fail(Reason::userinfo_malformed, "the answer is no JSON object");
    if (claims.string("sub").value_or("") != subject) fail(Reason::userinfo_subject);
    return claims;
}

}  // namespace

Task<Json> fetch_userinfo(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Tokens& tokens, std::string subject,
                          std::int64_t now)
{
    if (endpoints.userinfo.empty()) fail(Reason::metadata_endpoint, "no userinfo_endpoint");
    HttpRequest request;
    request.url = endpoints.userinfo;
    request.policy = &provider.http;
    request.headers = {"Authorization: Bearer " + tokens.access_token, "Accept: application/jwt, application/json"};
    HttpResponse response = co_await ports.http.send(std::move(request));
    require_response(response, "UserInfo endpoint");
    if (response.status != 200) fail(Reason::userinfo_refused, "status " + std::to_string(response.status));
    if (!is_jwt(provider, response.content_type)) {
        if (provider.userinfo_encryption.required) fail(Reason::userinfo_encryption, "the answer is not encrypted");
        co_return require_subject(Json::parse(response.body, 32), subject);
    }
    VerifyPolicy policy = id_token_policy(provider);
    if (!provider.userinfo_algs.empty()) policy.algs = provider.userinfo_algs;
    policy.reasons = userinfo_reasons;
    std::string token = std::move(response.body);
    VerifiedJws verified = co_await open_token(std::move(token), provider, ports.documents, provider.userinfo_encryption, policy);
    require_signed_claims(verified.claims(), provider, now);
    co_return require_subject(verified.claims(), subject);
}

}  // namespace oidc
