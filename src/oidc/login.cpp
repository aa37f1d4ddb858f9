#include "login.hpp"

#include "protocol.hpp"

namespace oidc {
namespace {

constexpr std::uint8_t max_restarts = 3;  // of a login by itself: then a page says why

// The query of a redirect URI (RFC 6749 4.1.2).
struct Callback {
    std::string code, state, iss, error, error_description;
};

// The value of a parameter that may be there once, and then not empty; "" when it is absent.
std::string once(const std::vector<Param>& params, std::string_view name)
{
    std::string value;
    for (const Param& param : params) {
        if (param.name != name) continue;
        if (param.value.empty() || !value.empty()) fail(Reason::callback_malformed);
        value = param.value;
    }
    return value;
}

Callback parse_callback(std::string_view query)
{
    const std::optional<std::vector<Param>> params = parse_query(query);
    if (!params) fail(Reason::callback_malformed);
    Callback callback{once(*params, "code"), once(*params, "state"), once(*params, "iss"), once(*params, "error"),
                      std::string(last_value(*params, "error_description"))};
    if (callback.state.empty()) fail(Reason::state_missing);
    if (callback.code.empty() == callback.error.empty()) fail(Reason::callback_malformed, "neither or both of code and error");
    return callback;
}

// RFC 9207: mix-up protection, on success and on error.
void require_callback_issuer(const Callback& callback, const Provider& provider, const Endpoints& endpoints)
{
    if (provider.iss_parameter == Switch::off) return;
    const bool required = provider.iss_parameter == Switch::on || endpoints.callback_iss;
    if (required && callback.iss.empty()) fail(Reason::callback_issuer, "no iss parameter");
    if (!callback.iss.empty() && callback.iss != provider.issuer) fail(Reason::callback_issuer, "iss is another issuer");
}

void require_no_provider_error(const Callback& callback)
{
    if (callback.error.empty()) return;
    const Reason reason = callback.error == "access_denied"    ? Reason::login_cancelled
                          : callback.error == "login_required" ? Reason::login_required
                                                               : Reason::provider_error;
    Failure failure(reason, "error \"" + callback.error.substr(0, 64) + "\"");
    failure.description = callback.error_description.substr(0, 256);
    throw failure;
}

bool uses_pkce(const Provider& provider, const Endpoints& endpoints)
{
    return provider.pkce == Switch::on || (provider.pkce == Switch::automatic && endpoints.pkce_s256);
}

// 3.1.2.1, in the order in which the French providers document them.
std::string authorization_url(const Provider& provider, const Endpoints& endpoints, const Request& request, const Attempt& attempt)
{
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request), challenge, max_age;
    std::vector<Arg> args;
    args.reserve(10 + request.args.size());
    args = {{"client_id", provider.client_id}, {"scope", provider.scope}, {"response_type", "code"}, {"redirect_uri", redirect_uri},
            {"state", attempt.state()},        {"nonce", attempt.nonce()}};
    if (!attempt.acr.empty()) args.push_back({"acr_values", attempt.acr});
    if (provider.max_age) args.push_back({"max_age", max_age = std::to_string(*provider.max_age)});
    for (const Param& param : request.args) args.push_back({param.name, param.value});
    if (uses_pkce(provider, endpoints)) {
        args.push_back({"code_challenge", challenge = base64url(view(sha256(attempt.verifier())))});
        args.push_back({"code_challenge_method", "S256"});
    }
    return append_args(endpoints.authorization, args);
}

// The site of an absolute redirect URI when it is another host than the one asked: cookies are bound to a host.
std::string other_site(const Provider& provider, const Request& request)
{
    const std::string& uri = provider.redirect_uri;
    if (uri.starts_with('/')) return {};
    const std::optional<Url> target = parse_url(uri), here = parse_url(request.base_url);
    const bool other = target && (!here || here->host != target->host);
    return other ? uri.substr(0, uri.find('/', uri.find("://") + 3)) : std::string();
}

Reply redirect(std::string location) { return {302, std::move(location), {}}; }

std::string state_hash(std::string_view state) { return base64url(view(sha256(state)).substr(0, 16)); }

// A callback that comes again: to its page when its login has made a session, else the login begins once more.
Task<Reply> come_again(const Provider& provider, Ports& ports, const Request& request, const Attempt& attempt, bool has_session)
{
    if (has_session) co_return redirect(request.base_url + attempt.return_path);
    Destination again{attempt.return_path, static_cast<std::uint8_t>(attempt.restarts + 1)};
    Reply reply = co_await start_login(provider, ports, request, std::move(again));
    co_return std::move(reply).with(delete_attempt(attempt, request));
}

// Core 3.1.3.7, 5.3: whose tokens they are.
Task<NewSession> identify(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Request& request,
                          const Attempt& attempt, const Tokens& tokens)
{
    VerifyPolicy policy = id_token_policy(provider);
    std::string token = tokens.id_token;
    VerifiedJws verified = co_await open_token(std::move(token), provider, ports.documents, provider.id_token_encryption, policy);
    Expected expected{std::string(attempt.nonce()), words(attempt.acr), tokens.access_token, provider.max_age};
    require_id_token(verified, provider, expected, request.now);
    NewSession session;
    session.id_claims = verified.claims();
    session.id_token = verified.compact();
    session.access_token = tokens.access_token;
    if (!provider.userinfo) co_return session;
    std::string subject = session.id_claims.string("sub").value_or("");
    session.userinfo = co_await fetch_userinfo(provider, endpoints, ports, tokens, std::move(subject), request.now);
    co_return session;
}

SessionTimes times_of(const Provider& provider, const Tokens& tokens, std::int64_t now)
{
    constexpr std::int64_t longest = 10 * 365 * 86400;  // of an access token
    const Seconds limit = provider.session_max_lifetime > 0 ? provider.session_max_lifetime : provider.session_timeout;
    const std::int64_t access = tokens.expires_in ? now + std::clamp<std::int64_t>(*tokens.expires_in, 0, longest) : 0;
    return {now, now + std::min(provider.session_timeout, limit), access};
}

Task<Reply> complete(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Request& request,
                     const Attempt& attempt, std::string code)
{
    std::string verifier(uses_pkce(provider, endpoints) ? attempt.verifier() : "");
    CodeExchange exchange{std::move(code), absolute_uri(provider.redirect_uri, request), std::move(verifier), use_key(attempt)};
    Tokens tokens = co_await exchange_code(provider, endpoints, ports, std::move(exchange));
    NewSession session = co_await identify(provider, endpoints, ports, request, attempt, tokens);
    session.times = times_of(provider, tokens, request.now);
    session.binding = provider.binding;
    session.return_path = attempt.return_path;
    session.state_hash = state_hash(attempt.state());

    Digest random;
    ports.random(random);
    std::string id = base64url(view(random)), record = serialize(session);
    SessionKey key = sha256(id);
    bool stored = co_await ports.sessions.put(key, std::move(record), session.times.expires);
    if (!stored) fail(Reason::session_store, "no room in the session zone");

    std::string name = session_cookie_name(provider, request.https);
    SessionKey old_key = sha256(find_cookie(request.cookies, name));
    co_await ports.sessions.take(old_key);
    Reply reply = redirect(request.base_url + attempt.return_path);
    reply.set_cookies = {set_cookie(name, id, session_cookie_attributes(provider, request.https)),
                         keep_rounds(provider, request, attempt.restarts + 1), delete_attempt(attempt, request)};
    co_return reply;
}

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const bool same = provider.logged_out_uri.empty() && !provider.logout_state;  // as the page that the provider leads back to
    const std::string& page = same ? provider.post_logout_uri : provider.logged_out_uri;
    if (page.empty()) return {200, {}, {}};
    return {302, absolute_uri(page, request), {}};
}

Reply to_provider(const Provider& provider, const Endpoints& endpoints, const Ports& ports, const Request& request,
                  std::string_view id_token)
{
    Reply reply;
    const Attempt attempt = new_attempt(Purpose::logout, provider, request, ports.random);
    const std::string back = absolute_uri(provider.post_logout_uri, request);
    const bool hint = provider.logout_token_hint && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});
    if (!back.empty() && provider.logout_state) {
        params.push_back({"state", attempt.state()});
        keep_attempt(reply, attempt, provider, request, ports.cookie_keys.front(), ports.random);
    }
    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

// The endpoints when they can be had: a provider that is down must not keep anyone logged in.
Task<Endpoints> endpoints_or_none(const Provider& provider, Documents& documents)
{
    try {
        co_return co_await documents.endpoints(provider);
    } catch (const Failure&) {
    }
    co_return Endpoints();
}

}  // namespace

std::string absolute_uri(const std::string& uri, const Request& request)
{
    return uri.starts_with('/') ? request.base_url + uri : uri;
}

Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, Destination destination,
                  const Secret& cookie_key, RandomBytes random)
{
    if (std::string site = other_site(provider, request); !site.empty()) return redirect(site + destination.return_path);
    Attempt attempt = new_attempt(Purpose::login, provider, request, random);
    attempt.restarts = std::max(destination.restarts, rounds(provider, request));
    if (attempt.restarts >= max_restarts) {
        fail(Reason::login_loop, "the browser keeps no session: check cookie_domain, cookie_path and https");
    }
    attempt.return_path = std::move(destination.return_path);
    attempt.acr = request.acr;
    Reply reply = redirect(authorization_url(provider, endpoints, request, attempt));
    keep_attempt(reply, attempt, provider, request, cookie_key, random);
    return reply;
}

Task<Reply> start_login(const Provider& provider, Ports& ports, const Request& request, Destination destination)
{
    Endpoints endpoints = co_await ports.documents.endpoints(provider);
    co_return begin_login(provider, endpoints, request, std::move(destination), ports.cookie_keys.front(), ports.random);
}

Task<Reply> login_link(const Provider& provider, Ports& ports, const Request& request, Existing existing)
{
    std::optional<std::vector<Param>> params = parse_query(request.query);
    if (!params) fail(Reason::return_refused, "the query is malformed");
    Destination destination;
    for (const Param& param : *params) {
        if (param.name == "return") destination.return_path = param.value;
    }
    if (!is_local_path(destination.return_path)) fail(Reason::return_refused, "the return parameter is no path of this site");
    if (existing.present) co_return redirect(request.base_url + destination.return_path);
    co_return co_await start_login(provider, ports, request, std::move(destination));
}

std::optional<Attempt> attempt_of_callback(const Request& request, const std::vector<Secret>& cookie_keys)
{
    const std::vector<Param> params = parse_query(request.query).value_or(std::vector<Param>());
    const bool once = std::ranges::count(params, std::string_view("state"), &Param::name) == 1;
    return once ? open_attempt(last_value(params, "state"), request, cookie_keys) : std::nullopt;
}

Task<Reply> finish_login(const Provider& provider, Ports& ports, const Request& request, Existing existing)
{
    Callback callback = parse_callback(request.query);                                        // RFC 6749 4.1.2
    std::optional<Attempt> attempt = open_attempt(callback.state, request, ports.cookie_keys);
    if (!attempt && existing.present && existing.state_hash == state_hash(callback.state)) {
        co_return redirect(request.base_url + existing.return_path);                          // reloaded after its success
    }
    if (!attempt || attempt->purpose != Purpose::login) fail(Reason::state_unknown);          // CSRF
    if (attempt->provider != provider.name) fail(Reason::state_unknown, "the state is another provider's");
    bool usable = end_of(*attempt, provider) > request.now;
    if (usable) {
        usable = co_await ports.sessions.use_once(use_key(*attempt), end_of(*attempt, provider));
    }
    if (!usable) {
        co_return co_await come_again(provider, ports, request, *attempt, existing.present);
    }
    Endpoints endpoints = co_await ports.documents.endpoints(provider);
    require_callback_issuer(callback, provider, endpoints);                                   // RFC 9207
    require_no_provider_error(callback);
    co_return co_await complete(provider, endpoints, ports, request, *attempt, std::move(callback.code));
}

Task<Reply> logout(const Provider& provider, Ports& ports, const Request& request)
{
    std::string name = session_cookie_name(provider, request.https);
    SessionKey key = sha256(find_cookie(request.cookies, name));
    std::optional<std::string> record = co_await ports.sessions.take(key);
    SessionView session(record ? std::string_view(*record) : std::string_view());
    std::string_view id_token = session.binding() == provider.binding ? session.internal(entry_name::id_token) : std::string_view();

    Endpoints endpoints = co_await endpoints_or_none(provider, ports.documents);
    bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    bool provider_can = !endpoints.end_session.empty() && !hint_missing;
    Reply reply = provider_can ? to_provider(provider, endpoints, ports, request, id_token) : after_logout(provider, request);
    reply.set_cookies.push_back(keep_rounds(provider, request, 0));
    co_return std::move(reply).with(delete_cookie(name, session_cookie_attributes(provider, request.https)));
}

Task<Reply> logged_out(const Provider& provider, Ports& ports, const Request& request)
{
    std::optional<Attempt> attempt = attempt_of_callback(request, ports.cookie_keys);
    if (!attempt || attempt->purpose != Purpose::logout) fail(Reason::logout_state, "this browser holds no logout of that state");
    if (attempt->provider != provider.name) fail(Reason::logout_state, "the state is another provider's");
    if (end_of(*attempt, provider) <= request.now) fail(Reason::logout_state, "the state has expired");
    bool first_use = co_await ports.sessions.use_once(use_key(*attempt), end_of(*attempt, provider));
    if (!first_use) fail(Reason::logout_state, "the state was used before");
    co_return after_logout(provider, request).with(delete_attempt(*attempt, request));
}

}  // namespace oidc
