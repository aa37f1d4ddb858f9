// What the protocol has at hand: the provider, the request, and what it needs from outside (three virtual interfaces,
// nothing else).
#pragma once

#include <vector>

#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/ports/documents.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

struct Ports {
    HttpClient& http;
    SessionStore& sessions;
    Documents& documents;
    RandomBytes random;
    const std::vector<Secret>& cookie_keys;  // the first seals, all open
};

// What the answer to a browser's request has at hand. Copied into every coroutine; what it names outlives them all.
struct Context {
    const Provider& provider;
    Ports& ports;
    const Request& request;
};

}  // namespace oidc
