// Levels of authentication (`acr`, OpenID Connect Core 2) and their order of strength.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oidc {

using AcrOrder = std::vector<std::string>;  // levels in ascending strength

// True when `level` is one of `asked`, or stands above one of them in one of the provider's orders of strength.
bool acr_at_least(const std::vector<AcrOrder>& orders, const std::vector<std::string>& asked, std::string_view level);

}  // namespace oidc
