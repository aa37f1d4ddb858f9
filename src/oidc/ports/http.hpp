// Calls to a provider: what the protocol needs of the network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/provider/http_policy.hpp"

namespace oidc {

struct HttpRequest {
    std::string url;
    std::vector<std::string> headers;  // "Name: value"
    std::optional<std::string> form;   // application/x-www-form-urlencoded: a POST whose body leaves at most once, ever
    const HttpPolicy* policy = nullptr;
};
// unanswered: the connection ended when the request had left, and before the whole answer was there.
enum class Transport : std::uint8_t { ok, unreachable, timeout, too_large, busy, unanswered };
struct HttpResponse {
    Transport transport = Transport::ok;
    long status = 0;
    std::string content_type, body;
    std::string error;  // of the transport, for the log
};

// Throws the Failure of a call that brought no response: provider_*, or `too_large`.
void require_response(const HttpResponse& response, std::string_view what, Reason too_large);

struct HttpClient {
    virtual ~HttpClient() = default;
    virtual Task<HttpResponse> send(HttpRequest request) = 0;  // never throws for a fault of the peer
};

}  // namespace oidc
