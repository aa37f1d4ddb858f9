#include "login_state.hpp"

#include <algorithm>
#include <charconv>

namespace oidc {
namespace {

constexpr std::size_t letters = 43;             // of 62: 256 bits
constexpr std::size_t name_letters = 8;         // of the state, in the cookie's name
constexpr std::size_t max_cookie_bytes = 4096;  // of all attempts together: a longer Cookie line may never reach the module
constexpr char separator = '\n';                // no byte of a provider's name, a level or a local path

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// Unbiased letters from a stream of bytes: those above the largest multiple of 62 are skipped.
std::string draw_letters(std::string_view seed, std::size_t count)
{
    std::string drawn;
    drawn.reserve(count);
    for (std::size_t bytes = 160;; bytes *= 2) {
        std::string stream(bytes, '\0');
        expand(seed, {reinterpret_cast<unsigned char*>(stream.data()), stream.size()});
        drawn.clear();
        for (char c : stream) {
            auto byte = static_cast<unsigned char>(c);
            if (byte < 248 && drawn.size() < count) drawn += alphabet[byte % 62];
        }
        if (drawn.size() == count) return drawn;
    }
}

std::string_view seed_view(const Attempt& attempt) noexcept
{
    return {reinterpret_cast<const char*>(attempt.seed.data()), attempt.seed.size()};
}

std::string cookie_name(std::string_view state, bool https)
{
    return std::string(attempt_cookie_prefix(https)).append(state.substr(0, name_letters));
}

// The cookie is bound to its name and to the site it was set for.
std::string associated_data(const std::string& name, const Request& request) { return name + separator + request.base_url; }

std::string plaintext(const Attempt& attempt)
{
    std::string text;
    text += static_cast<char>(attempt.purpose);
    text += static_cast<char>(attempt.restarts);
    text += seed_view(attempt);
    text += std::to_string(attempt.created);
    text += separator;
    text.append(attempt.provider) += separator;
    for (const std::string& level : attempt.acr) text.append(level) += ' ';
    text += separator;
    text += attempt.return_path;
    return text;
}

std::string_view take_line(std::string_view& text) noexcept
{
    std::size_t end = std::min(text.find(separator), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

std::optional<Attempt> parse(std::string_view text)
{
    Attempt attempt;
    if (text.size() < 2 + attempt.seed.size()) return std::nullopt;
    attempt.purpose = static_cast<Purpose>(text[0]);
    attempt.restarts = static_cast<std::uint8_t>(text[1]);
    std::copy_n(text.begin() + 2, attempt.seed.size(), attempt.seed.begin());
    text.remove_prefix(2 + attempt.seed.size());
    std::string_view created = take_line(text);
    std::from_chars(created.data(), created.data() + created.size(), attempt.created);
    attempt.provider = take_line(text);
    for (std::string_view levels = take_line(text); !levels.empty();) {
        std::size_t end = std::min(levels.find(' '), levels.size());
        attempt.acr.emplace_back(levels.substr(0, end));
        levels.remove_prefix(std::min(end + 1, levels.size()));
    }
    attempt.return_path = text;
    return attempt;
}

CookieAttributes attributes(const Request& request) { return {{}, "/", SameSite::lax, request.https}; }

std::string rounds_cookie(const Provider& provider) { return std::string(rounds_cookie_prefix) + provider.name; }

}  // namespace

std::string_view attempt_cookie_prefix(bool https) noexcept { return https ? "__Host-NGX_OIDC_LOGIN_" : "NGX_OIDC_LOGIN_"; }

std::uint8_t rounds(const Provider& provider, const Request& request)
{
    std::string_view value = find_cookie(request.cookies, rounds_cookie(provider));
    return value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? static_cast<std::uint8_t>(value[0] - '0') : 0;
}

std::string count_round(const Provider& provider, const Request& request, std::uint8_t so_far)
{
    constexpr Seconds memory = 10;  // a round without a person takes a second or two
    return set_cookie(rounds_cookie(provider), std::to_string(std::min(so_far + 1, 9)), attributes(request), memory);
}

std::string forget_rounds(const Provider& provider, const Request& request)
{
    return delete_cookie(rounds_cookie(provider), attributes(request));
}

Derived derive(const Attempt& attempt)
{
    std::string drawn = draw_letters(seed_view(attempt), 3 * letters);
    return {drawn.substr(0, letters), drawn.substr(letters, letters), drawn.substr(2 * letters)};
}

Digest use_key(const Attempt& attempt) { return sha256(seed_view(attempt)); }

std::string seal_attempt(const Attempt& attempt, const Derived& derived, const Request& request, const Secret& key, RandomBytes random,
                         Seconds timeout)
{
    constexpr Seconds afterlife = 600;  // in which a late answer is known for what it is, and the login begins again
    std::string name = cookie_name(derived.state, request.https);
    std::string value = seal(key.reveal(), associated_data(name, request), plaintext(attempt), random);
    return set_cookie(name, value, attributes(request), timeout + afterlife);
}

std::optional<Attempt> open_attempt(std::string_view state, const Request& request, const std::vector<Secret>& keys)
{
    if (state.size() != letters) return std::nullopt;
    std::string name = cookie_name(state, request.https);
    std::string_view value = find_cookie(request.cookies, name);
    if (value.empty()) return std::nullopt;
    for (const Secret& key : keys) {
        std::optional<std::string> opened = unseal(key.reveal(), associated_data(name, request), value);
        if (!opened) continue;
        std::optional<Attempt> attempt = parse(*opened);
        bool answers = attempt && equal_constant_time(derive(*attempt).state, state);
        return answers ? attempt : std::nullopt;
    }
    return std::nullopt;
}

std::string delete_attempt(std::string_view state, const Request& request)
{
    return delete_cookie(cookie_name(state, request.https), attributes(request));
}

std::vector<std::string> drop_oldest(const Request& request, std::size_t limit, std::string_view new_line)
{
    std::vector<CookiePair> pending = cookies_with_prefix(request.cookies, attempt_cookie_prefix(request.https));
    std::vector<std::string> dropped;
    std::size_t bytes = std::min(new_line.find(';'), new_line.size());
    for (std::size_t kept = 1, i = pending.size(); i-- > 0; ++kept) {
        bytes += pending[i].first.size() + pending[i].second.size();
        if (kept >= limit || bytes > max_cookie_bytes) dropped.push_back(delete_cookie(pending[i].first, attributes(request)));
    }
    return dropped;
}

}  // namespace oidc
