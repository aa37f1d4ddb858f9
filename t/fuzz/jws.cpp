// Signed tokens (RFC 7515): one piece is a token as it comes; three are an algorithm, a header and a payload that are
// signed here, and a fourth one changes the token afterwards.
#include "oidc/jose/jws.hpp"
#include "fuzz.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/protocol/id_token.hpp"
#include "tokens.hpp"

using namespace oidc;

namespace {

const std::string secret_text(64, 's');
const std::vector<std::string> asymmetric = words("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512");
const std::vector<std::string> every = words("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 HS256 HS384 HS512");

const tokens::Key& key_for(std::string_view alg)
{
    static const tokens::Key rsa = tokens::key("rsa2048"), p256 = tokens::key("P-256"), p384 = tokens::key("P-384"),
                             p521 = tokens::key("P-521");
    return alg == "ES256" ? p256 : alg == "ES384" ? p384 : alg == "ES512" ? p521 : rsa;
}

const Jwks& published()
{
    static const Jwks keys = [] {
        std::vector<Json> all;
        for (const char* alg : {"RS256", "ES256", "ES384", "ES512"}) all.push_back(tokens::jwk(key_for(alg)));
        return parse_jwks(tokens::jwks_text(all));
    }();
    return keys;
}

std::string sign(std::string_view alg, std::string_view header, std::string_view payload)
{
    if (!contains(every, alg)) return tokens::signing_input(header, payload) + ".";
    return alg.starts_with("HS") ? tokens::sign(alg, secret_text, header, payload)
                                 : tokens::sign(alg, key_for(alg), header, payload);
}

std::string der_of(const std::string& raw)
{
    const auto half = static_cast<int>(raw.size() / 2);
    const unsigned char* at = tokens::raw(std::string_view(raw));
    const tokens::Owned<ECDSA_SIG> pair{ECDSA_SIG_new()};
    ECDSA_SIG_set0(pair.get(), BN_bin2bn(at, half, nullptr), BN_bin2bn(at + half, half, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

// OpenSSL's own verdict, on what the header of the token says.
bool is_signed(const std::string& token)
{
    const CleanErrorQueue clean;
    const std::size_t end = token.rfind('.');
    const std::string input = token.substr(0, end);
    const std::string header = base64url_decode(token.substr(0, token.find('.'))).value();
    std::string signature = base64url_decode(token.substr(end + 1)).value();
    const std::string alg = Json::parse(header).text("alg");
    if (alg.starts_with("HS")) return signature == tokens::hmac(alg, secret_text, input);

    if (alg.starts_with("ES")) signature = der_of(signature);
    const tokens::Owned<EVP_MD_CTX> context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* options = nullptr;
    tokens::require(EVP_DigestVerifyInit(context.get(), &options, tokens::md_of(alg), nullptr, key_for(alg).get()) ==
                    1);
    if (alg.starts_with("PS")) {
        tokens::require(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
        tokens::require(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    return EVP_DigestVerify(context.get(), tokens::raw(std::string_view(signature)), signature.size(),
                            tokens::raw(std::string_view(input)), input.size()) == 1;
}

// A verified token was signed with our key, by an algorithm that is allowed. Whether it was accepted.
bool check(const std::string& token, const std::vector<std::string>& algs)
{
    static const Secret secret{secret_text};
    std::optional<VerifiedJws> verified;
    const std::optional<Failure> why = fuzz::refusal([&] {
        verified.emplace(Jws(token, id_token_reasons), published(), VerifyPolicy{algs, &secret, id_token_reasons});
    });
    if (why) {
        MUST(name_of(why->reason).starts_with("id_token_"));
        return false;
    }
    const Json header = Json::parse(base64url_decode(token.substr(0, token.find('.'))).value());
    MUST(verified->compact() == token);
    MUST(contains(algs, verified->alg()) && header.string("alg") == verified->alg());
    MUST(!header.has("crit") && !header.has("b64") && !header.has("zip"));
    MUST(verified->claims().is_object());
    MUST(is_signed(token));
    return true;
}

}  // namespace

FUZZ_TARGET(input)
{
    const std::string first(fuzz::next_piece(input)), header(fuzz::next_piece(input)), payload(fuzz::next_piece(input));
    const std::string_view edits = input;
    const std::string token = header.empty() ? first : fuzz::edited(sign(first, header, payload), edits);

    const bool accepted = check(token, every), by_key = check(token, asymmetric);
    MUST(!by_key || accepted);

    const bool plain = contains(every, first) && header == tokens::header_of(first) && edits.size() < 2;
    if (plain) MUST(accepted == Json::parse(payload).is_object() || token.size() > max_token_size);
}
