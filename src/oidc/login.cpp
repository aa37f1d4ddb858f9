#include "login.hpp"

#include <algorithm>

#include "failure.hpp"
#include "keys.hpp"
#include "session.hpp"
#include "token.hpp"
#include "userinfo.hpp"

namespace oidc {
namespace {

constexpr std::uint8_t max_restarts = 3;  // of a login by itself: then a page says why

// The query of a redirect URI (RFC 6749 4.1.2). Every parameter at most once.
struct Callback {
    std::string code, state, iss, error, error_description;
    bool has_iss = false;
};

void take(std::string& into, const Param& param, bool& malformed)
{
    malformed = malformed || !into.empty() || param.value.empty();
    into = param.value;
}

Callback parse_callback(std::string_view query)
{
    Callback callback;
    std::optional<std::vector<Param>> params = parse_query(query);
    bool malformed = !params;
    for (const Param& param : params.value_or(std::vector<Param>{})) {
        if (param.name == "code") take(callback.code, param, malformed);
        if (param.name == "state") take(callback.state, param, malformed);
        if (param.name == "iss") take(callback.iss, param, malformed);
        if (param.name == "error") take(callback.error, param, malformed);
        if (param.name == "error_description") callback.error_description = param.value;
    }
    if (malformed) fail(Reason::callback_malformed);
    if (callback.state.empty()) fail(Reason::state_missing);
    if (callback.code.empty() == callback.error.empty()) fail(Reason::callback_malformed, "neither or both of code and error");
    callback.has_iss = !callback.iss.empty();
    return callback;
}

// RFC 9207: mix-up protection, on success and on error.
void require_callback_issuer(const Callback& callback, const Provider& provider, const Endpoints& endpoints)
{
    if (provider.iss_parameter == Switch::off) return;
    bool required = provider.iss_parameter == Switch::on || endpoints.callback_iss;
    if (required && !callback.has_iss) fail(Reason::callback_issuer, "no iss parameter");
    if (callback.has_iss && callback.iss != provider.issuer) fail(Reason::callback_issuer, "iss is another issuer");
}

void require_no_provider_error(const Callback& callback)
{
    if (callback.error.empty()) return;
    Reason reason = callback.error == "access_denied"    ? Reason::login_cancelled
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

std::string code_challenge(std::string_view verifier) { return base64url(view(sha256(verifier))); }

std::string joined(const std::vector<std::string>& words)
{
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

// 3.1.2.1, in the order in which the French providers document them.
std::string authorization_url(const Provider& provider, const Endpoints& endpoints, const Request& request, const Derived& derived)
{
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request), acr = joined(request.acr), challenge, max_age;
    std::vector<Arg> args;
    args.reserve(10 + request.args.size());
    args = {{"client_id", provider.client_id}, {"scope", provider.scope}, {"response_type", "code"}, {"redirect_uri", redirect_uri},
            {"state", derived.state},          {"nonce", derived.nonce}};
    if (!acr.empty()) args.push_back({"acr_values", acr});
    if (provider.max_age) args.push_back({"max_age", max_age = std::to_string(*provider.max_age)});
    for (const Param& param : request.args) args.push_back({param.name, param.value});
    if (uses_pkce(provider, endpoints)) {
        args.push_back({"code_challenge", challenge = code_challenge(derived.verifier)});
        args.push_back({"code_challenge_method", "S256"});
    }
    return append_args(endpoints.authorization, args);
}

std::string host_of(const std::string& base_url)
{
    std::optional<Url> url = parse_url(base_url);
    return url ? url->host : std::string();
}

// The site of an absolute redirect URI when it is another host than the one asked: cookies are bound to a host.
std::string other_host(const Provider& provider, const Request& request)
{
    if (provider.redirect_uri.starts_with('/')) return {};
    std::string host = host_of(provider.redirect_uri);
    if (host.empty() || host == host_of(request.base_url)) return {};
    return provider.redirect_uri.substr(0, provider.redirect_uri.find('/', provider.redirect_uri.find("://") + 3));
}

Reply redirect(std::string location)
{
    Reply reply;
    reply.location = std::move(location);
    return reply;
}

std::string state_hash(std::string_view state) { return base64url(view(sha256(state)).substr(0, 16)); }

// A callback that comes again: to its page when its login has made a session, else the login begins once more.
Task<Reply> come_again(const Provider& provider, Ports& ports, const Request& request, const Attempt& attempt, Existing existing)
{
    if (existing.present) co_return redirect(request.base_url + attempt.return_path);
    Destination again{attempt.return_path, static_cast<std::uint8_t>(attempt.restarts + 1)};
    Reply reply = co_await start_login(provider, ports, request, std::move(again));
    co_return std::move(reply).with(delete_attempt(derive(attempt).state, request));
}

Expected expected_of(const Attempt& attempt, const Provider& provider, const Tokens& tokens)
{
    return {derive(attempt).nonce, attempt.acr, tokens.access_token, provider.max_age};
}

struct Identity {
    Json id_claims, userinfo;
    std::string id_token;
};

Jws unwrap_id_token(const Provider& provider, std::string id_token)
{
    DecryptPolicy policy{provider.id_token_encryption.algs, id_token_reasons};
    return unwrap(std::move(id_token), provider.id_token_encryption.required, provider.own_keys, policy);
}

std::string make_session(const Provider& provider, const Identity& identity, const Tokens& tokens, const Attempt& attempt,
                         std::int64_t now)
{
    NewSession session;
    session.times.created = now;
    session.times.expires = now + provider.session_timeout;
    if (provider.session_max_lifetime > 0) {
        session.times.expires = std::min(session.times.expires, now + provider.session_max_lifetime);
    }
    if (tokens.expires_in) session.times.access_expires = now + std::clamp<std::int64_t>(*tokens.expires_in, 0, 10 * 365 * 86400L);
    session.binding = provider.binding;
    session.id_claims = identity.id_claims;
    session.userinfo = identity.userinfo;
    session.id_token = identity.id_token;
    session.access_token = tokens.access_token;
    session.return_path = attempt.return_path;
    session.state_hash = state_hash(derive(attempt).state);
    return serialize(session);
}

std::string new_session_id(RandomBytes random)
{
    std::array<unsigned char, 32> bytes;
    random(bytes);
    return base64url({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// The tokens of a code. A code that is refused for good leaves no trace of its state: it cannot be used again anyway.
Task<Tokens> exchange(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Request& request, const Attempt& attempt,
                      std::string code)
{
    std::string verifier = uses_pkce(provider, endpoints) ? derive(attempt).verifier : std::string();
    CodeExchange wanted(std::move(code), absolute_uri(provider.redirect_uri, request), std::move(verifier));
    std::exception_ptr refused;
    try {
        co_return co_await exchange_code(provider, endpoints, ports.http, std::move(wanted));
    } catch (const Failure& failure) {
        if (failure.reason != Reason::token_refused) throw;
        refused = std::current_exception();
    }
    co_await ports.sessions.forget(use_key(attempt));
    std::rethrow_exception(refused);
}

Task<Identity> identify(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Request& request,
                        const Attempt& attempt, const Tokens& tokens)
{
    Jws id_token = unwrap_id_token(provider, tokens.id_token);
    Expected expected = expected_of(attempt, provider, tokens);
    VerifiedJws verified = co_await validate_id_token(id_token, provider, ports.documents, expected, request.now);
    Identity identity;
    identity.id_claims = verified.claims();
    identity.id_token = verified.compact();
    if (!provider.userinfo) co_return identity;
    UserinfoFor whom(tokens.access_token, identity.id_claims.string("sub").value_or(""));
    identity.userinfo = co_await fetch_userinfo(provider, endpoints, ports, std::move(whom), request.now);
    co_return identity;
}

Task<Reply> complete(const Provider& provider, Ports& ports, const Request& request, const Attempt& attempt, std::string code)
{
    Endpoints endpoints = co_await ports.documents.endpoints(provider);
    Tokens tokens = co_await exchange(provider, endpoints, ports, request, attempt, std::move(code));
    Identity identity = co_await identify(provider, endpoints, ports, request, attempt, tokens);

    std::string record = make_session(provider, identity, tokens, attempt, request.now);
    std::int64_t expires = SessionView(record).times().expires;
    std::string id = new_session_id(ports.random);
    SessionKey key = sha256(id);
    bool stored = co_await ports.sessions.put(key, std::move(record), expires);
    if (!stored) fail(Reason::session_store, "no room in the session zone");

    std::string name = session_cookie_name(provider, request.https);
    std::string_view old = find_cookie(request.cookies, name);
    SessionKey old_key = sha256(old);
    co_await ports.sessions.take(old_key);
    Reply reply = redirect(request.base_url + attempt.return_path);
    reply.set_cookies.push_back(set_cookie(name, id, session_cookie_attributes(provider, request.https)));
    reply.set_cookies.push_back(count_round(provider, request, attempt.restarts));
    co_return std::move(reply).with(delete_attempt(derive(attempt).state, request));
}

}  // namespace

std::string absolute_uri(const std::string& uri, const Request& request)
{
    return uri.starts_with('/') ? request.base_url + uri : uri;
}

std::string return_path(std::string_view target)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string path;
    path.reserve(target.size());
    for (char c : target) {
        auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f) {
            path += c;
        } else {
            path += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return is_local_path(path) ? path : "/";
}

Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, const Destination& destination,
                  const Secret& cookie_key, RandomBytes random)
{
    if (std::string site = other_host(provider, request); !site.empty()) return redirect(site + destination.return_path);

    Attempt attempt;
    attempt.restarts = std::max(destination.restarts, rounds(provider, request));
    if (attempt.restarts >= max_restarts) fail(Reason::login_loop, "the browser keeps no session: check cookie_domain, cookie_path and https");
    attempt.created = request.now;
    random(attempt.seed);
    attempt.provider = provider.name;
    attempt.return_path = destination.return_path;
    attempt.acr = request.acr;
    Derived derived = derive(attempt);

    Reply reply = redirect(authorization_url(provider, endpoints, request, derived));
    std::string sealed = seal_attempt(attempt, derived, request, cookie_key, random, provider.state_timeout);
    reply.set_cookies = drop_oldest(request, provider.state_limit, sealed);
    return std::move(reply).with(std::move(sealed));
}

Task<Reply> start_login(const Provider& provider, Ports& ports, const Request& request, Destination destination)
{
    Endpoints endpoints = co_await ports.documents.endpoints(provider);
    co_return begin_login(provider, endpoints, request, destination, ports.cookie_keys.front(), ports.random);
}

Task<Reply> login_link(const Provider& provider, Ports& ports, const Request& request, Existing existing)
{
    Destination destination;
    std::optional<std::vector<Param>> params = parse_query(request.query);
    if (!params) fail(Reason::return_refused, "the query is malformed");
    for (const Param& param : *params) {
        if (param.name == "return") destination.return_path = param.value;
    }
    if (!is_local_path(destination.return_path)) fail(Reason::return_refused, "the return parameter is no path of this site");
    if (existing.present) co_return redirect(request.base_url + destination.return_path);
    co_return co_await start_login(provider, ports, request, std::move(destination));
}

std::optional<Attempt> attempt_of_callback(const Request& request, const std::vector<Secret>& cookie_keys)
{
    std::optional<std::vector<Param>> params = parse_query(request.query);
    if (!params) return std::nullopt;
    std::vector<std::string_view> states;
    for (const Param& param : *params) {
        if (param.name == "state") states.push_back(param.value);
    }
    return states.size() == 1 ? open_attempt(states.front(), request, cookie_keys) : std::nullopt;
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
    if (attempt->created + provider.state_timeout <= request.now) {
        co_return co_await come_again(provider, ports, request, *attempt, std::move(existing));
    }
    std::int64_t expires = attempt->created + provider.state_timeout;
    bool first_use = co_await ports.sessions.use_once(use_key(*attempt), expires);
    if (!first_use) {
        co_return co_await come_again(provider, ports, request, *attempt, std::move(existing));
    }
    Endpoints endpoints = co_await ports.documents.endpoints(provider);
    require_callback_issuer(callback, provider, endpoints);                                   // RFC 9207
    require_no_provider_error(callback);
    co_return co_await complete(provider, ports, request, *attempt, std::move(callback.code));
}

}  // namespace oidc
