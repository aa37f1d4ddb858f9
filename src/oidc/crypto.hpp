// Hashes, encodings and the sealing of cookies (OpenSSL). Algorithms are fetched once; nothing here allocates per call beyond
// its result.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <openssl/err.h>

namespace oidc {

// Leaves OpenSSL's queue of errors as it was: nginx logs an alert for what others leave in it.
struct CleanErrorQueue {
    CleanErrorQueue() noexcept { ERR_set_mark(); }
    CleanErrorQueue(const CleanErrorQueue&) = delete;
    CleanErrorQueue& operator=(const CleanErrorQueue&) = delete;
    ~CleanErrorQueue() { ERR_pop_to_mark(); }
};

using Digest = std::array<unsigned char, 32>;
using RandomBytes = void (*)(std::span<unsigned char> out);  // fills or throws: randomness is a parameter

void system_random(std::span<unsigned char> out);  // RAND_bytes; throws std::runtime_error
void worker_random(std::span<unsigned char> out);  // the same, drawn 4 kB at a time and never handed out twice: not before a fork

Digest sha256(std::string_view bytes);
std::string hash(std::string_view alg_hash, std::string_view bytes);     // "SHA256", "SHA384", "SHA512"
Digest hmac_sha256(std::string_view key, std::string_view bytes);
void expand(std::string_view seed, std::span<unsigned char> out);        // SHAKE256: a stream of bytes from a 256-bit seed

std::string base64url(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);      // unpadded and canonical only (W3), else nullopt
std::string base64(std::string_view bytes);                              // RFC 4648 section 4, padded

// AES-256-GCM under HMAC-SHA256(key, salt) with a fresh 16-byte salt: base64url(salt | ciphertext | tag).
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random);
std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed);

// AES-256-GCM decryption; nullopt when a length is wrong (key 32, iv 12, tag 16) or the tag does not match.
struct GcmInput {
    std::string_view key, iv, aad, ciphertext, tag;
};
std::optional<std::string> open_gcm(const GcmInput& in);

inline std::string_view view(const Digest& digest) noexcept
{
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace oidc
