// Provider metadata (OpenID Connect Discovery 1.0 sections 3 and 4; RFC 8414).
#pragma once

#include <string>
#include <string_view>

#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// Where it is read: config_url, else under the issuer (Discovery 4.1).
std::string metadata_url(const Provider& provider);
// False when the `endpoint` directives name every endpoint that this provider's configuration makes use of.
bool needs_metadata(const Provider& provider) noexcept;
// The endpoints in force: `endpoint` directives win over the document, and what they name may be absent or wrong in it.
// Fails with metadata_malformed, metadata_issuer or metadata_endpoint.
Endpoints parse_metadata(const Provider& provider, std::string_view json);

}  // namespace oidc
