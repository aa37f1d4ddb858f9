#include "login.hpp"

namespace oidc {
namespace {

constexpr unsigned max_restarts = 3;            // of a login by itself: then a page says why
constexpr std::size_t max_cookie_bytes = 4096;  // of all attempts together: a longer Cookie line may never reach the module

enum class Purpose : std::uint32_t { login = 1, logout = 2 };
struct AttemptHead {                            // sealed as it lies in memory
    std::int64_t created = 0;                   // Unix seconds
    Purpose purpose = Purpose::login;
    unsigned restarts = 0;                      // how often this login began again by itself
    static constexpr std::size_t length = 43;   // of [A-Za-z0-9]: 256 bits
    std::array<char, 3 * length + 7> letters{};  // 7: no padding
    std::string_view state() const noexcept { return {letters.data(), length}; }
    std::string_view nonce() const noexcept { return {letters.data() + length, length}; }
    std::string_view verifier() const noexcept { return {letters.data() + 2 * length, length}; }
};
struct Attempt : AttemptHead {
    std::string provider{}, return_path = "/";
    std::string acr{};                          // the levels asked for, separated by spaces
};

Digest use_key(const Attempt& attempt) { return sha256(attempt.state()); }  // under which its one use is recorded

std::string own_name(const Request& request, std::string_view prefix, std::string_view rest)
{
    return concat({request.https ? host_prefix : "", prefix, rest});
}

// By the first letters of its state.
std::string cookie_name(std::string_view state, const Request& request)
{
    return own_name(request, attempt_cookie_prefix, state.substr(0, 8));
}

// The cookie is bound to its name and to the site it was set for.
std::string associated_data(const std::string& name, const Request& request) { return concat({name, "\n", request.base_url}); }
CookieAttributes attributes(const Request& request) { return {{}, "/", SameSite::lax, request.https}; }

// Unbiased: a byte above the largest multiple of 62 is no letter.
void draw(std::span<char> letters, RandomBytes random)
{
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::array<unsigned char, 144> bytes;
    for (std::size_t drawn = 0; drawn < letters.size();) {
        random(bytes);
        for (const unsigned char byte : bytes)
            if (byte < 248 && drawn < letters.size()) letters[drawn++] = alphabet[byte % 62];
    }
}

Attempt new_attempt(Purpose purpose, const Provider& provider, const Request& request, RandomBytes random)
{
    Attempt attempt{{request.now, purpose}, provider.name};
    draw(attempt.letters, random);
    return attempt;
}

// No newline in a provider's name or a local path.
std::string plaintext(const Attempt& attempt)
{
    return concat({stored<AttemptHead>(attempt), attempt.provider, "\n", attempt.return_path, "\n", attempt.acr});
}

std::optional<Attempt> parse(std::string_view text)
{
    Attempt attempt{load<AttemptHead>(text)};
    text.remove_prefix(std::min(sizeof(AttemptHead), text.size()));
    attempt.provider = take(text, '\n');
    attempt.return_path = take(text, '\n');
    attempt.acr = text;
    return is_local_path(attempt.return_path) ? std::optional(std::move(attempt)) : std::nullopt;
}

// Adds the Set-Cookie lines that keep `attempt` in the browser and delete the oldest ones, so that state_limit and 4 kB hold.
void keep_attempt(Reply& reply, const Attempt& attempt, const Provider& provider, const Request& request, const Secret& key,
                  RandomBytes random)
{
    constexpr Seconds afterlife = 600;  // in which a late answer is known for what it is, and the login begins again
    const std::string name = cookie_name(attempt.state(), request);
    const std::string value = seal(key.reveal(), associated_data(name, request), plaintext(attempt), random);
    const std::vector<CookiePair> pending = cookies_with_prefix(request.cookies, cookie_name({}, request));
    std::size_t bytes = name.size() + 1 + value.size();
    for (std::size_t kept = 1, i = pending.size(); i-- > 0; ++kept) {
        bytes += pending[i].first.size() + pending[i].second.size();
        const bool full = kept >= provider.state_limit || bytes > max_cookie_bytes;
        if (full) reply.set_cookies.push_back(delete_cookie(pending[i].first, attributes(request)));
    }
    reply.set_cookies.push_back(set_cookie(name, value, attributes(request), provider.state_timeout + afterlife));
}

std::string delete_attempt(const Attempt& attempt, const Request& request)
{
    return delete_cookie(cookie_name(attempt.state(), request), attributes(request));
}

// The attempt that `state` names, when this browser holds its cookie, unaltered. nullopt: no such cookie, or not ours.
std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys)
{
    if (state.size() != Attempt::length) return std::nullopt;
    const std::string name = cookie_name(state, request);
    const std::string_view value = find_cookie(request.cookies, name);
    for (const Secret& key : keys) {
        const std::optional<std::string> opened = unseal(key.reveal(), associated_data(name, request), value);
        std::optional<Attempt> attempt = opened ? parse(*opened) : std::nullopt;
        if (attempt && equal_constant_time(attempt->state(), state)) return attempt;
    }
    return std::nullopt;
}

std::optional<Attempt> attempt_of_query(const Request& request, const std::vector<Secret>& keys)
{
    const std::vector<Param> params = parse_query(request.query).value_or(std::vector<Param>());
    const bool once = std::ranges::count(params, std::string_view("state"), &Param::name) == 1;
    return once ? open_attempt(last_value(params, "state"), request, keys) : std::nullopt;
}

// Makes the one use of an attempt, or says why this browser's return is not, or no longer, the answer to it.
Task<std::optional<Failure>> use(Journey on, Purpose purpose, const std::optional<Attempt>& attempt)
{
    if (!attempt || attempt->purpose != purpose) co_return Failure(Reason::state_unknown, "this browser has no such state");
    if (attempt->provider != on.provider.name) co_return Failure(Reason::state_unknown, "the state is another provider's");
    const std::int64_t end = attempt->created + on.provider.state_timeout;
    if (end <= on.request.now) co_return Failure(Reason::state_expired, "the state is older than state_timeout");
    Digest key = use_key(*attempt);
    bool first_use = co_await on.ports.sessions.use_once(key, end);
    if (!first_use) co_return Failure(Reason::state_replayed, "the state was used before");
    co_return std::nullopt;
}

// How many logins this browser has just finished without showing a session, and the Set-Cookie line that keeps a new number: a
// browser that drops the session cookie would otherwise go round for ever. Not sealed: it can only stop its own browser.
unsigned rounds(const Provider& provider, const Request& request)
{
    const std::string_view value = find_cookie(request.cookies, own_name(request, rounds_cookie_prefix, provider.name));
    return value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? value[0] - '0' : 0;
}

std::string keep_rounds(const Provider& provider, const Request& request, unsigned number)
{
    constexpr Seconds memory = 10;  // a round without a person takes a second or two
    const std::string name = own_name(request, rounds_cookie_prefix, provider.name);
    return number > 0 ? set_cookie(name, std::to_string(std::min(number, 9U)), attributes(request), memory)
                      : delete_cookie(name, attributes(request));
}

// redirect_uri and post_logout_uri as sent: a path gets the site in front.
std::string absolute_uri(const std::string& uri, const Request& request)
{
    return uri.starts_with('/') ? request.base_url + uri : uri;
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
    const bool same = uri.starts_with(request.base_url) && uri[request.base_url.size()] == '/';
    if (same || uri.starts_with('/')) return {};
    const std::optional<Url> target = parse_url(uri), here = parse_url(request.base_url);
    const bool other = target && (!here || here->host != target->host);
    return other ? uri.substr(0, uri.find('/', uri.find("://") + 3)) : std::string();
}

std::string state_hash(std::string_view state) { return base64url(view(sha256(state)).substr(0, 16)); }

// Core 3.1.3.7, 5.3: whose tokens they are.
Task<NewSession> identify(Journey on, const Endpoints& endpoints, const Attempt& attempt, const Tokens& tokens)
{
    VerifyPolicy policy = id_token_policy(on.provider, endpoints);
    std::string token = tokens.id_token;
    VerifiedJws verified = co_await open_token(on, std::move(token), on.provider.id_token_encryption, policy);
    Expected expected{std::string(attempt.nonce()), words(attempt.acr), tokens.access_token};
    require_id_token(verified, on.provider, expected, on.request.now);
    NewSession session;
    session.id_claims = verified.claims();
    session.id_token = verified.compact();
    session.access_token = tokens.access_token;
    if (!on.provider.userinfo) co_return session;
    std::string subject = session.id_claims.text("sub");
    session.userinfo = co_await fetch_userinfo(on, endpoints, tokens, std::move(subject));
    co_return session;
}

SessionTimes times_of(const Provider& provider, const Tokens& tokens, std::int64_t now)
{
    constexpr std::int64_t longest = 10 * 365 * 86400;  // of an access token
    const Seconds limit = provider.session_max_lifetime > 0 ? provider.session_max_lifetime : provider.session_timeout;
    const std::int64_t access = tokens.expires_in ? now + std::clamp<std::int64_t>(*tokens.expires_in, 0, longest) : 0;
    return {now, now + std::min(provider.session_timeout, limit), access};
}

Task<Reply> complete(Journey on, const Endpoints& endpoints, const Attempt& attempt, std::string code)
{
    const Provider& provider = on.provider;
    const Request& request = on.request;
    std::string verifier(uses_pkce(provider, endpoints) ? attempt.verifier() : "");
    CodeExchange exchange{std::move(code), absolute_uri(provider.redirect_uri, request), std::move(verifier), use_key(attempt)};
    Tokens tokens = co_await exchange_code(on, endpoints, std::move(exchange));
    NewSession session = co_await identify(on, endpoints, attempt, tokens);
    session.times = times_of(provider, tokens, request.now);
    session.binding = provider.binding;
    session.return_path = attempt.return_path;
    session.state_hash = state_hash(attempt.state());
    Digest random;
    on.ports.random(random);
    std::string id = base64url(view(random)), record = serialize(session);
    SessionKey key = sha256(id);
    bool stored = co_await on.ports.sessions.put(key, std::move(record), session.times.expires);
    if (!stored) fail(Reason::session_store, "no room in the session zone");
    std::string name = session_cookie_name(provider, request.https);
    SessionKey old_key = sha256(find_cookie(request.cookies, name));
    co_await on.ports.sessions.take(old_key);
    Reply reply{302, request.base_url + attempt.return_path};
    reply.set_cookies = {set_cookie(name, id, session_cookie_attributes(provider, request.https)),
                         keep_rounds(provider, request, attempt.restarts + 1), delete_attempt(attempt, request)};
    co_return reply;
}

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const bool same = provider.logged_out_uri.empty() && !provider.logout_state;  // as the page that the provider leads back to
    const std::string& page = same ? provider.post_logout_uri : provider.logged_out_uri;
    return page.empty() ? Reply{200} : Reply{302, absolute_uri(page, request)};
}

Reply to_provider(Journey on, const Endpoints& endpoints, std::string_view id_token)
{
    Reply reply;
    const Attempt attempt = new_attempt(Purpose::logout, on.provider, on.request, on.ports.random);
    const std::string back = absolute_uri(on.provider.post_logout_uri, on.request);
    const bool hint = on.provider.logout_token_hint && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", on.provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});
    if (!back.empty() && on.provider.logout_state) {
        params.push_back({"state", attempt.state()});
        keep_attempt(reply, attempt, on.provider, on.request, on.ports.cookie_keys.front(), on.ports.random);
    }
    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

}  // namespace

std::optional<Origin> origin_of_callback(const Request& request, const std::vector<Secret>& cookie_keys)
{
    const std::optional<Attempt> attempt = attempt_of_query(request, cookie_keys);
    return attempt ? std::optional<Origin>({attempt->provider, attempt->return_path}) : std::nullopt;
}

Reply begin_login(const Provider& provider, const Endpoints& endpoints, const Request& request, Destination destination,
                  const Secret& cookie_key, RandomBytes random)
{
    if (std::string site = other_site(provider, request); !site.empty()) return {302, site + destination.return_path};
    Attempt attempt = new_attempt(Purpose::login, provider, request, random);
    attempt.restarts = std::max(destination.restarts, rounds(provider, request));
    if (attempt.restarts >= max_restarts)
        fail(Reason::login_loop, "the browser keeps no session: check cookie_domain, cookie_path and https");
    attempt.return_path = std::move(destination.return_path);
    attempt.acr = request.acr;
    Reply reply{302, authorization_url(provider, endpoints, request, attempt)};
    keep_attempt(reply, attempt, provider, request, cookie_key, random);
    return reply;
}

Task<Reply> start_login(Journey on, Destination destination)
{
    std::shared_ptr<const Endpoints> endpoints = on.ports.documents.at_hand(on.provider);
    if (!endpoints) {
        endpoints = co_await on.ports.documents.endpoints(on.provider);
    }
    const Secret& key = on.ports.cookie_keys.front();
    co_return begin_login(on.provider, *endpoints, on.request, std::move(destination), key, on.ports.random);
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

// A callback that comes late, or again, leads to its page when there is a session, else its login begins once more.
Task<Reply> finish_login(Journey on, SessionView existing)
{
    Callback callback = parse_callback(on.request.query);                                     // RFC 6749 4.1.2
    std::optional<Attempt> attempt = open_attempt(callback.state, on.request, on.ports.cookie_keys);
    if (!attempt && existing && existing.internal(entry_name::state_hash) == state_hash(callback.state))
        co_return Reply{302, concat({on.request.base_url, existing.internal(entry_name::return_path)})};
    std::optional<Failure> spent = co_await use(on, Purpose::login, attempt);
    if (spent && spent->reason == Reason::state_unknown) throw *spent;                        // CSRF
    if (spent && existing) co_return Reply{302, on.request.base_url + attempt->return_path};
    if (spent) {
        Destination again{attempt->return_path, attempt->restarts + 1};
        Reply reply = co_await start_login(on, std::move(again));
        reply.why = std::move(spent);
        reply.set_cookies.push_back(delete_attempt(*attempt, on.request));
        co_return reply;
    }
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    require_code(callback, on.provider, *endpoints);                                          // RFC 9207
    co_return co_await complete(on, *endpoints, *attempt, std::move(callback.code));
}

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
    bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    bool provider_can = endpoints && !endpoints->end_session.empty() && !hint_missing;
    Reply reply = provider_can ? to_provider(on, *endpoints, id_token) : after_logout(provider, on.request);
    reply.set_cookies.push_back(keep_rounds(provider, on.request, 0));
    reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, on.request.https)));
    co_return reply;
}

Task<Reply> logged_out(Journey on)
{
    std::optional<Attempt> attempt = attempt_of_query(on.request, on.ports.cookie_keys);
    std::optional<Failure> spent = co_await use(on, Purpose::logout, attempt);
    if (spent) fail(Reason::logout_state, spent->detail);
    Reply reply = after_logout(on.provider, on.request);
    reply.set_cookies.push_back(delete_attempt(*attempt, on.request));
    co_return reply;
}

}  // namespace oidc
