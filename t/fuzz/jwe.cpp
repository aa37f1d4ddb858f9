// Encrypted tokens (RFC 7516): one piece is a token as it comes; more are an algorithm, further members of a header and
// a plaintext that are encrypted here, and bytes that are changed afterwards.
#include "oidc/jose/jwe.hpp"
#include "fuzz.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/protocol/id_token.hpp"
#include "tokens.hpp"

using namespace oidc;

namespace {

const std::vector<std::string> algs{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES"};

const std::vector<OwnKey>& own_keys()
{
    static const std::vector<OwnKey> keys = [] {
        std::vector<OwnKey> all;
        for (const char* name : {"rsa2048", "P-256"})
            all.push_back(load_own_key(tokens::pem(tokens::key(name)), KeyUse::enc, {}, name));
        return all;
    }();
    return keys;
}

// The plaintext; nullopt: refused.
std::optional<std::string> opened(const std::string& token)
{
    std::optional<std::string> plaintext;
    const std::optional<Failure> why =
        fuzz::refusal([&] { plaintext = decrypt(token, own_keys(), algs, id_token_reasons); });
    if (why) MUST(name_of(why->reason).starts_with("id_token_"));
    return plaintext;
}

// W14: a token is encrypted where the configuration says so, and nowhere else.
void check_shape(const std::string& token)
{
    for (const bool encrypted : {false, true}) {
        std::optional<Jws> inner;
        fuzz::refusal([&] { inner.emplace(unwrap(token, encrypted, own_keys(), algs, id_token_reasons)); });
        if (inner) MUST(encrypted ? inner->compact() == opened(token) : inner->compact() == token);
    }
}

}  // namespace

FUZZ_TARGET(input)
{
    const std::string alg(fuzz::next_piece(input)), more(fuzz::next_piece(input)), plaintext(fuzz::next_piece(input));
    const bool is_alg = std::ranges::find(algs, alg) != algs.end();
    if (!is_alg) {
        MUST(!opened(alg));  // nobody encrypted it
        check_shape(alg);
        return;
    }

    static const tokens::Key rsa = tokens::key("rsa2048"), ec = tokens::key("P-256");
    tokens::JweOptions options;
    options.more = more;
    const std::string token = tokens::encrypt(alg, alg == "ECDH-ES" ? ec : rsa, plaintext, options);
    const std::optional<std::string> whole = opened(token);
    MUST(!whole || whole == plaintext);
    if (more.empty() && plaintext.size() < 32 * 1024) MUST(whole);
    check_shape(token);

    // The change of any byte is seen.
    const std::string changed = fuzz::edited(token, input);
    if (changed != token) MUST(!opened(changed));
}
