#include "oidc/protocol/revocation.hpp"

#include <utility>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/url.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/protocol/client_auth.hpp"
#include "oidc/protocol/error_response.hpp"

namespace oidc {

Task<bool> revoke_token(Context context, const Endpoints& endpoints, std::string token, std::string_view kind)
{
    std::vector<Arg> params{{"token", token}};
    if (context.provider.profile->revocation_hint) params.push_back({"token_type_hint", kind});
    std::string query = append_args("", params);
    HttpResponse response = co_await send_repeatable(context, endpoints, endpoints.revocation, std::move(query));
    require_response(response, "revocation endpoint", Reason::token_malformed);
    Failure failure = error_response(response);
    failure.detail.insert(0, "revocation endpoint: ");
    if (response.status != 200) throw failure;
    co_return true;
}

}  // namespace oidc
