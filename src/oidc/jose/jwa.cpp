#include "oidc/jose/jwa.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "oidc/base/text.hpp"

namespace oidc {
namespace {

constexpr Curve curves[] = {
    {"P-256", "prime256v1", "ES256", 32}, {"P-384", "secp384r1", "ES384", 48}, {"P-521", "secp521r1", "ES512", 66}};

}  // namespace

const Curve* find_curve(std::string_view Curve::*by, std::string_view name)
{
    const auto* row = std::ranges::find(curves, name, by);
    return row == std::end(curves) ? nullptr : row;
}

// RFC 7518 section 3.1: two letters for the family, three digits for the hash.
bool is_signature_alg(std::string_view alg) noexcept
{
    using Names = std::initializer_list<std::string_view>;
    const bool known_hash = alg.size() == 5 && contains(Names{"256", "384", "512"}, alg.substr(2));
    return known_hash && contains(Names{"RS", "PS", "ES", "HS"}, alg.substr(0, 2));
}

}  // namespace oidc
