#include "oidc/provider/acr.hpp"

#include <algorithm>

#include "oidc/base/text.hpp"

namespace oidc {

bool acr_at_least(const std::vector<AcrOrder>& orders, const std::vector<std::string>& asked, std::string_view level)
{
    return contains(asked, level) || std::ranges::any_of(orders, [&](const AcrOrder& order) {
               const auto low = std::ranges::find_first_of(order, asked);  // ascending
               return std::find(low, order.end(), level) != order.end();
           });
}

}  // namespace oidc
