#include "oidc/protocol/logout_token.hpp"

#include <algorithm>
#include <string_view>

#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"

namespace oidc {

void require_logout_token(const VerifiedJws& jws, const Provider& provider, std::int64_t now)
{
    const Json& claims = jws.claims();
    const std::string_view types[] = {"", "JWT", "logout+jwt", "application/logout+jwt"};
    const bool typed =
        std::ranges::any_of(types, [&](std::string_view type) { return equal_no_case(jws.typ(), type); });
    if (!typed) fail(Reason::logout_token_type, concat({"typ \"", jws.typ(), "\""}));
    if (claims.has("nonce"))
        fail(Reason::logout_token_type, "it has a nonce, as an ID token");  // Back-Channel Logout 2.6 (7)
    require_claims(claims, provider, now, logout_token_rules);              // (4)
    const bool named = claims.has("sid") ? !claims.text("sid").empty() : claims.has("sub");  // (5)
    if (!named) fail(Reason::logout_token_subject, "it names neither a person nor a session");
    const bool told = claims.at("events").at("http://schemas.openid.net/event/backchannel-logout").is_object();  // (6)
    if (!told) fail(Reason::logout_token_event, "it tells of no logout");
    if (claims.text("jti").empty()) fail(Reason::logout_token_replayed, "jti is missing or no text");  // (8)
}

}  // namespace oidc
