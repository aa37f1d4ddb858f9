// RFC 4648.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oidc {

std::string base64(std::string_view bytes);                          // section 4, padded
std::string base64url(std::string_view bytes);                       // section 5, unpadded
std::optional<std::string> base64url_decode(std::string_view text);  // unpadded and canonical only (W3), else nullopt

}  // namespace oidc
