#include "jwe.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "crypto.hpp"

namespace oidc {
namespace {

constexpr std::string_view content_encryption = "A256GCM";
constexpr std::size_t cek_size = 32, iv_size = 12, tag_size = 16, coordinate_size = 32;
constexpr std::size_t max_tries = 4;

struct Release {
    void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, Release>;
using Pkey = std::unique_ptr<EVP_PKEY, PkeyFree>;

struct AlgRow {
    std::string_view name;
    KeyType type;
    const char* oaep_digest;  // of RSA-OAEP and its MGF1
};
constexpr std::array algs{
    AlgRow{"RSA-OAEP", KeyType::rsa, "SHA1"},
    AlgRow{"RSA-OAEP-256", KeyType::rsa, "SHA256"},
    AlgRow{"ECDH-ES", KeyType::ec, nullptr},
};

const AlgRow* find_alg(std::string_view name) noexcept
{
    const auto* row = std::find_if(algs.begin(), algs.end(), [&](const AlgRow& each) { return each.name == name; });
    return row == algs.end() ? nullptr : row;
}

unsigned char* bytes_of(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(const std::string& text) noexcept { return reinterpret_cast<const unsigned char*>(text.data()); }

// A token that passed the strict layer, with what its key management needs.
struct Parts {
    const AlgRow* alg = nullptr;
    std::string kid, encrypted_key, iv, ciphertext, tag;
    std::string_view header;  // as it came: the additional authenticated data
    Pkey ephemeral;           // ECDH-ES only
    std::string apu, apv;
};

std::string header_bytes(const Json& header, std::string_view name, const JoseReasons& reasons)
{
    if (!header.has(name)) return {};
    if (!header.at(name).is_string()) fail(reasons.malformed, "\"" + std::string{name} + "\" of the header is no string");
    return decode_segment(*header.string(name), reasons);
}

// OpenSSL refuses a point that is not on the curve.
Pkey make_p256(const std::string& x, const std::string& y)
{
    std::string group = "prime256v1", point = '\x04' + x + y;
    const std::array params{
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end(),
    };
    const Context context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context.get());
    const bool made = EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(params.data())) == 1;
    Pkey owned{key};
    return made ? std::move(owned) : nullptr;
}

// W16.
Pkey read_ephemeral(const Json& header, const JoseReasons& reasons)
{
    const Json epk = header.at("epk");
    const bool shaped = epk.is_object() && !epk.has("d") && epk.string("kty") == "EC" && epk.string("crv") == "P-256";
    if (!shaped) fail(reasons.malformed, "\"epk\" is no public P-256 key");

    const std::string x = header_bytes(epk, "x", reasons), y = header_bytes(epk, "y", reasons);
    const bool sized = x.size() == coordinate_size && y.size() == coordinate_size;
    if (!sized) fail(reasons.malformed, "\"epk\" has coordinates of a wrong size");
    Pkey key = make_p256(x, y);
    if (!key) fail(reasons.malformed, "\"epk\" is not on its curve");
    return key;
}

Parts parse(std::string_view compact, const DecryptPolicy& policy)
{
    const JoseReasons& reasons = policy.reasons;
    const std::vector<std::string_view> segments = split_token(compact, 5, reasons);
    const Json header = parse_header(segments[0], reasons);
    const std::string alg = header.string("alg").value_or("");
    const bool allowed = std::find(policy.algs.begin(), policy.algs.end(), alg) != policy.algs.end();

    Parts parts;
    parts.alg = find_alg(alg);
    if (!allowed || parts.alg == nullptr) fail(reasons.encryption, "encrypted with \"" + alg + "\", which is not configured");
    if (header.string("enc") != content_encryption) fail(reasons.encryption, "\"enc\" is not A256GCM");
    parts.kid = header.string("kid").value_or("");
    parts.header = segments[0];
    parts.encrypted_key = decode_segment(segments[1], reasons);
    parts.iv = decode_segment(segments[2], reasons);
    parts.ciphertext = decode_segment(segments[3], reasons);
    parts.tag = decode_segment(segments[4], reasons);
    if (parts.iv.size() != iv_size || parts.tag.size() != tag_size) fail(reasons.malformed, "IV or tag of a wrong size");
    if (parts.alg->type == KeyType::rsa) return parts;

    if (!parts.encrypted_key.empty()) fail(reasons.malformed, "ECDH-ES with an encrypted key");
    parts.ephemeral = read_ephemeral(header, reasons);
    parts.apu = header_bytes(header, "apu", reasons);
    parts.apv = header_bytes(header, "apv", reasons);
    return parts;
}

// RFC 7516 section 11.5: a wrong padding or length goes on with a random key, so that it fails where a wrong tag fails.
Secret rsa_key(const Parts& parts, EVP_PKEY* own)
{
    std::string random(cek_size, '\0');
    system_random({bytes_of(random), random.size()});
    Secret substitute{std::move(random)};

    const auto modulus_size = static_cast<std::size_t>(EVP_PKEY_get_size(own));
    const Context context{EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr)};
    std::string plain(modulus_size, '\0');
    std::size_t size = plain.size();
    const bool opened = parts.encrypted_key.size() == modulus_size && EVP_PKEY_decrypt_init(context.get()) == 1 &&
                        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
                        EVP_PKEY_CTX_set_rsa_oaep_md_name(context.get(), parts.alg->oaep_digest, nullptr) == 1 &&
                        EVP_PKEY_CTX_set_rsa_mgf1_md_name(context.get(), parts.alg->oaep_digest, nullptr) == 1 &&
                        EVP_PKEY_decrypt(context.get(), bytes_of(plain), &size, bytes_of(parts.encrypted_key), modulus_size) == 1;
    Secret cek{std::string{plain, 0, opened ? size : 0}};
    OPENSSL_cleanse(plain.data(), plain.size());
    return cek.reveal().size() == cek_size ? std::move(cek) : std::move(substitute);
}

// The point is on the curve since make_p256(), and on P-256 (cofactor 1) nothing else can be wrong with it: OpenSSL's full
// check would multiply it by the order, which costs as much as the agreement.
Secret agreed_key(const Parts& parts, EVP_PKEY* own)
{
    constexpr int point_was_checked = 0;
    const Context context{EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr)};
    std::string bytes(coordinate_size, '\0');
    std::size_t size = bytes.size();
    const bool agreed = EVP_PKEY_derive_init(context.get()) == 1 &&
                        EVP_PKEY_derive_set_peer_ex(context.get(), parts.ephemeral.get(), point_was_checked) == 1 &&
                        EVP_PKEY_derive(context.get(), bytes_of(bytes), &size) == 1 && size == coordinate_size;
    const Secret shared{std::move(bytes)};
    if (!agreed) return {};
    return Secret{concat_kdf(shared.reveal(), content_encryption, parts.apu, parts.apv, cek_size * 8)};
}

std::optional<std::string> open_with(const Parts& parts, const OwnKey& key)
{
    const Secret cek = parts.alg->type == KeyType::rsa ? rsa_key(parts, key.key.get()) : agreed_key(parts, key.key.get());
    return open_gcm({cek.reveal(), parts.iv, parts.header, parts.ciphertext, parts.tag});
}

// The keys that the kid names, else every one of the type: a provider may have read our keys without their kid.
std::vector<const OwnKey*> fitting_keys(const Parts& parts, const std::vector<OwnKey>& keys)
{
    std::vector<const OwnKey*> named, typed;
    for (const OwnKey& key : keys) {
        const bool able = key.use == KeyUse::enc && key.type == parts.alg->type && (key.alg.empty() || key.alg == parts.alg->name);
        if (able) typed.push_back(&key);
        if (able && !parts.kid.empty() && key.kid == parts.kid) named.push_back(&key);
    }
    std::vector<const OwnKey*>& chosen = named.empty() ? typed : named;
    chosen.resize(std::min(chosen.size(), max_tries));
    return std::move(chosen);
}

std::string big_endian(std::uint32_t number)
{
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
    return bytes;
}

std::string sized(std::string_view bytes) { return big_endian(static_cast<std::uint32_t>(bytes.size())).append(bytes); }

}  // namespace

bool is_jwe_alg(std::string_view alg) noexcept { return find_alg(alg) != nullptr; }

std::string concat_kdf(std::string_view shared, std::string_view algorithm, std::string_view apu, std::string_view apv,
                       std::uint32_t bits)
{
    std::string input = big_endian(1);
    input.reserve(64 + shared.size() + algorithm.size() + apu.size() + apv.size());  // moving it would leave the secret behind
    input.append(shared).append(sized(algorithm)).append(sized(apu)).append(sized(apv)).append(big_endian(bits));
    const Digest round = sha256(input);
    OPENSSL_cleanse(input.data(), input.size());
    return std::string{view(round).substr(0, bits / 8)};
}

std::string decrypt(std::string_view compact, const std::vector<OwnKey>& keys, const DecryptPolicy& policy)
{
    const CleanErrorQueue clean;
    const Parts parts = parse(compact, policy);
    const std::vector<const OwnKey*> candidates = fitting_keys(parts, keys);
    if (candidates.empty()) fail(policy.reasons.decryption, "no client_key for " + std::string{parts.alg->name});

    for (const OwnKey* key : candidates)
        if (std::optional<std::string> plaintext = open_with(parts, *key)) return std::move(*plaintext);
    fail(policy.reasons.decryption, "no client_key opens it: encrypted to kid \"" + parts.kid + "\"");
}

Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const DecryptPolicy& policy)
{
    if (encrypted != is_jwe(token)) fail(policy.reasons.encryption, encrypted ? "it is not encrypted" : "it is encrypted");
    return parse_jws(encrypted ? decrypt(token, keys, policy) : std::move(token), policy.reasons);
}

}  // namespace oidc
