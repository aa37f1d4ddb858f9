// AES-256-GCM (NIST SP 800-38D), and values sealed with it: the cookies that the browser keeps for us.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oidc/base/random.hpp"

namespace oidc {

// AES-256-GCM under SHA-256(key | salt): base64url(salt | IV | ciphertext | tag). The 16-byte salt is drawn when this
// process first seals with the key, the IV counts.
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random);
std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed);

struct GcmInput {
    std::string_view key, iv, aad, text, tag;
};
// AES-256-GCM decryption; nullopt when a length is wrong (key 32, iv 12, tag 16) or the tag does not match.
std::optional<std::string> open_gcm(const GcmInput& in);

}  // namespace oidc
