#include "oidc/protocol/userinfo.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "oidc/base/text.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/signed_token.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {
namespace {

bool is_jwt(const Provider& provider, std::string_view content_type)
{
    const bool jwt = equal_no_case(content_type.substr(0, content_type.find_first_of("; \t")), "application/jwt");
    const bool refused = provider.userinfo_format == (jwt ? UserinfoFormat::json : UserinfoFormat::jwt);
    if (!refused) return jwt;
    fail(Reason::userinfo_malformed,
         jwt ? "a JWT, and userinfo_format wants JSON" : "no JWT, and userinfo_format wants one");
}

// 5.3.2: a signed answer names its issuer and its audience; its life is the access token's.
void require_signed_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss") != provider.issuer) fail(Reason::userinfo_issuer);
    if (!contains(claims.strings("aud"), provider.client_id)) fail(Reason::userinfo_audience);
    const std::int64_t expires = claims.integer("exp").value_or(0);
    if (claims.has("exp") && expires + provider.clock_skew <= now) fail(Reason::userinfo_expired);
}

}  // namespace

Task<Json> fetch_userinfo(Context context, const Endpoints& endpoints, const Tokens& tokens, std::string subject)
{
    const Provider& provider = context.provider;
    if (endpoints.userinfo.empty()) fail(Reason::metadata_endpoint, "no userinfo_endpoint");

    HttpRequest request{endpoints.userinfo, {}, std::nullopt, &provider.http};
    request.headers = {"Authorization: Bearer " + tokens.access_token, "Accept: application/jwt, application/json"};

    HttpResponse response = co_await context.ports.http.send(std::move(request));
    require_response(response, "UserInfo endpoint", Reason::userinfo_malformed);
    if (response.status != 200) fail(Reason::userinfo_refused, "status " + std::to_string(response.status));

    const bool jwt = is_jwt(provider, response.content_type);
    if (!jwt && provider.userinfo_encryption.required) fail(Reason::userinfo_encryption, "the answer is not encrypted");

    Json claims = jwt ? Json() : Json::parse(response.body, 32);
    if (jwt) {
        VerifyPolicy policy = id_token_policy(provider, endpoints);
        if (!provider.userinfo_algs.empty()) policy.algs = provider.userinfo_algs;
        policy.reasons = userinfo_reasons;
        VerifiedJws verified =
            co_await verify_token(context, std::move(response.body), provider.userinfo_encryption, policy);
        claims = verified.claims();
        require_signed_claims(claims, provider, context.request.now);
    }

    if (!claims.is_object()) fail(Reason::userinfo_malformed, "the answer is no JSON object");
    if (claims.text("sub") != subject) fail(Reason::userinfo_subject);
    co_return claims;
}

}  // namespace oidc
