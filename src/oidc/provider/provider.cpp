#include "oidc/provider/provider.hpp"

#include "oidc/base/bytes.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/text.hpp"

namespace oidc {

std::uint64_t session_binding(const Provider& provider)
{
    return load<std::uint64_t>(view(sha256(concat({provider.name, "\n", provider.issuer, "\n", provider.client_id}))));
}

}  // namespace oidc
