#include "jose.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_header_depth = 8;
constexpr std::size_t max_header_text = 256;  // bytes of alg, kid or typ
constexpr std::size_t max_tries = 8;          // verifications for one token (W13)

enum class Family : std::uint8_t { rsa, ec, hmac };

struct AlgRow {
    std::string_view name;
    Family family;
    Curve curve;
    std::size_t hash_size;
};
constexpr std::array algs{
    AlgRow{"RS256", Family::rsa, Curve::none, 32},  AlgRow{"RS384", Family::rsa, Curve::none, 48},
    AlgRow{"RS512", Family::rsa, Curve::none, 64},  AlgRow{"PS256", Family::rsa, Curve::none, 32},
    AlgRow{"PS384", Family::rsa, Curve::none, 48},  AlgRow{"PS512", Family::rsa, Curve::none, 64},
    AlgRow{"ES256", Family::ec, Curve::p256, 32},   AlgRow{"ES384", Family::ec, Curve::p384, 48},
    AlgRow{"ES512", Family::ec, Curve::p521, 64},   AlgRow{"HS256", Family::hmac, Curve::none, 32},
    AlgRow{"HS384", Family::hmac, Curve::none, 48}, AlgRow{"HS512", Family::hmac, Curve::none, 64},
};

const AlgRow* find_alg(std::string_view name) noexcept
{
    const auto* row = std::find_if(algs.begin(), algs.end(), [&](const AlgRow& each) { return each.name == name; });
    return row == algs.end() ? nullptr : row;
}

struct JwsRelease {
    void operator()(cjose_jws_t* jws) const noexcept { cjose_jws_release(jws); }
};

std::string_view after_last_dot(std::string_view compact) noexcept { return compact.substr(compact.rfind('.') + 1); }

std::string_view payload_of(std::string_view compact) noexcept
{
    const std::size_t start = compact.find('.') + 1;
    return compact.substr(start, compact.rfind('.') - start);
}

// W7, W8: kid, type, curve and the key's own alg.
bool fits(const VerificationKey& key, const Jws& token, const AlgRow& alg)
{
    const bool same_kid = token.kid().empty() || key.kid == token.kid();
    const bool same_type = key.type == (alg.family == Family::rsa ? KeyType::rsa : KeyType::ec) && key.curve == alg.curve;
    return same_kid && same_type && (key.alg.empty() || key.alg == alg.name);
}

std::vector<const VerificationKey*> fitting_keys(const Jws& token, const Jwks& keys, const AlgRow& alg)
{
    std::vector<const VerificationKey*> found;
    for (const VerificationKey& key : keys.keys)
        if (found.size() < max_tries && fits(key, token, alg)) found.push_back(&key);
    return found;
}

// A new cjose object for each try: it keeps, and then leaks, the digest of a failed one.
bool verifies(const Jws& token, const VerificationKey& key)
{
    cjose_err error{};
    const std::unique_ptr<cjose_jws_t, JwsRelease> jws{cjose_jws_import(token.compact().data(), token.compact().size(), &error)};
    return jws && cjose_jws_verify(jws.get(), key.key.get(), &error);
}

void require_signature(const Jws& token, const Jwks& keys, const AlgRow& alg, const JoseReasons& reasons)
{
    const std::vector<const VerificationKey*> candidates = fitting_keys(token, keys, alg);
    const std::string wanted = "alg " + std::string{alg.name} + ", kid \"" + std::string{token.kid()} + "\"";
    if (candidates.empty()) fail(reasons.key, "no key for " + wanted);

    const std::size_t size = decode_segment(after_last_dot(token.compact()), reasons).size();
    const bool verified = std::any_of(candidates.begin(), candidates.end(), [&](const VerificationKey* key) {
        return size == key->signature_size && verifies(token, *key);  // W9: cjose reads as many bytes as the key says
    });
    if (!verified) fail(reasons.signature, wanted);
}

void require_hmac(const Jws& token, const Secret* secret, const AlgRow& alg, const JoseReasons& reasons)
{
    const bool strong = secret != nullptr && secret->reveal().size() >= alg.hash_size;  // W11
    if (!strong) fail(reasons.algorithm, std::string{alg.name} + " needs a secret at least as long as its hash");

    const EVP_MD* md = alg.hash_size == 32 ? EVP_sha256() : alg.hash_size == 48 ? EVP_sha384() : EVP_sha512();
    const std::string_view key = secret->reveal(), input = token.compact().substr(0, token.compact().rfind('.'));
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
    const bool computed = HMAC(md, key.data(), static_cast<int>(key.size()), bytes, input.size(), mac.data(), &size) != nullptr;
    const std::string signature = decode_segment(after_last_dot(token.compact()), reasons);
    const std::string_view expected{reinterpret_cast<const char*>(mac.data()), size};
    if (!computed || !equal_constant_time(signature, expected)) fail(reasons.signature, "alg " + std::string{alg.name});
}

}  // namespace

const JoseReasons id_token_reasons{
    Reason::id_token_malformed, Reason::id_token_encryption, Reason::id_token_decryption,
    Reason::id_token_algorithm, Reason::id_token_key,        Reason::id_token_signature,
};
const JoseReasons userinfo_reasons{
    Reason::userinfo_malformed, Reason::userinfo_encryption, Reason::userinfo_encryption,
    Reason::userinfo_signature, Reason::userinfo_signature,  Reason::userinfo_signature,
};

bool is_signature_alg(std::string_view alg) noexcept { return find_alg(alg) != nullptr; }

bool is_hmac_alg(std::string_view alg) noexcept
{
    const AlgRow* row = find_alg(alg);
    return row != nullptr && row->family == Family::hmac;
}

std::size_t hash_size(std::string_view alg) noexcept
{
    const AlgRow* row = find_alg(alg);
    return row == nullptr ? 0 : row->hash_size;
}

bool is_jwe(std::string_view compact) noexcept { return std::count(compact.begin(), compact.end(), '.') == 4; }

std::vector<std::string_view> split_token(std::string_view compact, std::size_t count, const JoseReasons& reasons)
{
    if (compact.size() > max_token_size) fail(reasons.malformed, "longer than 64 kB");

    const auto dots = static_cast<std::size_t>(std::count(compact.begin(), compact.end(), '.'));
    if (dots + 1 != count) fail(reasons.malformed, "not " + std::to_string(count) + " segments");

    std::vector<std::string_view> segments;
    for (std::size_t start = 0; segments.size() < count;) {
        const std::size_t dot = std::min(compact.find('.', start), compact.size());
        segments.push_back(compact.substr(start, dot - start));
        start = dot + 1;
    }
    return segments;
}

std::string decode_segment(std::string_view segment, const JoseReasons& reasons)
{
    std::optional<std::string> bytes = base64url_decode(segment);
    if (!bytes) fail(reasons.malformed, "a segment is not canonical base64url");
    return std::move(*bytes);
}

Json parse_header(std::string_view segment, const JoseReasons& reasons)
{
    const std::string text = decode_segment(segment, reasons);
    if (text.size() > max_header_size) fail(reasons.malformed, "the header is longer than 8 kB");

    const Json header = Json::parse(text, max_header_depth);
    if (!header.is_object()) fail(reasons.malformed, "the header is no JSON object, or repeats a member");
    for (const std::string_view name : {"crit", "b64", "zip"})
        if (header.has(name)) fail(reasons.malformed, "the header has \"" + std::string{name} + "\"");
    for (const std::string_view name : {"alg", "kid", "typ"}) {
        const bool sized = header.string(name).value_or("").size() <= max_header_text;
        if (header.has(name) && !(header.at(name).is_string() && sized))
            fail(reasons.malformed, "\"" + std::string{name} + "\" of the header is no short string");
    }
    return header;
}

Jws parse_jws(std::string compact, const JoseReasons& reasons)
{
    const std::vector<std::string_view> segments = split_token(compact, 3, reasons);
    const Json header = parse_header(segments[0], reasons);
    decode_segment(segments[1], reasons);
    decode_segment(segments[2], reasons);

    Jws jws;
    jws.alg_ = header.string("alg").value_or("");
    jws.kid_ = header.string("kid").value_or("");
    jws.typ_ = header.string("typ").value_or("");
    if (!is_signature_alg(jws.alg_)) fail(reasons.algorithm, "alg \"" + jws.alg_ + "\"");
    jws.compact_ = std::move(compact);
    return jws;
}

VerifiedJws verify(const Jws& token, const Jwks& keys, const VerifyPolicy& policy)
{
    const CleanErrorQueue clean;
    const JoseReasons& reasons = policy.reasons;
    const bool allowed = std::find(policy.algs.begin(), policy.algs.end(), token.alg()) != policy.algs.end();
    const AlgRow* alg = find_alg(token.alg());
    if (!allowed || alg == nullptr) fail(reasons.algorithm, "alg " + std::string{token.alg()} + " is not allowed");
    if (alg->family == Family::hmac) require_hmac(token, policy.hmac_secret, *alg, reasons);
    else require_signature(token, keys, *alg, reasons);

    VerifiedJws verified;
    verified.claims_ = Json::parse(decode_segment(payload_of(token.compact()), reasons));
    if (!verified.claims_.is_object()) fail(reasons.malformed, "the payload is no JSON object, or repeats a member");
    verified.compact_ = token.compact();
    verified.alg_ = token.alg();
    verified.typ_ = token.typ();
    return verified;
}

}  // namespace oidc
