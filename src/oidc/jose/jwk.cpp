#include "oidc/jose/jwk.hpp"

#include <cstddef>

#include "oidc/base/base64.hpp"

namespace oidc {

BigNumber big_number(std::string bytes)
{
    BigNumber number{BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), BN_secure_new())};
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return number;
}

std::string bytes_in(const Json& jwk, std::string_view name) { return base64url_decode(jwk.text(name)).value_or(""); }

bool absent_or_short(const Json& object, std::string_view name)
{
    constexpr std::size_t max_text_size = 256;

    const Json value = object.at(name);
    return !value || (value.is_string() && value.text().size() <= max_text_size);
}

}  // namespace oidc
