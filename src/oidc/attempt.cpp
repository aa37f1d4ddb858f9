#include "attempt.hpp"

#include "login.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_cookie_bytes = 4096;  // of all attempts together: a longer Cookie line may never reach the module

std::string own_name(const Request& request, std::string_view prefix, std::string_view rest)
{
    return concat({request.https ? host_prefix : "", prefix, rest});
}

// By the first letters of its state.
constexpr std::size_t own_letters = 8;
std::string cookie_name(std::string_view state, const Request& request)
{
    return own_name(request, attempt_cookie_prefix, state.substr(0, own_letters));
}

// The cookie is bound to the site it was set for, and to its state.
std::string associated_data(const Request& request, std::string_view state) { return concat({request.base_url, "\n", state}); }

// Of a login whose answer is a POST from another site: browsers send such a cookie along, when it is Secure.
CookieAttributes attributes(const Provider& provider, const Request& request)
{
    return {{}, "/", provider.form_post ? SameSite::none : SameSite::lax, request.https || provider.form_post};
}

// What a random byte means; 0: nothing, since 256 is no multiple of 62.
constexpr auto letter_of = [] {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::array<char, 256> letters{};
    for (std::size_t byte = 0; byte < 4 * alphabet.size(); ++byte) letters[byte] = alphabet[byte % alphabet.size()];
    return letters;
}();

void draw(std::span<char> letters, RandomBytes random)
{
    std::array<unsigned char, std::tuple_size_v<decltype(Attempt::letters)>> bytes;
    while (!letters.empty()) {
        const std::span drawn = std::span(bytes).first(letters.size());
        random(drawn);
        auto next = letters.begin();
        for (const unsigned char byte : drawn)
            if ((*next = letter_of[byte]) != 0) ++next;
        letters = {next, letters.end()};
    }
}

// No newline in a provider's name or a local path. Without the state.
std::string plaintext(const Attempt& attempt)
{
    return concat({stored<AttemptHead>(attempt), attempt.nonce(), attempt.verifier(), "\n", attempt.provider, "\n",
                   attempt.return_path, "\n", attempt.acr, "\n", attempt.scope});
}

std::optional<Attempt> parse(std::string_view text, std::string_view state)
{
    Attempt attempt{load<AttemptHead>(text)};
    text.remove_prefix(std::min(sizeof(AttemptHead), text.size()));
    char* const letters = std::ranges::copy(state, attempt.letters.begin()).out;
    take(text, '\n').copy(letters, attempt.letters.size() - state.size());
    attempt.provider = take(text, '\n');
    attempt.return_path = take(text, '\n');
    attempt.acr = take(text, '\n');
    attempt.scope = text;
    return is_local_path(attempt.return_path) ? std::optional(std::move(attempt)) : std::nullopt;
}

}  // namespace

Attempt new_attempt(Purpose purpose, const Provider& provider, const Request& request, std::size_t secrets, RandomBytes random)
{
    Attempt attempt{{request.now, purpose}};
    attempt.provider = provider.name;
    draw(std::span(attempt.letters).first(secrets * Attempt::length), random);
    return attempt;
}

void keep_attempt(Reply& reply, const Attempt& attempt, const Provider& provider, const Request& request, const Secret& key,
                  RandomBytes random)
{
    constexpr Seconds afterlife = 600;  // in which a late answer is known for what it is, and the login begins again
    const std::string name = cookie_name(attempt.state(), request);
    const std::string value = seal(key.reveal(), associated_data(request, attempt.state()), plaintext(attempt), random);
    const std::string_view prefix = std::string_view{name}.substr(0, name.size() - own_letters);
    const std::vector<CookiePair> pending = cookies_with_prefix(request.cookies, prefix);
    std::size_t bytes = name.size() + 1 + value.size();
    for (std::size_t kept = 1, i = pending.size(); i-- > 0; ++kept) {
        bytes += pending[i].first.size() + pending[i].second.size();
        const bool full = kept >= provider.state_limit || bytes > max_cookie_bytes;
        if (full) reply.set_cookies.push_back(delete_cookie(pending[i].first, attributes(provider, request)));
    }
    reply.set_cookies.push_back(set_cookie(name, value, attributes(provider, request), provider.state_timeout + afterlife));
}

std::string delete_attempt(const Attempt& attempt, const Provider& provider, const Request& request)
{
    return delete_cookie(cookie_name(attempt.state(), request), attributes(provider, request));
}

std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys)
{
    if (state.size() != Attempt::length) return std::nullopt;
    const std::string name = cookie_name(state, request);
    const std::string_view value = find_cookie(request.cookies, name);
    for (const Secret& key : keys) {
        const std::optional<std::string> opened = unseal(key.reveal(), associated_data(request, state), value);
        if (opened) return parse(*opened, state);
    }
    return std::nullopt;
}

std::optional<Attempt> attempt_of_query(const Request& request, const std::vector<Secret>& keys)
{
    const std::vector<Param> params = parse_query(request.query).value_or(std::vector<Param>());
    const bool once = std::ranges::count(params, std::string_view("state"), &Param::name) == 1;
    return once ? open_attempt(last_value(params, "state"), request, keys) : std::nullopt;
}

Task<std::optional<Failure>> use(Journey on, std::span<const Purpose> purposes, const std::optional<Attempt>& attempt)
{
    if (!attempt || !contains(purposes, attempt->purpose)) co_return Failure(Reason::state_unknown, "this browser has no such state");
    if (attempt->provider != on.provider.name) co_return Failure(Reason::state_unknown, "the state is another provider's");
    const std::int64_t end = attempt->created + on.provider.state_timeout;
    if (end <= on.request.now) co_return Failure(Reason::state_expired, "the state is older than state_timeout");
    Digest key = use_key(*attempt);
    bool first_use = co_await on.ports.sessions.use_once(key, end);
    if (!first_use) co_return Failure(Reason::state_replayed, "the state was used before");
    co_return std::nullopt;
}

unsigned rounds(const Provider& provider, const Request& request)
{
    if (request.cookies.empty()) return 0;
    const std::string_view value = find_cookie(request.cookies, own_name(request, rounds_cookie_prefix, provider.name));
    return value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? value[0] - '0' : 0;
}

std::string keep_rounds(const Provider& provider, const Request& request, unsigned number)
{
    constexpr Seconds memory = 10;  // a round without a person takes a second or two
    const std::string name = own_name(request, rounds_cookie_prefix, provider.name);
    return number > 0 ? set_cookie(name, std::to_string(std::min(number, 9U)), attributes(provider, request), memory)
                      : delete_cookie(name, attributes(provider, request));
}

std::string absolute_uri(const std::string& uri, const Request& request)
{
    return concat({uri.starts_with('/') ? std::string_view{request.base_url} : "", uri});
}

}  // namespace oidc
