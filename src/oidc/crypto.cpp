#include "crypto.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace oidc {
namespace {

constexpr std::size_t key_size = 32, salt_size = 16, tag_size = 16, iv_size = 12;

struct Release {
    void operator()(EVP_MD* md) const noexcept { EVP_MD_free(md); }
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
    void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
    void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
template <class T> using Owned = std::unique_ptr<T, Release>;

void require(bool ok, const char* what)
{
    if (!ok) throw std::runtime_error{what};
}

const unsigned char* bytes_of(std::string_view text) noexcept { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }
int int_of(std::size_t size)
{
    require(size <= 1U << 30, "input too large");
    return static_cast<int>(size);
}

// One algorithm fetched once with the one context that serves it: a worker has a single thread, and a context holds nothing
// that a fork would share.
class Hash {
public:
    explicit Hash(const char* name) : md_{EVP_MD_fetch(nullptr, name, nullptr)}, context_{EVP_MD_CTX_new()}
    {
        require(md_ && context_, "OpenSSL lacks a digest");
    }

    void start() { require(EVP_DigestInit_ex2(context_.get(), md_.get(), nullptr) == 1, "digest"); }
    void add(std::string_view bytes) { require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "digest"); }
    void finish(unsigned char* out) { require(EVP_DigestFinal_ex(context_.get(), out, nullptr) == 1, "digest"); }
    void finish_long(std::span<unsigned char> out)
    {
        require(EVP_DigestFinalXOF(context_.get(), out.data(), out.size()) == 1, "digest");
    }
    std::string digest(std::string_view bytes)
    {
        std::string out(static_cast<std::size_t>(EVP_MD_get_size(md_.get())), '\0');
        start();
        add(bytes);
        finish(bytes_of(out));
        return out;
    }

private:
    Owned<EVP_MD> md_;
    Owned<EVP_MD_CTX> context_;
};

Hash& sha256_hash()
{
    static Hash hash{"SHA256"};
    return hash;
}

class Gcm {
public:
    Gcm() : cipher_{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)}, context_{EVP_CIPHER_CTX_new()}
    {
        require(cipher_ && context_, "OpenSSL lacks AES-256-GCM");
    }

    // Appends to `out` the ciphertext and its tag.
    void encrypt(std::string_view key, std::string_view iv, std::string_view aad, std::string_view plaintext, std::string& out)
    {
        start(key, iv, aad, true);
        const std::size_t at = out.size();
        out.resize(at + plaintext.size() + tag_size);
        int written = 0;
        unsigned char* text = bytes_of(out) + at;
        require(EVP_CipherUpdate(context_.get(), text, &written, bytes_of(plaintext), int_of(plaintext.size())) == 1, "AES-GCM");
        unsigned char* tag = text + plaintext.size();
        require(EVP_CipherFinal_ex(context_.get(), tag, &written) == 1, "AES-GCM");
        require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, tag_size, tag) == 1, "AES-GCM");
        forget_key();
    }

    bool decrypt(const GcmInput& in, std::string& out)
    {
        start(in.key, in.iv, in.aad, false);
        std::array<unsigned char, tag_size> tag;
        std::copy_n(bytes_of(in.tag), tag_size, tag.data());
        out.resize(in.ciphertext.size());
        int written = 0;
        unsigned char none[1];
        const bool ok =
            EVP_CipherUpdate(context_.get(), bytes_of(out), &written, bytes_of(in.ciphertext), int_of(in.ciphertext.size())) == 1 &&
            EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1 &&
            EVP_CipherFinal_ex(context_.get(), none, &written) == 1;
        forget_key();
        return ok;
    }

private:
    void start(std::string_view key, std::string_view iv, std::string_view aad, bool encrypt)
    {
        int written = 0;
        require(EVP_CipherInit_ex2(context_.get(), cipher_.get(), bytes_of(key), bytes_of(iv), encrypt ? 1 : 0, nullptr) == 1 &&
                    EVP_CipherUpdate(context_.get(), nullptr, &written, bytes_of(aad), int_of(aad.size())) == 1,
                "AES-GCM");
    }

    // The context is kept, the key schedule is not: nothing of it stays in memory between two calls.
    void forget_key() { EVP_CIPHER_CTX_reset(context_.get()); }

    Owned<EVP_CIPHER> cipher_;
    Owned<EVP_CIPHER_CTX> context_;
};

Gcm& gcm()
{
    static Gcm instance;
    return instance;
}

constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view plain_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> url_values = [] {
    std::array<signed char, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < url_alphabet.size(); ++i)
        values[static_cast<unsigned char>(url_alphabet[i])] = static_cast<signed char>(i);
    return values;
}();

std::string encode(std::string_view bytes, std::string_view alphabet)
{
    std::string out((bytes.size() * 4 + 2) / 3, '\0');
    char* to = out.data();
    std::uint32_t pending = 0;
    int bits = 0;
    for (const char byte : bytes) {
        pending = pending << 8 | static_cast<unsigned char>(byte);
        for (bits += 8; bits >= 6; bits -= 6) *to++ = alphabet[pending >> (bits - 6) & 63];
    }
    if (bits > 0) *to = alphabet[pending << (6 - bits) & 63];
    return out;
}

// A fresh key for each salt, so that the IV may be constant: a 128-bit salt does not repeat.
Digest derive(std::string_view key, std::string_view salt) { return hmac_sha256(key, salt); }
constexpr std::string_view constant_iv{"\0\0\0\0\0\0\0\0\0\0\0\0", iv_size};
static_assert(std::tuple_size_v<Digest> == key_size);

}  // namespace

void system_random(std::span<unsigned char> out)
{
    require(RAND_bytes(out.data(), int_of(out.size())) == 1, "the system has no randomness to give");
}

void worker_random(std::span<unsigned char> out)
{
    static std::array<unsigned char, 4096> stock;
    static std::size_t used = stock.size();
    if (out.size() > stock.size() - used) {
        system_random(stock);
        used = 0;
    }
    require(out.size() <= stock.size(), "too much randomness at once");
    std::copy_n(stock.begin() + static_cast<std::ptrdiff_t>(used), out.size(), out.begin());
    OPENSSL_cleanse(stock.data() + used, out.size());
    used += out.size();
}

Digest sha256(std::string_view bytes)
{
    Digest out;
    Hash& hash = sha256_hash();
    hash.start();
    hash.add(bytes);
    hash.finish(out.data());
    return out;
}

std::string hash(std::string_view alg_hash, std::string_view bytes)
{
    static Hash sha384{"SHA384"}, sha512{"SHA512"};
    if (alg_hash == "SHA256") return sha256_hash().digest(bytes);
    if (alg_hash == "SHA384") return sha384.digest(bytes);
    if (alg_hash == "SHA512") return sha512.digest(bytes);
    throw std::invalid_argument{"unknown hash"};
}

// RFC 2104 by hand: EVP_MAC costs several times as much for messages this short.
Digest hmac_sha256(std::string_view key, std::string_view bytes)
{
    constexpr std::size_t block_size = 64;
    std::array<char, block_size> inner{}, outer;
    const Digest hashed = key.size() > block_size ? sha256(key) : Digest{};
    const std::string_view used = key.size() > block_size ? view(hashed) : key;
    std::copy(used.begin(), used.end(), inner.begin());
    std::transform(inner.begin(), inner.end(), outer.begin(), [](char c) { return static_cast<char>(c ^ 0x5c); });
    std::transform(inner.begin(), inner.end(), inner.begin(), [](char c) { return static_cast<char>(c ^ 0x36); });

    Digest out;
    Hash& hash = sha256_hash();
    hash.start();
    hash.add({inner.data(), inner.size()});
    hash.add(bytes);
    hash.finish(out.data());
    hash.start();
    hash.add({outer.data(), outer.size()});
    hash.add(view(out));
    hash.finish(out.data());
    OPENSSL_cleanse(inner.data(), inner.size());
    OPENSSL_cleanse(outer.data(), outer.size());
    return out;
}

void expand(std::string_view seed, std::span<unsigned char> out)
{
    static Hash shake{"SHAKE256"};
    shake.start();
    shake.add(seed);
    shake.finish_long(out);
}

std::string base64url(std::string_view bytes) { return encode(bytes, url_alphabet); }

std::string base64(std::string_view bytes)
{
    std::string out = encode(bytes, plain_alphabet);
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text)
{
    if (text.size() % 4 == 1) return std::nullopt;

    std::string out(text.size() * 3 / 4, '\0');
    char* to = out.data();
    std::uint32_t pending = 0;
    int bits = 0;
    for (const char c : text) {
        const int value = url_values[static_cast<unsigned char>(c)];
        if (value < 0) return std::nullopt;
        pending = pending << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        *to++ = static_cast<char>(pending >> bits & 0xff);
    }
    const std::uint32_t unused = pending & ((1U << bits) - 1);
    if (unused != 0) return std::nullopt;  // a second spelling of the same bytes
    return out;
}

std::optional<std::string> open_gcm(const GcmInput& in)
{
    if (in.key.size() != key_size || in.iv.size() != iv_size || in.tag.size() != tag_size) return std::nullopt;

    std::string plaintext;
    if (gcm().decrypt(in, plaintext)) return plaintext;
    OPENSSL_cleanse(plaintext.data(), plaintext.size());
    return std::nullopt;
}

std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random)
{
    std::string out;
    out.reserve(salt_size + plaintext.size() + tag_size);
    out.resize(salt_size);
    random({bytes_of(out), salt_size});
    Digest derived = derive(key, out);
    gcm().encrypt(view(derived), constant_iv, aad, plaintext, out);
    OPENSSL_cleanse(derived.data(), derived.size());
    return base64url(out);
}

std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed)
{
    const std::optional<std::string> bytes = base64url_decode(sealed);
    if (!bytes || bytes->size() < salt_size + tag_size) return std::nullopt;

    const std::string_view all = *bytes;
    const std::size_t length = all.size() - salt_size - tag_size;
    Digest derived = derive(key, all.substr(0, salt_size));
    std::optional<std::string> plaintext =
        open_gcm({view(derived), constant_iv, aad, all.substr(salt_size, length), all.substr(salt_size + length)});
    OPENSSL_cleanse(derived.data(), derived.size());
    return plaintext;
}

}  // namespace oidc
