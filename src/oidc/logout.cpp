// Logout, begun here (OpenID Connect RP-Initiated Logout 1.0) or at the provider (Back-Channel Logout 1.0, Front-Channel Logout 1.0);
// and what becomes of the tokens of a session that ended here (RFC 7009).
#include "attempt.hpp"
#include "login.hpp"

namespace oidc {
namespace {

constexpr JoseReasons logout_token_reasons{Reason::logout_token_malformed, Reason::logout_token_encryption,
                                           Reason::logout_token_encryption, Reason::logout_token_algorithm,
                                           Reason::logout_token_signature, Reason::logout_token_signature};
constexpr ClaimRules logout_token_rules{600, true, Reason::logout_token_issuer, Reason::logout_token_subject,
                                        Reason::logout_token_audience, Reason::logout_token_audience,
                                        Reason::logout_token_expired, Reason::logout_token_iat};

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const bool same = provider.logged_out_uri.empty() && !provider.logout_state;  // as the page that the provider leads back to
    const std::string& page = same ? provider.post_logout_uri : provider.logged_out_uri;
    return page.empty() ? Reply{200} : Reply{302, absolute_uri(page, request)};
}

bool provider_can(const Provider& provider, const Endpoints& endpoints, std::string_view id_token)
{
    const bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    return !endpoints.end_session.empty() && !hint_missing;
}

Reply to_provider(Journey on, const Endpoints& endpoints, std::string_view id_token, Purpose purpose)
{
    Reply reply;
    const Attempt attempt = new_attempt(purpose, on.provider, on.request, 1, on.ports.random);
    const std::string back = absolute_uri(on.provider.post_logout_uri, on.request);
    const bool hint = (on.provider.logout_token_hint || purpose == Purpose::intruder) && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", on.provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});
    if (!back.empty() && on.provider.logout_state) {
        params.push_back({"state", attempt.state()});
        keep_attempt(reply, attempt, on.provider, on.request, on.ports.cookie_keys.front(), on.ports.random);
    }
    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

bool is_once(const std::vector<Param>& params, std::string_view name)
{
    return std::ranges::count(params, name, &Param::name) == 1 && !last_value(params, name).empty();
}

void require_logout_token(const VerifiedJws& jws, const Provider& provider, std::int64_t now)
{
    const Json& claims = jws.claims();
    const std::string_view types[] = {"", "JWT", "logout+jwt", "application/logout+jwt"};
    const bool typed = std::ranges::any_of(types, [&](std::string_view type) { return equal_no_case(jws.typ(), type); });
    if (!typed) fail(Reason::logout_token_type, concat({"typ \"", jws.typ(), "\""}));
    if (claims.has("nonce")) fail(Reason::logout_token_type, "it has a nonce, as an ID token");    // Back-Channel Logout 2.6 (7)
    require_claims(claims, provider, now, logout_token_rules);                                                         // (4)
    const bool named = claims.has("sid") ? !claims.text("sid").empty() : claims.has("sub");                            // (5)
    if (!named) fail(Reason::logout_token_subject, "it names neither a person nor a session");
    const bool told = claims.at("events").at("http://schemas.openid.net/event/backchannel-logout").is_object();        // (6)
    if (!told) fail(Reason::logout_token_event, "it tells of no logout");
    if (claims.text("jti").empty()) fail(Reason::logout_token_replayed, "jti is missing or no text");                  // (8)
}

}  // namespace

Task<Reply> logout(Journey on)
{
    const Provider& provider = on.provider;
    std::string name = session_cookie_name(provider, on.request.https);
    SessionKey key = sha256(find_cookie(on.request.cookies, name));
    std::optional<std::string> record = co_await on.ports.sessions.take(key);
    SessionView session(record ? std::string_view(*record) : std::string_view());
    std::string_view id_token = session.binding() == provider.binding ? session.internal(entry_name::id_token) : std::string_view();
    std::shared_ptr<const Endpoints> endpoints;
    try {
        endpoints = co_await on.ports.documents.endpoints(provider);
    } catch (const Failure&) {  // a provider that is down must not keep anyone logged in
    }
    const bool leaves = endpoints && provider_can(provider, *endpoints, id_token);
    Reply reply = leaves ? to_provider(on, *endpoints, id_token, Purpose::logout) : after_logout(provider, on.request);
    if (session && session.binding() == provider.binding && provider.revoke_on_logout) reply.ended = *record;
    reply.set_cookies.push_back(keep_rounds(provider, on.request, 0));
    reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, on.request.https)));
    co_return reply;
}

Reply turn_away(Journey on, const Endpoints& endpoints, std::string_view id_token, Failure why)
{
    Reply reply{302, absolute_uri(on.provider.tamper_uri, on.request)};
    const bool returns = !on.provider.post_logout_uri.empty();  // else the provider would keep the browser
    if (returns && provider_can(on.provider, endpoints, id_token)) reply = to_provider(on, endpoints, id_token, Purpose::intruder);
    reply.why = std::move(why);
    return reply;
}

Task<bool> revoke(Journey on, std::string record)
{
    const SessionView session(record);
    const std::int64_t expires = session.times().access_expires;
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    if (endpoints->revocation.empty()) co_return false;
    std::string refresh_token(session.internal(entry_name::refresh_token));
    std::string access_token(session.internal(entry_name::access_token));
    if (!refresh_token.empty()) {
        co_await revoke_token(on, *endpoints, std::move(refresh_token), "refresh_token");
    }
    if (!access_token.empty() && (expires == 0 || expires > on.request.now)) {
        co_await revoke_token(on, *endpoints, std::move(access_token), "access_token");
    }
    co_return true;
}

Task<Reply> logged_out(Journey on)
{
    std::optional<Attempt> attempt = attempt_of_query(on.request, on.ports.cookie_keys);
    std::optional<Failure> spent = co_await use(on, of_logout, attempt);
    if (spent) fail(Reason::logout_state, spent->detail);
    const bool intruder = attempt->purpose == Purpose::intruder;
    Reply reply = intruder ? Reply{302, absolute_uri(on.provider.tamper_uri, on.request)} : after_logout(on.provider, on.request);
    reply.set_cookies.push_back(delete_attempt(*attempt, on.provider, on.request));
    co_return reply;
}

Task<Reply> backchannel_logout(Journey on)
{
    const std::vector<Param> form = parse_query(on.request.form).value_or(std::vector<Param>());
    std::string token(last_value(form, "logout_token"));
    if (!is_once(form, "logout_token")) fail(Reason::logout_token_missing, "no form with one logout_token, of at most 64 kB");
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    VerifyPolicy policy = id_token_policy(on.provider, *endpoints);
    policy.reasons = logout_token_reasons;
    VerifiedJws jws = co_await open_token(on, std::move(token), on.provider.id_token_encryption, policy);
    require_logout_token(jws, on.provider, on.request.now);
    const Json& claims = jws.claims();
    Digest id = sha256({"logout token\n", on.provider.name, "\n", claims.text("jti")});
    bool first = co_await on.ports.sessions.use_once(id, on.request.now + logout_token_rules.max_age + 2 * on.provider.clock_skew + 1);
    if (!first) fail(Reason::logout_token_replayed, "its jti came before");
    SessionQuery query{on.provider.binding, claims.text("sid"), claims.text("sub")};
    co_await on.ports.sessions.end_all(std::move(query));
    co_return Reply{200};
}

// In a frame most browsers withhold the cookie. Anyone can ask for a sid then: nothing is kept of it.
Task<Reply> frontchannel_logout(Journey on, SessionView existing)
{
    const Provider& provider = on.provider;
    const std::vector<Param> params = parse_query(on.request.query).value_or(std::vector<Param>());
    const std::string iss(last_value(params, "iss")), sid(last_value(params, "sid"));
    const bool none = !contains(params, "iss", &Param::name) && !contains(params, "sid", &Param::name);
    const bool right = none || (is_once(params, "iss") && is_once(params, "sid") && iss == provider.issuer);
    if (!right) fail(Reason::logout_refused, "iss and sid: both or none, each once, iss our provider's");
    Reply reply{200};
    const std::string_view own = existing.find("sid", Source::id_token).value_or(Entry()).value;
    if (existing && (sid.empty() || own.empty() || own == sid)) {
        std::string name = session_cookie_name(provider, on.request.https);
        SessionKey key = sha256(find_cookie(on.request.cookies, name));
        co_await on.ports.sessions.take(key);
        reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, on.request.https)));
    } else if (!none) {
        SessionQuery query{provider.binding, sid, {}, true};
        co_await on.ports.sessions.end_all(std::move(query));
    }
    co_return reply;
}

}  // namespace oidc
