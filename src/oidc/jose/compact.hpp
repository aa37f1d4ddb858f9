// What signed and encrypted tokens share: the compact serialization (RFC 7515 section 7.1, RFC 7516 section 7.1) behind
// the strict layer W1-W5.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"

namespace oidc {

constexpr std::size_t max_token_size = 64 * 1024;  // bytes

// The Reasons that the kind of token at hand uses, so that one layer serves ID tokens and UserInfo.
struct JoseReasons {
    Reason malformed, encryption, decryption, algorithm, key, signature;
};

// A token within its limits, its segments canonical and decoded, its header strict.
struct Compact {
    std::string text;
    std::vector<std::string> segments;
    Json header;
};

// `count`: of segments. Fails with reasons.malformed.
Compact parse_compact(std::string compact, std::ptrdiff_t count, const JoseReasons& reasons);

std::string decode_segment(std::string_view segment, const JoseReasons& reasons);  // W3

}  // namespace oidc
