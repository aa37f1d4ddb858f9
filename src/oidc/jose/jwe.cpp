#include "oidc/jose/jwe.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include <openssl/rsa.h>

#include "oidc/base/aes_gcm.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwa.hpp"

namespace oidc {
namespace {

constexpr int max_decryptions = 4;  // for one token (W13)
constexpr std::size_t cek_size = 32, iv_size = 12, tag_size = 16, coordinate_size = 32;
constexpr std::string_view content_encryption = "A256GCM";

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
    const bool opened =
        encrypted.size() == size && EVP_PKEY_decrypt_init(context.get()) == 1 &&
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
    const std::string x = decode_segment(epk.text("x"), reasons), y = decode_segment(epk.text("y"), reasons),
                      point = '\x04' + x + y;
    const bool sized = x.size() == coordinate_size && y.size() == coordinate_size;
    if (!sized) fail(reasons.malformed, "\"epk\" has coordinates of a wrong size");
    Pkey key{EVP_PKEY_new()};
    const bool on_curve =
        EVP_PKEY_copy_parameters(key.get(), own) == 1 &&
        EVP_PKEY_set1_encoded_public_key(key.get(), bytes_of(std::string_view{point}), point.size()) == 1;
    if (!on_curve) fail(reasons.malformed, "\"epk\" is not on its curve");
    return key;
}

// On P-256 (cofactor 1) nothing can be wrong with a point that is on the curve: OpenSSL's full check would multiply it
// by the order, which costs as much as the agreement.
Secret agreed_key(const Json& header, EVP_PKEY* own, const JoseReasons& reasons)
{
    const Pkey peer = ephemeral_key(header.at("epk"), own, reasons);
    for (const std::string name : {"apu", "apv"})
        if (header.has(name) && !header.at(name).is_string()) fail(reasons.malformed, "\"" + name + "\" is no string");
    const std::string apu = decode_segment(header.text("apu"), reasons),
                      apv = decode_segment(header.text("apv"), reasons);
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
    const Secret cek = alg == "ECDH-ES"
                           ? agreed_key(token.header, key.key.get(), reasons)
                           : rsa_key(token.segments[1], alg == "RSA-OAEP" ? "SHA1" : "SHA256", key.key.get());
    return open_gcm({cek.reveal(), token.segments[2], aad, token.segments[3], token.segments[4]});
}

}  // namespace

std::string concat_kdf(std::string_view shared, std::string_view alg, std::string_view apu, std::string_view apv,
                       unsigned bits)
{
    const auto big_endian = [](std::size_t number) {
        return std::string{'\0', static_cast<char>(number >> 16), static_cast<char>(number >> 8),
                           static_cast<char>(number)};
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
    fail(reasons.decryption,
         tries == 0 ? "no client_key for " + alg : "no client_key opens it: encrypted to kid \"" + kid + "\"");
}

Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
           const JoseReasons& reasons)
{
    const bool is_jwe = std::ranges::count(token, '.') == 4;
    if (encrypted != is_jwe) fail(reasons.encryption, encrypted ? "it is not encrypted" : "it is encrypted");
    return {encrypted ? decrypt(std::move(token), keys, algs, reasons) : std::move(token), reasons};
}

}  // namespace oidc
