#include "oidc/journey/pending_request.hpp"

#include <algorithm>
#include <utility>

#include "oidc/base/aes_gcm.hpp"
#include "oidc/base/bytes.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

namespace oidc {
namespace {

// Of all pending requests together: a longer Cookie line may never reach the module.
constexpr std::size_t max_cookie_bytes = 4096;

std::string own_name(const Request& request, std::string_view prefix, std::string_view rest)
{
    return concat({request.https ? host_prefix : "", prefix, rest});
}

// By the first letters of its state.
constexpr std::size_t own_letters = 8;
std::string cookie_name(std::string_view state, const Request& request)
{
    return own_name(request, pending_cookie_prefix, state.substr(0, own_letters));
}

// The cookie is bound to the site it was set for, and to its state.
std::string associated_data(const Request& request, std::string_view state)
{
    return concat({request.base_url, "\n", state});
}

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
    std::array<unsigned char, std::tuple_size_v<decltype(PendingRequest::letters)>> bytes;
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
std::string plaintext(const PendingRequest& pending)
{
    return concat({stored<PendingHeader>(pending), pending.nonce(), pending.verifier(), "\n", pending.provider, "\n",
                   pending.return_path, "\n", pending.acr, "\n", pending.scope});
}

std::optional<PendingRequest> parse(std::string_view text, std::string_view state)
{
    PendingRequest pending{load<PendingHeader>(text)};
    text.remove_prefix(std::min(sizeof(PendingHeader), text.size()));
    char* const letters = std::ranges::copy(state, pending.letters.begin()).out;
    take(text, '\n').copy(letters, pending.letters.size() - state.size());
    pending.provider = take(text, '\n');
    pending.return_path = take(text, '\n');
    pending.acr = take(text, '\n');
    pending.scope = text;
    return is_local_path(pending.return_path) ? std::optional(std::move(pending)) : std::nullopt;
}

}  // namespace

PendingRequest new_pending_request(Purpose purpose, const Provider& provider, const Request& request,
                                   std::size_t secrets, RandomBytes random)
{
    PendingRequest pending{{request.now, purpose}};
    pending.provider = provider.name;
    draw(std::span(pending.letters).first(secrets * PendingRequest::length), random);
    return pending;
}

void keep_pending_request(Reply& reply, const PendingRequest& pending, const Provider& provider, const Request& request,
                          const Secret& key, RandomBytes random)
{
    constexpr Seconds afterlife = 600;  // in which a late answer is known for what it is, and the login begins again
    const std::string name = cookie_name(pending.state(), request);
    const std::string value = seal(key.reveal(), associated_data(request, pending.state()), plaintext(pending), random);
    const std::string_view prefix = std::string_view{name}.substr(0, name.size() - own_letters);
    const std::vector<CookiePair> others = cookies_with_prefix(request.cookies, prefix);
    std::size_t bytes = name.size() + 1 + value.size();
    for (std::size_t kept = 1, i = others.size(); i-- > 0; ++kept) {
        bytes += others[i].first.size() + others[i].second.size();
        const bool full = kept >= provider.state_limit || bytes > max_cookie_bytes;
        if (full) reply.set_cookies.push_back(delete_cookie(others[i].first, attributes(provider, request)));
    }
    reply.set_cookies.push_back(
        set_cookie(name, value, attributes(provider, request), provider.state_timeout + afterlife));
}

std::string delete_pending_request(const PendingRequest& pending, const Provider& provider, const Request& request)
{
    return delete_cookie(cookie_name(pending.state(), request), attributes(provider, request));
}

std::optional<PendingRequest> open_pending_request(std::string_view state, const Request& request,
                                                   const std::vector<Secret>& keys)
{
    if (state.size() != PendingRequest::length) return std::nullopt;
    const std::string name = cookie_name(state, request);
    const std::string_view value = find_cookie(request.cookies, name);
    for (const Secret& key : keys) {
        const std::optional<std::string> opened = unseal(key.reveal(), associated_data(request, state), value);
        if (opened) return parse(*opened, state);
    }
    return std::nullopt;
}

std::optional<PendingRequest> pending_request_of(const Request& request, const std::vector<Secret>& keys)
{
    const std::vector<Param> params = parse_query(request.query).value_or(std::vector<Param>());
    const bool single_value = std::ranges::count(params, std::string_view("state"), &Param::name) == 1;
    return single_value ? open_pending_request(last_value(params, "state"), request, keys) : std::nullopt;
}

Task<std::optional<Failure>> use_pending_request(Context context, std::span<const Purpose> purposes,
                                                 const std::optional<PendingRequest>& pending)
{
    if (!pending || !contains(purposes, pending->purpose))
        co_return Failure(Reason::state_unknown, "this browser has no such state");
    if (pending->provider != context.provider.name)
        co_return Failure(Reason::state_unknown, "the state is another provider's");
    const std::int64_t end = pending->created + context.provider.state_timeout;
    if (end <= context.request.now) co_return Failure(Reason::state_expired, "the state is older than state_timeout");
    Digest key = use_once_key(*pending);
    bool first_use = co_await context.ports.sessions.use_once(key, end);
    if (!first_use) co_return Failure(Reason::state_replayed, "the state was used before");
    co_return std::nullopt;
}

unsigned recent_logins(const Provider& provider, const Request& request)
{
    if (request.cookies.empty()) return 0;
    const std::string_view value =
        find_cookie(request.cookies, own_name(request, recent_logins_cookie_prefix, provider.name));
    return value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? value[0] - '0' : 0;
}

std::string keep_recent_logins(const Provider& provider, const Request& request, unsigned number)
{
    constexpr Seconds memory = 10;  // a round without a person takes a second or two
    const std::string name = own_name(request, recent_logins_cookie_prefix, provider.name);
    return number > 0 ? set_cookie(name, std::to_string(std::min(number, 9U)), attributes(provider, request), memory)
                      : delete_cookie(name, attributes(provider, request));
}

}  // namespace oidc
