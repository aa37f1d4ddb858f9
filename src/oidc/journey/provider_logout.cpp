#include "oidc/journey/provider_logout.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oidc/base/cookie.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/logout_token.hpp"
#include "oidc/protocol/signed_token.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"
#include "oidc/provider/session_cookie.hpp"

namespace oidc {
namespace {

bool has_single_value(const std::vector<Param>& params, std::string_view name)
{
    return std::ranges::count(params, name, &Param::name) == 1 && !last_value(params, name).empty();
}

}  // namespace

Task<Reply> backchannel_logout(Context context)
{
    const std::vector<Param> form = parse_query(context.request.form).value_or(std::vector<Param>());
    std::string token(last_value(form, "logout_token"));
    if (!has_single_value(form, "logout_token"))
        fail(Reason::logout_token_missing, "no form with one logout_token, of at most 64 kB");

    std::shared_ptr<const Endpoints> endpoints = co_await context.ports.documents.endpoints(context.provider);
    VerifyPolicy policy = id_token_policy(context.provider, *endpoints);
    policy.reasons = logout_token_reasons;

    VerifiedJws jws = co_await verify_token(context, std::move(token), context.provider.id_token_encryption, policy);
    require_logout_token(jws, context.provider, context.request.now);

    const Json& claims = jws.claims();
    Digest id = sha256({"logout token\n", context.provider.name, "\n", claims.text("jti")});
    bool first = co_await context.ports.sessions.use_once(id, context.request.now + logout_token_rules.max_age +
                                                                  2 * context.provider.clock_skew + 1);
    if (!first) fail(Reason::logout_token_replayed, "its jti came before");

    SessionQuery query{context.provider.binding, claims.text("sid"), claims.text("sub")};
    co_await context.ports.sessions.end_all(std::move(query));
    co_return Reply{200};
}

// In a frame most browsers withhold the cookie. Anyone can ask for a sid then: nothing is kept of it.
Task<Reply> frontchannel_logout(Context context, SessionView existing)
{
    const Provider& provider = context.provider;
    const std::vector<Param> params = parse_query(context.request.query).value_or(std::vector<Param>());
    const std::string iss(last_value(params, "iss")), sid(last_value(params, "sid"));

    const bool none = !contains(params, "iss", &Param::name) && !contains(params, "sid", &Param::name);
    const bool right =
        none || (has_single_value(params, "iss") && has_single_value(params, "sid") && iss == provider.issuer);
    if (!right) fail(Reason::logout_refused, "iss and sid: both or none, each once, iss our provider's");

    Reply reply{200};
    const std::string_view own = existing.find("sid", EntrySource::id_token).value_or(Entry()).value;
    if (existing && (sid.empty() || own.empty() || own == sid)) {
        std::string name = session_cookie_name(provider, context.request.https);
        SessionKey key = sha256(find_cookie(context.request.cookies, name));
        co_await context.ports.sessions.take(key);
        reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, context.request.https)));
    } else if (!none) {
        SessionQuery query{provider.binding, sid, {}, true};
        co_await context.ports.sessions.end_all(std::move(query));
    }
    co_return reply;
}

}  // namespace oidc
