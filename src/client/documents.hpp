// Provider metadata and key sets: cached by the worker as parsed, by the node as fetched. One fetch at a time in the
// worker (the others wait for its end) and on the node (a lease in the zone of documents; the other workers look
// again).
#pragma once

#include <memory>

#include "ngx_http_oidc.hpp"
#include "oidc/ports/documents.hpp"
#include "oidc/ports/http.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {

std::unique_ptr<Documents> make_documents(HttpClient& http, Zone& zone, ngx_log_t* log);

}  // namespace oidc::ngx
