// Sealed values (AES-256-GCM), and the cookies of pending requests made of them. Pieces: a Cookie header, a return
// path, a level, a scope, edits of what was sealed, what else may lie under a seal.
#include "fuzz.hpp"
#include "oidc/base/aes_gcm.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/pending_request.hpp"

using namespace oidc;

namespace {

constexpr std::string_view name_prefix = "__Host-NGX_OIDC_LOGIN_";

void check_seal(const Secret& key, std::string_view aad, std::string_view text, std::string_view edits)
{
    const std::string sealed = seal(key.reveal(), aad, text, fuzz::counted_random);
    MUST(unseal(key.reveal(), aad, sealed) == text);
    MUST(!unseal(std::string(32, 'o'), aad, sealed));
    MUST(!unseal(key.reveal(), concat({aad, "x"}), sealed));
    const std::string changed = fuzz::edited(sealed, edits);
    if (changed != sealed) MUST(!unseal(key.reveal(), aad, changed));
    if (sealed != text) MUST(!unseal(key.reveal(), aad, text));
}

// What a browser has of a reply: the last line keeps the new request, those before it delete old ones.
void check_pending(const PendingRequest& pending, const Provider& provider, const Request& request,
                   const std::vector<Secret>& keys, std::string_view edits)
{
    Reply reply;
    keep_pending_request(reply, pending, provider, request, keys[0], fuzz::counted_random);
    MUST(!reply.set_cookies.empty());
    for (const std::string& line : reply.set_cookies) MUST(line.starts_with(name_prefix));
    const std::size_t others = cookies_with_prefix(request.cookies, name_prefix).size();
    MUST(others - (reply.set_cookies.size() - 1) < provider.state_limit);

    const std::string line = reply.set_cookies.back(), pair = line.substr(0, line.find(';'));
    Request back = request;
    back.cookies = pair;
    const std::optional<PendingRequest> opened = open_pending_request(pending.state(), back, keys);
    MUST(opened.has_value() == is_local_path(pending.return_path));
    if (opened) {
        MUST(opened->state() == pending.state() && opened->nonce() == pending.nonce());
        MUST(opened->verifier() == pending.verifier() && opened->return_path == pending.return_path);
        MUST(opened->provider == provider.name && opened->purpose == pending.purpose);
        MUST(opened->created == pending.created && opened->restarts == pending.restarts);
        MUST(opened->acr == pending.acr && opened->scope == pending.scope);
    }

    const std::string changed = fuzz::edited(pair, edits);
    back.cookies = changed;
    if (find_cookie(changed, pair.substr(0, pair.find('='))) != pair.substr(pair.find('=') + 1))
        MUST(!open_pending_request(pending.state(), back, keys));
    back.cookies = pair;
    back.base_url = "https://other.example";
    MUST(!open_pending_request(pending.state(), back, keys));
}

// What lies under a genuine seal is read whatever it is: an older version of this module may have sealed it.
void check_parser(std::string_view state, Request request, std::string_view text, const std::vector<Secret>& keys)
{
    const std::string aad = concat({request.base_url, "\n", state});
    const std::string sealed = seal(keys[0].reveal(), aad, text, fuzz::counted_random);
    const std::string cookie = concat({name_prefix, state.substr(0, 8), "=", sealed});
    request.cookies = cookie;
    if (const std::optional<PendingRequest> opened = open_pending_request(state, request, keys)) {
        MUST(is_local_path(opened->return_path) && opened->state() == state);
        MUST(opened->nonce().size() <= PendingRequest::length && opened->verifier().size() <= PendingRequest::length);
    }
}

}  // namespace

FUZZ_TARGET(input)
{
    static const std::vector<Secret> keys{Secret(std::string(32, 'k')), Secret(std::string(32, 'l'))};
    const fuzz::Exact header(fuzz::next_piece(input));
    const std::string path(fuzz::next_piece(input)), acr(fuzz::next_piece(input)), scope(fuzz::next_piece(input));
    const std::string_view edits = fuzz::next_piece(input);

    Provider provider;
    provider.name = "p";
    provider.state_limit = 3;
    Request request;
    request.base_url = "https://rp.example";
    request.https = true;
    request.cookies = header.view();
    request.now = 1'800'000'000;

    check_seal(keys[0], path, input, edits);
    MUST(recent_logins(provider, request) <= 9);

    // Nobody sealed what the browser sent.
    for (const auto& [name, value] : cookies_with_prefix(header.view(), name_prefix)) {
        std::string state(name.substr(name_prefix.size()));
        state.resize(PendingRequest::length, 'A');
        MUST(!open_pending_request(state, request, keys));
    }
    request.query = path;
    MUST(!pending_request_of(request, keys));

    PendingRequest pending =
        new_pending_request(Purpose::step_up, provider, request, 1 + edits.size() % 3, fuzz::counted_random);
    pending.return_path = return_path(path);
    const auto one_line = [](std::string_view text) { return std::string(text.substr(0, text.find('\n'))); };
    pending.acr = one_line(acr);
    pending.scope = scope;
    check_pending(pending, provider, request, keys, edits);
    check_parser(pending.state(), request, input, keys);
}
