#include "oidc/ports/http.hpp"

#include <cstddef>

#include "oidc/base/text.hpp"

namespace oidc {

void require_response(const HttpResponse& response, std::string_view what, Reason too_large)
{
    using enum Reason;
    if (response.transport == Transport::ok) return;
    const Reason reasons[] = {internal,  provider_unreachable, provider_timeout,
                              too_large, provider_busy,        provider_unreachable};  // in the order of Transport
    fail(reasons[static_cast<std::size_t>(response.transport)], concat({what, ": ", response.error}));
}

}  // namespace oidc
