#include "login.hpp"

#include "attempt.hpp"

namespace oidc {
namespace {

constexpr unsigned max_restarts = 3;  // of a login by itself: then a page says why. Twice as many while a session goes on

bool uses_pkce(const Provider& provider, const Endpoints& endpoints)
{
    return provider.pkce == Switch::on || (provider.pkce == Switch::automatic && endpoints.pkce_s256);
}

bool uses_par(const Provider& provider, const Endpoints& endpoints)
{
    return provider.par == Switch::on || (provider.par == Switch::automatic && endpoints.par_required);
}

// The provider's scopes, and those of the location beside them.
std::string all_scopes(const Provider& provider, const std::string& more)
{
    std::vector<std::string> scopes = words(provider.scope);
    for (std::string& each : words(more))
        if (!contains(scopes, each)) scopes.push_back(std::move(each));
    return join(scopes, " ");
}

// Core 5.5.1.1: the levels as an essential claim, beside what was configured.
std::string essential_claims(const Request& request, const std::string& acr)
{
    Json claims = Json::parse(last_value(request.args, "claims"));
    if (!claims.is_object()) claims = Json::object();
    Json id_token = claims.at("id_token").is_object() ? claims.at("id_token") : Json::object();
    std::string levels;
    for (const std::string& level : words(acr)) levels += (levels.empty() ? "" : ",") + json_quoted(level);
    id_token.set("acr", Json::parse(concat({"{\"essential\":true,\"values\":[", levels, "]}"})));
    claims.set("id_token", id_token);
    return claims.dump();
}

// 3.1.2.1, in the order in which the French providers document them.
std::string authorization_url(const Provider& provider, const Endpoints& endpoints, const Request& request, const Attempt& attempt)
{
    const bool essential = request.step_up && provider.profile != nullptr && provider.profile->essential_acr;
    const std::string scopes = attempt.scope.empty() ? "" : all_scopes(provider, attempt.scope);
    std::string challenge, max_age, claims;
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request);
    std::vector<Arg> args;
    args.reserve(11 + request.args.size());
    args = {{"client_id", provider.client_id}, {"scope", scopes.empty() ? provider.scope : scopes}, {"response_type", "code"}, {"redirect_uri", redirect_uri},
            {"state", attempt.state()},        {"nonce", attempt.nonce()}};
    if (provider.form_post) args.push_back({"response_mode", "form_post"});
    if (!attempt.acr.empty() && !essential) args.push_back({"acr_values", attempt.acr});
    if (provider.max_age) args.push_back({"max_age", max_age = std::to_string(*provider.max_age)});
    for (const Param& param : request.args)
        if (!essential || param.name != "claims") args.push_back({param.name, param.value});
    if (essential) args.push_back({"claims", claims = essential_claims(request, attempt.acr)});
    if (!attempt.verifier().empty()) {
        args.push_back({"code_challenge", challenge = base64url(view(sha256(attempt.verifier())))});
        args.push_back({"code_challenge_method", "S256"});
    }
    return append_args(endpoints.authorization, args);
}

// The site of an absolute redirect URI when it is another host than the one asked: cookies are bound to a host.
std::string other_site(const Provider& provider, const Request& request)
{
    const std::string& uri = provider.redirect_uri;
    const bool same = uri.starts_with(request.base_url) && uri[request.base_url.size()] == '/';
    if (same || uri.starts_with('/')) return {};
    const std::optional<Url> target = parse_url(uri), here = parse_url(request.base_url);
    const bool other = target && (!here || here->host != target->host);
    return other ? uri.substr(0, uri.find('/', uri.find("://") + 3)) : std::string();
}

std::string state_hash(std::string_view state) { return base64url(view(sha256(state)).substr(0, 16)); }

// Core 3.1.3.7, 5.3: whose tokens they are. `genuine`: the ID token, once the provider has proved to be its author.
Task<NewSession> identify(Journey on, const Endpoints& endpoints, const Attempt& attempt, const Tokens& tokens, std::string& genuine)
{
    VerifyPolicy policy = id_token_policy(on.provider, endpoints);
    std::string token = tokens.id_token;
    VerifiedJws verified = co_await open_token(on, std::move(token), on.provider.id_token_encryption, policy);
    genuine = verified.compact();
    Expected expected{std::string(attempt.nonce()), words(attempt.acr), tokens.access_token};
    require_id_token(verified, on.provider, expected, on.request.now);
    NewSession session;
    session.id_claims = verified.claims();
    session.id_token = genuine;
    session.access_token = tokens.access_token;
    session.refresh_token = tokens.refresh_token;
    session.scope = tokens.scope.empty() ? all_scopes(on.provider, attempt.scope) : tokens.scope;
    if (!on.provider.userinfo) co_return session;
    std::string subject = session.id_claims.text("sub");
    session.userinfo = co_await fetch_userinfo(on, endpoints, tokens, std::move(subject));
    co_return session;
}

// The session goes on, for the same person and until its old end. The scopes for which it was interrupted are those it got.
void go_on(NewSession& session, const Attempt& attempt, SessionView old)
{
    const bool same = session.id_claims.text("sub") == old.find("sub", Source::id_token).value_or(Entry()).value;
    if (!same) fail(Reason::subject_changed, "another person answered; the session stays as it was");
    for (const std::string& scope : words(attempt.scope))
        if (!contains(words(session.scope), scope)) fail(Reason::scope_refused, scope);
    session.times.created = old.times().created;
    session.times.expires = old.times().expires;
}

bool is_intruder(const Failure& failure)
{
    return failure.reason == Reason::id_token_nonce || failure.reason == Reason::userinfo_subject;
}

Task<Reply> complete(Journey on, const Endpoints& endpoints, const Attempt& attempt, std::string code, SessionView existing)
{
    const Provider& provider = on.provider;
    const Request& request = on.request;
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request);
    CodeExchange exchange{std::move(code), std::move(redirect_uri), std::string(attempt.verifier()), use_key(attempt)};
    Tokens tokens = co_await exchange_code(on, endpoints, std::move(exchange));
    NewSession session;
    std::string genuine;
    std::optional<Failure> intruder;
    try {
        session = co_await identify(on, endpoints, attempt, tokens, genuine);
    } catch (const Failure& failure) {
        if (!is_intruder(failure) || !provider.tamper_logout || attempt.purpose == Purpose::more) throw;
        intruder = failure;
    }
    if (intruder) {
        Reply reply = turn_away(on, endpoints, genuine, *intruder);
        reply.set_cookies.push_back(delete_attempt(attempt, provider, request));
        reply.set_cookies.push_back(keep_rounds(provider, request, attempt.restarts + 1));
        co_return reply;
    }
    session.times = times_of(provider, tokens, request.now, request.now);
    session.binding = provider.binding;
    session.return_path = attempt.return_path;
    session.state_hash = state_hash(attempt.state());
    if (existing && attempt.purpose == Purpose::more) go_on(session, attempt, existing);
    Digest random;
    on.ports.random(random);
    std::string id = base64url(view(random)), record = serialize(session);
    SessionKey key = sha256(id);
    bool stored = co_await on.ports.sessions.put(key, std::move(record), session.times.expires);
    if (!stored) fail(Reason::session_store, "no room in the session zone");
    std::string name = session_cookie_name(provider, request.https);
    SessionKey old_key = sha256(find_cookie(request.cookies, name));
    std::optional<std::string> old = co_await on.ports.sessions.take(old_key);
    if (attempt.purpose == Purpose::more && existing && !old) {
        co_await on.ports.sessions.take(key);
        Failure ended(Reason::login_required, "the session ended meanwhile, or was renewed in another tab");
        std::string count = keep_rounds(provider, request, attempt.restarts + 1);
        co_return Reply{302, request.base_url + attempt.return_path, {std::move(count)}, std::move(ended)};
    }
    Reply reply{302, request.base_url + attempt.return_path};
    reply.set_cookies = {set_cookie(name, id, session_cookie_attributes(provider, request.https)),
                         keep_rounds(provider, request, attempt.restarts + 1), delete_attempt(attempt, provider, request)};
    co_return reply;
}

// An absolute URL of this very site is its path.
std::string path_here(std::string_view target, std::string_view base_url)
{
    const bool absolute = target.starts_with(base_url) && target.substr(base_url.size()).starts_with('/');
    return std::string(target.substr(absolute ? base_url.size() : 0));
}

Reply begin_login(Journey on, const Endpoints& endpoints, Destination destination)
{
    const Provider& provider = on.provider;
    const Request& request = on.request;
    if (std::string site = other_site(provider, request); !site.empty()) return {302, site + destination.return_path};
    const Purpose purpose = destination.more ? Purpose::more : Purpose::login;
    Attempt attempt = new_attempt(purpose, provider, request, uses_pkce(provider, endpoints) ? 3 : 2, on.ports.random);
    attempt.restarts = std::max(destination.restarts, rounds(provider, request));
    if (attempt.restarts >= (destination.more ? 2 * max_restarts : max_restarts))
        fail(Reason::login_loop, "the browser keeps no session: check cookie_domain, cookie_path and https");
    attempt.return_path = std::move(destination.return_path);
    attempt.acr = request.acr;
    attempt.scope = request.scope;
    Reply reply{302, authorization_url(provider, endpoints, request, attempt)};
    keep_attempt(reply, attempt, provider, request, on.ports.cookie_keys.front(), on.ports.random);
    return reply;
}

}  // namespace

std::optional<Origin> origin_of_callback(const Request& request, const std::vector<Secret>& cookie_keys)
{
    const std::optional<Attempt> attempt = attempt_of_query(request, cookie_keys);
    return attempt ? std::optional<Origin>({attempt->provider, attempt->return_path}) : std::nullopt;
}

std::optional<Reply> login_at_once(Journey on, Destination destination)
{
    const Endpoints* endpoints = on.ports.documents.at_hand(on.provider);
    if (endpoints == nullptr || uses_par(on.provider, *endpoints)) return std::nullopt;
    return begin_login(on, *endpoints, std::move(destination));
}

Task<Reply> start_login(Journey on, Destination destination)
{
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    Reply reply = begin_login(on, *endpoints, std::move(destination));
    const bool to_provider = !reply.set_cookies.empty();
    if (!to_provider || !uses_par(on.provider, *endpoints)) co_return reply;
    std::string query = '?' + reply.location.substr(endpoints->authorization.size() + 1);
    std::string uri = co_await push_request(on, *endpoints, std::move(query));
    reply.location = append_args(endpoints->authorization, {{"client_id", on.provider.client_id}, {"request_uri", uri}});
    co_return reply;
}

Task<Reply> login_link(Journey on, SessionView existing)
{
    std::optional<std::vector<Param>> params = parse_query(on.request.query);
    if (!params) fail(Reason::return_refused, "the query is malformed");
    Destination destination;
    for (const Param& param : *params)
        if (param.name == "return") destination.return_path = param.value;
    if (!is_local_path(destination.return_path)) fail(Reason::return_refused, "the return parameter is no path of this site");
    if (existing) co_return Reply{302, on.request.base_url + destination.return_path};
    co_return co_await start_login(on, std::move(destination));
}

Task<Reply> initiated_login(Journey on)
{
    std::optional<std::vector<Param>> params = parse_query(on.request.query);
    if (!params) fail(Reason::argument_refused, "the query is malformed");
    if (once(*params, "iss") != on.provider.issuer) fail(Reason::argument_refused, "iss is no issuer that logs in here");
    std::string target(last_value(*params, "target_link_uri")), hint(last_value(*params, "login_hint"));
    Destination destination;
    if (!target.empty()) destination.return_path = path_here(target, on.request.base_url);
    if (!is_local_path(destination.return_path)) fail(Reason::return_refused, "target_link_uri is no page of this site");
    Request asked = on.request;
    if (!hint.empty() && why_refused(*on.provider.profile, "login_hint", &hint).empty()) {
        std::erase_if(asked.args, [](const Param& arg) { return arg.name == "login_hint"; });
        asked.args.push_back({"login_hint", std::move(hint)});
    }
    Journey hinted{on.provider, on.ports, asked};
    co_return co_await start_login(hinted, std::move(destination));
}

// A callback that comes late, or again, leads to its page when there is a session, else its login begins once more.
Task<Reply> finish_login(Journey on, SessionView existing)
{
    Callback callback = parse_callback(on.request.query);                                     // RFC 6749 4.1.2
    std::optional<Attempt> attempt = open_attempt(callback.state, on.request, on.ports.cookie_keys);
    if (!attempt && existing && existing.internal(entry_name::state_hash) == state_hash(callback.state))
        co_return Reply{302, concat({on.request.base_url, existing.internal(entry_name::return_path)})};
    std::optional<Failure> spent = co_await use(on, of_login, attempt);
    const bool ours = !spent || spent->reason != Reason::state_unknown;
    if (spent && ours && existing) co_return Reply{302, on.request.base_url + attempt->return_path};
    if (spent && on.provider.tamper_logout) {
        std::string count = keep_rounds(on.provider, on.request, rounds(on.provider, on.request) + 1);
        co_return Reply{302, absolute_uri(on.provider.tamper_uri, on.request), {std::move(count)}, std::move(spent)};
    }
    if (!ours) throw *spent;                                                                  // CSRF
    if (spent) {
        Destination again{attempt->return_path, attempt->restarts + 1};
        Reply reply = co_await start_login(on, std::move(again));
        reply.why = std::move(spent);
        reply.set_cookies.push_back(delete_attempt(*attempt, on.provider, on.request));
        co_return reply;
    }
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    require_code(callback, on.provider, *endpoints);                                          // RFC 9207
    co_return co_await complete(on, *endpoints, *attempt, std::move(callback.code), existing);
}

}  // namespace oidc
