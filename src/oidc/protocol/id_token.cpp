#include "oidc/protocol/id_token.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "oidc/provider/acr.hpp"

namespace oidc {
namespace {

// Core 3.1.3.8: optional with the code flow, right when present.
void require_at_hash(const VerifiedJws& jws, std::string_view access_token)
{
    if (!jws.claims().has("at_hash")) return;
    const std::string digest = hash(jws.alg(), access_token);
    const std::string left_half = base64url(std::string_view{digest}.substr(0, digest.size() / 2));
    const bool right = equal_constant_time(jws.claims().text("at_hash"), left_half);
    if (access_token.empty() || !right) fail(Reason::id_token_at_hash, "at_hash is not that of the access token");
}

}  // namespace

VerifyPolicy id_token_policy(const Provider& provider, const Endpoints& endpoints)
{
    std::vector<std::string> algs = provider.id_token_algs;
    if (algs.empty()) {
        algs = words("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512");
        const std::vector<std::string>& offered = endpoints.id_token_algs;
        std::erase_if(algs, [&](const std::string& alg) { return !offered.empty() && !contains(offered, alg); });
    }
    return {std::move(algs), &provider.client_secret, id_token_reasons};
}

// In the order of Core 3.1.3.7. The nonce comes after everything that makes the token genuine: a caller may conclude
// from id_token_nonce that the provider issued this token to us, for another login.
void require_id_token(const VerifiedJws& jws, const Provider& provider, const Expected& expected, std::int64_t now)
{
    const Json& claims = jws.claims();
    // RFC 8725 section 3.11: neither a logout token nor an access token.
    const bool typed =
        jws.typ().empty() || equal_no_case(jws.typ(), "JWT") || equal_no_case(jws.typ(), "application/jwt");
    if (!typed) fail(Reason::id_token_type, concat({"typ \"", jws.typ(), "\""}));
    if (claims.has("events")) fail(Reason::id_token_type, "it has \"events\", as a logout token");
    require_claims(claims, provider, now, id_token_rules);

    const std::string nonce = claims.text("nonce");  // (11)
    const bool answers = nonce.empty() ? expected.renewal : equal_constant_time(nonce, expected.nonce);
    if (!answers) fail(Reason::id_token_nonce, "the nonce is not the one of this login");

    const std::string level = claims.text("acr");  // (12)
    const bool strong = expected.acr.empty() || acr_at_least(provider.acr_orders, expected.acr, level);
    if (!strong) fail(Reason::id_token_acr, "acr is below the level asked for");

    const std::optional<std::int64_t> login = claims.integer("auth_time");  // (13)
    const bool aged = provider.max_age && !expected.renewal;
    if (aged && !login) fail(Reason::id_token_auth_time, "auth_time is missing or no integer");
    const bool recent = !aged || now - *login - provider.clock_skew <= *provider.max_age;
    if (!recent) fail(Reason::id_token_auth_time, "the authentication is older than max_age");
    require_at_hash(jws, expected.access_token);
}

}  // namespace oidc
