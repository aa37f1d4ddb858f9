#include "oidc/protocol/par.hpp"

#include <cstddef>
#include <utility>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/protocol/client_auth.hpp"
#include "oidc/protocol/error_response.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_request_uri = 2048;  // it goes into a Location header

}  // namespace

Task<std::string> push_request(Context context, const Endpoints& endpoints, std::string query)
{
    if (endpoints.par.empty()) fail(Reason::metadata_endpoint, "no pushed_authorization_request_endpoint");
    HttpResponse response = co_await send_repeatable(context, endpoints, endpoints.par, std::move(query));
    require_response(response, "pushed authorization request endpoint", Reason::par_malformed);
    Failure failure = error_response(response);
    if (failure.reason == Reason::token_refused) failure.reason = Reason::par_refused;
    if (response.status != 201) throw failure;
    const std::string uri = Json::parse(response.body, 8).text("request_uri");
    const bool usable = !uri.empty() && uri.size() <= max_request_uri && is_visible(uri);
    if (!usable) fail(Reason::par_malformed, "no usable request_uri");
    co_return uri;
}

}  // namespace oidc
