// Owned C objects, secrets, hashes, encodings and the sealing of cookies (OpenSSL). Algorithms are fetched once; nothing here
// allocates per call beyond its result.
#pragma once
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "text.hpp"

namespace oidc {

// What a C library made, with the function that frees it.
template <auto release> struct Release {
    void operator()(auto* object) const noexcept { release(object); }
};
template <class T, auto release> using Owned = std::unique_ptr<T, Release<release>>;
using Pkey = Owned<EVP_PKEY, EVP_PKEY_free>;
using PkeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
// Leaves OpenSSL's queue of errors as it was: nginx logs an alert for what others leave in it.
struct CleanErrorQueue {
    CleanErrorQueue() noexcept { ERR_set_mark(); }
    CleanErrorQueue(const CleanErrorQueue&) = delete;
    ~CleanErrorQueue() { ERR_pop_to_mark(); }
};

// Bytes that must not be logged, compared in variable time, or left in freed memory. Copies share them.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_{new std::string{std::move(value)}, wipe} {}
    std::string_view reveal() const noexcept { return value_ ? std::string_view{*value_} : std::string_view{}; }
    bool empty() const noexcept { return reveal().empty(); }

private:
    static void wipe(std::string* value) noexcept
    {
        OPENSSL_cleanse(value->data(), value->size());
        delete value;
    }

    std::shared_ptr<const std::string> value_;
};

// Equality in time that depends on the lengths only.
inline bool equal_constant_time(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

inline const unsigned char* bytes_of(std::string_view text) noexcept { return reinterpret_cast<const unsigned char*>(text.data()); }
inline unsigned char* bytes_of(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }
using Digest = std::array<unsigned char, 32>;
inline std::string_view view(const Digest& bytes) noexcept { return stored(bytes); }
using RandomBytes = void (*)(std::span<unsigned char> out);  // fills or throws: randomness is a parameter
void system_random(std::span<unsigned char> out);  // RAND_bytes; throws std::runtime_error
void worker_random(std::span<unsigned char> out);  // the same, drawn 4 kB at a time and never handed out twice: not before a fork

Digest sha256(std::initializer_list<std::string_view> parts);            // of the parts, one after the other
inline Digest sha256(std::string_view bytes) { return sha256({bytes}); }
std::string hash(std::string_view alg, std::string_view bytes);          // the SHA-2 whose size ends the name: "SHA384", "ES256"
std::string hmac(std::string_view alg, std::string_view key, std::string_view bytes);

std::string base64(std::string_view bytes);                              // RFC 4648 section 4, padded
std::string base64url(std::string_view bytes);                           // section 5, unpadded
std::optional<std::string> base64url_decode(std::string_view text);      // unpadded and canonical only (W3), else nullopt

// AES-256-GCM under SHA-256(key | salt): base64url(salt | IV | ciphertext | tag). The 16-byte salt is drawn when this process first
// seals with the key, the IV counts.
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random);
std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed);

struct GcmInput {
    std::string_view key, iv, aad, text, tag;
};
// AES-256-GCM decryption; nullopt when a length is wrong (key 32, iv 12, tag 16) or the tag does not match.
std::optional<std::string> open_gcm(const GcmInput& in);

}  // namespace oidc
