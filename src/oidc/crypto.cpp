#include "crypto.hpp"

#include <algorithm>
#include <stdexcept>

#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace oidc {
namespace {

constexpr std::size_t key_size = 32, salt_size = 16, tag_size = 16, iv_size = 12;
constexpr std::string_view zero_iv{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16}, gcm_iv = zero_iv.substr(0, iv_size);

void require(bool ok, const char* what)
{
    if (!ok) throw std::runtime_error{what};
}

const EVP_MD* md_of(std::string_view alg)
{
    for (const EVP_MD* md : {EVP_sha256(), EVP_sha384(), EVP_sha512()})
        if (alg.ends_with(std::to_string(EVP_MD_get_size(md) * 8))) return md;
    throw std::invalid_argument{"unknown hash"};
}

// One context for all ciphers, since a worker has a single thread: it is kept, the key schedule is not. With a tag it decrypts.
// GCM, or with the longer IV of a counter CTR.
bool run(const GcmInput& in, unsigned char* out, unsigned char* new_tag)
{
    static const Owned<EVP_CIPHER, EVP_CIPHER_free> gcm{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)},
        ctr{EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr)};
    static const Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> owned{EVP_CIPHER_CTX_new()};
    EVP_CIPHER_CTX* const context = owned.get();
    const EVP_CIPHER* cipher = in.iv.size() == iv_size ? gcm.get() : ctr.get();
    const auto aad_size = static_cast<int>(in.aad.size()), size = static_cast<int>(in.text.size());
    const bool encrypt = in.tag.empty();
    std::string tag{in.tag};
    int written = 0;
    const bool ok = EVP_CipherInit_ex2(context, cipher, bytes_of(in.key), bytes_of(in.iv), encrypt, nullptr) == 1 &&
                    (aad_size == 0 || EVP_CipherUpdate(context, nullptr, &written, bytes_of(in.aad), aad_size) == 1) &&
                    EVP_CipherUpdate(context, out, &written, bytes_of(in.text), size) == 1 &&
                    (encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1) &&
                    EVP_CipherFinal_ex(context, out + size, &written) == 1 &&
                    (new_tag == nullptr || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_size, new_tag) == 1);
    EVP_CIPHER_CTX_reset(context);
    return ok;
}

}  // namespace

void system_random(std::span<unsigned char> out)
{
    require(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "the system has no randomness to give");
}

void worker_random(std::span<unsigned char> out)
{
    static std::array<unsigned char, 4096> stock;
    static std::size_t used = stock.size();
    require(out.size() <= stock.size(), "too much randomness at once");
    if (out.size() > stock.size() - used) {
        system_random(stock);
        used = 0;
    }
    std::copy_n(stock.data() + used, out.size(), out.data());
    OPENSSL_cleanse(stock.data() + used, out.size());
    used += out.size();
}

Digest sha256(std::initializer_list<std::string_view> parts)
{
    static const Owned<EVP_MD, EVP_MD_free> md{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    static const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
    Digest out;
    bool ok = EVP_DigestInit_ex2(context.get(), md.get(), nullptr) == 1;
    for (const std::string_view part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    require(ok && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA-256");
    return out;
}

std::string hash(std::string_view alg, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require(EVP_Digest(bytes.data(), bytes.size(), bytes_of(out), nullptr, md, nullptr) == 1, "digest");
    return out;
}

std::string hmac(std::string_view alg, std::string_view key, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require(HMAC(md, key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(), bytes_of(out), nullptr), "HMAC");
    return out;
}

void expand(std::string_view seed, std::span<unsigned char> out)
{
    std::ranges::fill(out, 0);
    const std::string_view zeros{reinterpret_cast<char*>(out.data()), out.size()};
    require(seed.size() == key_size && run({seed, zero_iv, {}, zeros, {}}, out.data(), nullptr), "AES-CTR");
}

std::string base64(std::string_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4, '\0');
    EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), static_cast<int>(bytes.size()));
    return out;
}

std::string base64url(std::string_view bytes)
{
    std::string out = base64(bytes);
    out.resize((bytes.size() * 4 + 2) / 3);
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text)
{
    std::string padded{text};
    for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
    padded.append((4 - text.size() % 4) % 4, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(bytes_of(out), bytes_of(padded), static_cast<int>(padded.size())) < 0) return std::nullopt;
    out.resize(text.size() * 3 / 4);
    if (base64url(out) != text) return std::nullopt;  // a second spelling of the same bytes
    return out;
}

std::optional<std::string> open_gcm(const GcmInput& in)
{
    if (in.key.size() != key_size || in.iv.size() != iv_size || in.tag.size() != tag_size) return std::nullopt;
    std::string plaintext(in.text.size(), '\0');
    if (run(in, bytes_of(plaintext), nullptr)) return plaintext;
    OPENSSL_cleanse(plaintext.data(), plaintext.size());
    return std::nullopt;
}

// A fresh key for each salt, so that the IV may be constant: a 128-bit salt does not repeat. A plain hash derives it, since both
// inputs are ours and the salt's length is fixed.
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random)
{
    std::string out(salt_size + plaintext.size() + tag_size, '\0');
    random({bytes_of(out), salt_size});
    Digest derived = sha256({key, std::string_view{out}.substr(0, salt_size)});
    unsigned char* const text = bytes_of(out) + salt_size;
    const bool ok = run({view(derived), gcm_iv, aad, plaintext, {}}, text, text + plaintext.size());
    OPENSSL_cleanse(derived.data(), derived.size());
    require(ok, "AES-GCM");
    return base64url(out);
}

std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed)
{
    const std::optional<std::string> bytes = base64url_decode(sealed);
    if (!bytes || bytes->size() < salt_size + tag_size) return std::nullopt;
    const std::string_view salt{bytes->data(), salt_size}, tag = std::string_view{*bytes}.substr(bytes->size() - tag_size),
                           text = std::string_view{*bytes}.substr(salt_size, bytes->size() - salt_size - tag_size);
    Digest derived = sha256({key, salt});
    std::optional<std::string> plaintext = open_gcm({view(derived), gcm_iv, aad, text, tag});
    OPENSSL_cleanse(derived.data(), derived.size());
    return plaintext;
}

}  // namespace oidc
