#include "jose.hpp"

#include <openssl/rsa.h>

namespace oidc {
namespace {

constexpr std::size_t max_header_size = 8 * 1024, max_header_depth = 8, max_text_size = 256;
constexpr int max_verifications = 8, max_decryptions = 4;  // for one token (W13)
constexpr std::size_t cek_size = 32, iv_size = 12, tag_size = 16, coordinate_size = 32;
constexpr std::string_view content_encryption = "A256GCM";

std::string decode(std::string_view segment, const JoseReasons& reasons)  // W3
{
    std::optional<std::string> bytes = base64url_decode(segment);
    if (!bytes) fail(reasons.malformed, "a segment is not canonical base64url");
    return std::move(*bytes);
}

Compact parse_compact(std::string compact, std::ptrdiff_t count, const JoseReasons& reasons)
{
    if (compact.size() > max_token_size) fail(reasons.malformed, "longer than 64 kB");
    if (std::ranges::count(compact, '.') + 1 != count) fail(reasons.malformed, "not " + std::to_string(count) + " segments");
    Compact token{std::move(compact), {}, {}};
    std::string_view rest = token.text;
    while (count-- > 0) token.segments.push_back(decode(take(rest, '.'), reasons));
    if (token.segments[0].size() > max_header_size) fail(reasons.malformed, "the header is longer than 8 kB");
    token.header = Json::parse(token.segments[0], max_header_depth);
    if (!token.header.is_object()) fail(reasons.malformed, "the header is no JSON object, or repeats a member");
    for (const std::string name : {"crit", "b64", "zip"})
        if (token.header.has(name)) fail(reasons.malformed, "the header has \"" + name + "\"");
    for (const std::string name : {"alg", "kid", "typ"})
        if (!absent_or_short(token.header, name)) fail(reasons.malformed, "\"" + name + "\" of the header is no short string");
    return token;
}

// A new cjose object for each try: it keeps, and then leaks, the digest of a failed one.
bool verifies(const Jws& token, const VerificationKey& key)
{
    cjose_err error{};
    const Owned<cjose_jws_t, cjose_jws_release> jws{cjose_jws_import(token.compact().data(), token.compact().size(), &error)};
    return jws && cjose_jws_verify(jws.get(), key.key.get(), &error);
}

void require_signature(const Jws& token, std::size_t size, const Jwks& keys, const JoseReasons& reasons)
{
    int tries = 0;
    for (const VerificationKey& key : keys) {
        const bool same_kid = token.kid().empty() || key.kid == token.kid();
        const bool same_alg = key.alg.empty() ? is_rsa_alg(token.alg()) : key.alg == token.alg();  // W7, W8: with type and curve
        if (!same_kid || !same_alg) continue;
        if (++tries > max_verifications) break;
        if (size == key.signature_size && verifies(token, key)) return;  // W9: cjose reads as many bytes as the key says
    }
    const std::string wanted = "alg " + std::string{token.alg()} + ", kid \"" + std::string{token.kid()} + "\"";
    fail(tries == 0 ? reasons.key : reasons.signature, (tries == 0 ? "no key for " : "") + wanted);
}

void require_hmac(const Jws& token, std::string_view signature, const Secret* secret, const JoseReasons& reasons)
{
    const std::string alg{token.alg()};
    const std::string_view key = secret == nullptr ? std::string_view{} : secret->reveal();
    const std::string mac = hmac(alg, key, token.compact().substr(0, token.compact().rfind('.')));
    if (key.size() < mac.size()) fail(reasons.algorithm, alg + " needs a secret at least as long as its hash");  // W11
    if (!equal_constant_time(signature, mac)) fail(reasons.signature, "alg " + alg);
}

// W6, W15: as configured, every part of its exact length.
void require_shape(const Compact& token, const std::vector<std::string>& algs, const JoseReasons& reasons)
{
    const std::string alg = token.header.text("alg");
    const bool allowed = is_jwe_alg(alg) && contains(algs, alg);
    if (!allowed) fail(reasons.encryption, "encrypted with \"" + alg + "\", which is not configured");
    if (token.header.text("enc") != content_encryption) fail(reasons.encryption, "\"enc\" is not A256GCM");
    const bool sized = token.segments[2].size() == iv_size && token.segments[4].size() == tag_size;
    if (!sized) fail(reasons.malformed, "IV or tag of a wrong size");
    if (alg == "ECDH-ES" && !token.segments[1].empty()) fail(reasons.malformed, "ECDH-ES with an encrypted key");
}

// RFC 7516 section 11.5: a wrong padding or length goes on with a random key, so that it fails where a wrong tag fails.
Secret rsa_key(std::string_view encrypted, const char* digest, EVP_PKEY* own)
{
    std::string cek(cek_size, '\0'), plain(static_cast<std::size_t>(EVP_PKEY_get_size(own)), '\0');
    system_random({bytes_of(cek), cek.size()});
    std::size_t size = plain.size();
    const PkeyContext context{EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr)};
    const bool opened = encrypted.size() == size && EVP_PKEY_decrypt_init(context.get()) == 1 &&
                        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
                        EVP_PKEY_CTX_set_rsa_oaep_md_name(context.get(), digest, nullptr) == 1 &&
                        EVP_PKEY_CTX_set_rsa_mgf1_md_name(context.get(), digest, nullptr) == 1 &&
                        EVP_PKEY_decrypt(context.get(), bytes_of(plain), &size, bytes_of(encrypted), encrypted.size()) == 1;
    if (opened && size == cek_size) std::copy_n(plain.begin(), cek_size, cek.begin());
    OPENSSL_cleanse(plain.data(), plain.size());
    return Secret{std::move(cek)};
}

// W16.
Pkey ephemeral_key(const Json& epk, EVP_PKEY* own, const JoseReasons& reasons)
{
    const bool shaped = epk.is_object() && !epk.has("d") && epk.string("kty") == "EC" && epk.string("crv") == "P-256";
    if (!shaped) fail(reasons.malformed, "\"epk\" is no public P-256 key");
    const std::string x = decode(epk.text("x"), reasons), y = decode(epk.text("y"), reasons), point = '\x04' + x + y;
    const bool sized = x.size() == coordinate_size && y.size() == coordinate_size;
    if (!sized) fail(reasons.malformed, "\"epk\" has coordinates of a wrong size");
    Pkey key{EVP_PKEY_new()};
    const bool on_curve = EVP_PKEY_copy_parameters(key.get(), own) == 1 &&
                          EVP_PKEY_set1_encoded_public_key(key.get(), bytes_of(std::string_view{point}), point.size()) == 1;
    if (!on_curve) fail(reasons.malformed, "\"epk\" is not on its curve");
    return key;
}

// On P-256 (cofactor 1) nothing can be wrong with a point that is on the curve: OpenSSL's full check would multiply it by the
// order, which costs as much as the agreement.
Secret agreed_key(const Json& header, EVP_PKEY* own, const JoseReasons& reasons)
{
    const Pkey peer = ephemeral_key(header.at("epk"), own, reasons);
    for (const std::string name : {"apu", "apv"})
        if (header.has(name) && !header.at(name).is_string()) fail(reasons.malformed, "\"" + name + "\" is no string");
    const std::string apu = decode(header.text("apu"), reasons), apv = decode(header.text("apv"), reasons);
    const PkeyContext context{EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr)};
    std::string bytes(coordinate_size, '\0');
    std::size_t size = bytes.size();
    const bool agreed = EVP_PKEY_derive_init(context.get()) == 1 &&
                        EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0) == 1 &&  // not validated again
                        EVP_PKEY_derive(context.get(), bytes_of(bytes), &size) == 1 && size == coordinate_size;
    const Secret shared{std::move(bytes)};
    return agreed ? Secret{concat_kdf(shared.reveal(), content_encryption, apu, apv, cek_size * 8)} : Secret{};
}

std::optional<std::string> open_with(const OwnKey& key, const Compact& token, const JoseReasons& reasons)
{
    const std::string_view aad = std::string_view{token.text}.substr(0, token.text.find('.'));
    const std::string alg = token.header.text("alg");
    const Secret cek = alg == "ECDH-ES" ? agreed_key(token.header, key.key.get(), reasons)
                                        : rsa_key(token.segments[1], alg == "RSA-OAEP" ? "SHA1" : "SHA256", key.key.get());
    return open_gcm({cek.reveal(), token.segments[2], aad, token.segments[3], token.segments[4]});
}

}  // namespace

// RFC 7518 section 3.1: two letters for the family, three digits for the hash.
bool is_signature_alg(std::string_view alg) noexcept
{
    using Names = std::initializer_list<std::string_view>;
    const bool known_hash = alg.size() == 5 && contains(Names{"256", "384", "512"}, alg.substr(2));
    return known_hash && contains(Names{"RS", "PS", "ES", "HS"}, alg.substr(0, 2));
}

bool absent_or_short(const Json& object, std::string_view name)
{
    const Json value = object.at(name);
    return !value || (value.is_string() && value.text().size() <= max_text_size);
}

Jws::Jws(std::string compact, const JoseReasons& reasons) : token_{parse_compact(std::move(compact), 3, reasons)}
{
    if (!is_signature_alg(alg())) fail(reasons.algorithm, concat({"alg \"", alg(), "\""}));
}

VerifiedJws::VerifiedJws(const Jws& token, const Jwks& keys, const VerifyPolicy& policy) : Jws{token}
{
    const CleanErrorQueue clean;
    const JoseReasons& reasons = policy.reasons;
    const std::string &payload = token_.segments[1], &signature = token_.segments[2];
    if (!contains(policy.algs, alg())) fail(reasons.algorithm, concat({"alg ", alg(), " is not allowed"}));
    if (is_hmac_alg(alg())) require_hmac(*this, signature, policy.hmac_secret, reasons);
    else require_signature(*this, signature.size(), keys, reasons);
    claims_ = Json::parse(payload);
    if (!claims_.is_object()) fail(reasons.malformed, "the payload is no JSON object, or repeats a member");
}

std::string concat_kdf(std::string_view shared, std::string_view alg, std::string_view apu, std::string_view apv, unsigned bits)
{
    const auto big_endian = [](std::size_t number) {
        return std::string{'\0', static_cast<char>(number >> 16), static_cast<char>(number >> 8), static_cast<char>(number)};
    };
    std::string info;
    for (const std::string_view each : {alg, apu, apv}) info.append(big_endian(each.size())).append(each);
    const Digest round = sha256({big_endian(1), shared, info, big_endian(bits)});
    return std::string{view(round).substr(0, bits / 8)};
}

// The keys that the kid names, else every one that can: a provider may have read our keys without their kid.
std::string decrypt(std::string compact, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
                    const JoseReasons& reasons)
{
    const CleanErrorQueue clean;
    const Compact token = parse_compact(std::move(compact), 5, reasons);
    require_shape(token, algs, reasons);
    const std::string alg = token.header.text("alg"), kid = token.header.text("kid");
    const auto named = [&](const OwnKey& key) { return can_decrypt(key, alg) && key.kid == kid; };
    const bool by_kid = std::ranges::any_of(keys, named);
    int tries = 0;
    for (const OwnKey& key : keys) {
        if (!(by_kid ? named(key) : can_decrypt(key, alg))) continue;
        if (++tries > max_decryptions) break;
        if (std::optional<std::string> plaintext = open_with(key, token, reasons)) return std::move(*plaintext);
    }
    fail(reasons.decryption, tries == 0 ? "no client_key for " + alg : "no client_key opens it: encrypted to kid \"" + kid + "\"");
}

Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
           const JoseReasons& reasons)
{
    const bool is_jwe = std::ranges::count(token, '.') == 4;
    if (encrypted != is_jwe) fail(reasons.encryption, encrypted ? "it is not encrypted" : "it is encrypted");
    return {encrypted ? decrypt(std::move(token), keys, algs, reasons) : std::move(token), reasons};
}

}  // namespace oidc
