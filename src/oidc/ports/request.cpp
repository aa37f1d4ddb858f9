#include "oidc/ports/request.hpp"

#include "oidc/base/text.hpp"

namespace oidc {

std::string absolute_uri(const std::string& uri, const Request& request)
{
    return concat({uri.starts_with('/') ? std::string_view{request.base_url} : "", uri});
}

}  // namespace oidc
