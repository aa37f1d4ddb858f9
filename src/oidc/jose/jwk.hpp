// The members of a JSON Web Key (RFC 7517; RFC 7518 section 6).
#pragma once

#include <string>
#include <string_view>

#include <openssl/bn.h>

#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"

namespace oidc {

constexpr int min_rsa_bits = 2048, max_rsa_bits = 8192;  // larger: an operation costs too much

using BigNumber = Owned<BIGNUM, BN_clear_free>;

// Secure numbers: OpenSSL wipes the copies that it makes of them, too.
BigNumber big_number(std::string bytes);
std::string bytes_in(const Json& jwk, std::string_view name);     // decoded; empty: absent, or no base64url
bool absent_or_short(const Json& object, std::string_view name);  // no such member, or a string of at most 256 bytes

}  // namespace oidc
