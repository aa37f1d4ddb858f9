// Hashes (FIPS 180-4) and HMAC (RFC 2104). Algorithms are fetched once; nothing here allocates beyond its result.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "oidc/base/bytes.hpp"

namespace oidc {

using Digest = std::array<unsigned char, 32>;
inline std::string_view view(const Digest& bytes) noexcept { return stored(bytes); }

Digest sha256(std::initializer_list<std::string_view> parts);  // of the parts, one after the other
inline Digest sha256(std::string_view bytes) { return sha256({bytes}); }

// `alg`: its last three digits choose the SHA-2 ("SHA384", "ES256"). Throws std::invalid_argument for another.
std::string hash(std::string_view alg, std::string_view bytes);
std::string hmac(std::string_view alg, std::string_view key, std::string_view bytes);

}  // namespace oidc
