// What calls to a provider obey.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "oidc/base/digest.hpp"
#include "oidc/base/secret.hpp"

namespace oidc {

// What every call to this provider obeys. Milliseconds and bytes. Files are opened by the workers.
struct HttpPolicy {
    std::int64_t timeout = 10000, connect_timeout = 3000;
    std::size_t max_response = 256 * 1024;
    std::string ca_file, crl_file, proxy;
    std::string certificate;  // of the client, in PEM, its chain behind it
    Secret certificate_key;
    // What decides whether an answer can be believed: authorities, revocation lists, proxy, client certificate. Only
    // providers of equal trust share what one of them has fetched.
    Digest trust{};
};

}  // namespace oidc
