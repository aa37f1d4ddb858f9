// The relying party's own private keys (client_key): what an operator's file may hold. Pieces: the use and the kid, the
// algorithm, the file.
#include "fuzz.hpp"

#include <stdexcept>

#include "oidc/base/json.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/jose/own_keys.hpp"

using namespace oidc;

namespace {

// What is published of it is no secret, and others can read it.
void check_published(OwnKey key)
{
    const std::string kid = key.kid;
    const KeyUse use = key.use;
    std::vector<OwnKey> keys;
    keys.push_back(std::move(key));
    const std::string published = public_jwks(keys);

    const std::vector<Json> elements = Json::parse(published).at("keys").elements();
    MUST(elements.size() == 1);
    for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) MUST(!elements[0].has(secret));
    if (use == KeyUse::sig && kid.size() <= 256) {
        const Jwks read = parse_jwks(published);
        MUST(read.size() == 1 && read[0].kid == kid);
    }
}

}  // namespace

FUZZ_TARGET(input)
{
    std::string_view kid = fuzz::next_piece(input);
    const KeyUse use = kid.starts_with('e') ? KeyUse::enc : KeyUse::sig;
    kid.remove_prefix(std::min<std::size_t>(kid.size(), 1));
    const std::string_view alg = fuzz::next_piece(input);
    const fuzz::Exact copy(input);
    std::optional<OwnKey> key;
    const std::optional<Failure> why = fuzz::refusal([&] {
        try {
            key = load_own_key(copy.view(), use, alg, kid);
        } catch (const std::invalid_argument& refused) {
            MUST(*refused.what() != '\0');
        }
    });
    MUST(!why);
    if (!key) return;
    MUST(!key->kid.empty() && (kid.empty() || key->kid == kid) && (alg.empty() || key->alg == alg));
    MUST(use == KeyUse::enc || !can_decrypt(*key, alg));
    check_published(std::move(*key));
}
