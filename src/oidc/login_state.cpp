#include <charconv>

#include "login.hpp"

namespace oidc {
namespace {

constexpr std::size_t name_letters = 8;         // of the state, in the cookie's name
constexpr std::size_t max_cookie_bytes = 4096;  // of all attempts together: a longer Cookie line may never reach the module
constexpr std::size_t head_size = 2 + sizeof(Digest);

std::string own_name(bool https, std::string_view prefix, std::string_view rest = {})
{
    return concat({https ? host_prefix : "", prefix, rest});
}

std::string cookie_name(std::string_view state, bool https)
{
    return own_name(https, attempt_cookie_prefix, state.substr(0, name_letters));
}

// The cookie is bound to its name and to the site it was set for.
std::string associated_data(const std::string& name, const Request& request) { return concat({name, "\n", request.base_url}); }

CookieAttributes attributes(const Request& request) { return {{}, "/", SameSite::lax, request.https}; }

std::string rounds_cookie(const Provider& provider, bool https) { return own_name(https, rounds_cookie_prefix, provider.name); }

// Unbiased letters from a stream of bytes: those above the largest multiple of 62 are skipped, one in 32. That so
// many bytes hold too few letters happens once in 2^400.
void derive(Attempt& attempt)
{
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::array<unsigned char, 272> stream;
    expand(view(attempt.seed), stream);
    auto to = attempt.letters.begin();
    for (unsigned char byte : stream) {
        if (byte < 248 && to != attempt.letters.end()) *to++ = alphabet[byte % 62];
    }
}

// No newline in a provider's name or a local path.
std::string plaintext(const Attempt& attempt)
{
    const char head[] = {static_cast<char>(attempt.purpose), static_cast<char>(attempt.restarts)};
    return concat({{head, sizeof(head)}, view(attempt.seed), std::to_string(attempt.created), "\n", attempt.provider, "\n",
                   attempt.return_path, "\n", attempt.acr});
}

std::optional<Attempt> parse(std::string_view text)
{
    if (text.size() < head_size) return std::nullopt;
    Attempt attempt;
    attempt.purpose = static_cast<Purpose>(text[0]);
    attempt.restarts = static_cast<std::uint8_t>(text[1]);
    std::copy(text.begin() + 2, text.begin() + head_size, attempt.seed.begin());
    text.remove_prefix(head_size);
    const std::string_view created = take(text, '\n');
    std::from_chars(created.data(), created.data() + created.size(), attempt.created);
    attempt.provider = take(text, '\n');
    attempt.return_path = take(text, '\n');
    attempt.acr = text;
    derive(attempt);
    return is_local_path(attempt.return_path) ? std::optional(std::move(attempt)) : std::nullopt;
}

}  // namespace

Attempt new_attempt(Purpose purpose, const Provider& provider, const Request& request, RandomBytes random)
{
    Attempt attempt;
    attempt.purpose = purpose;
    attempt.created = request.now;
    attempt.provider = provider.name;
    random(attempt.seed);
    derive(attempt);
    return attempt;
}

void keep_attempt(Reply& reply, const Attempt& attempt, const Provider& provider, const Request& request, const Secret& key,
                  RandomBytes random)
{
    constexpr Seconds afterlife = 600;  // in which a late answer is known for what it is, and the login begins again
    const std::string name = cookie_name(attempt.state(), request.https);
    const std::string value = seal(key.reveal(), associated_data(name, request), plaintext(attempt), random);
    const std::vector<CookiePair> pending = cookies_with_prefix(request.cookies, own_name(request.https, attempt_cookie_prefix));
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
    return delete_cookie(cookie_name(attempt.state(), request.https), attributes(request));
}

std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys)
{
    if (state.size() != Attempt::length) return std::nullopt;
    const std::string name = cookie_name(state, request.https);
    const std::string_view value = find_cookie(request.cookies, name);
    for (const Secret& key : keys) {
        const std::optional<std::string> opened = unseal(key.reveal(), associated_data(name, request), value);
        std::optional<Attempt> attempt = opened ? parse(*opened) : std::nullopt;
        if (attempt && equal_constant_time(attempt->state(), state)) return attempt;
    }
    return std::nullopt;
}

std::uint8_t rounds(const Provider& provider, const Request& request)
{
    const std::string_view value = find_cookie(request.cookies, rounds_cookie(provider, request.https));
    return value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? static_cast<std::uint8_t>(value[0] - '0') : 0;
}

std::string keep_rounds(const Provider& provider, const Request& request, int number)
{
    constexpr Seconds memory = 10;  // a round without a person takes a second or two
    const std::string value = number > 0 ? std::to_string(std::min(number, 9)) : "";
    return set_cookie(rounds_cookie(provider, request.https), value, attributes(request), number > 0 ? memory : 0);
}

}  // namespace oidc
