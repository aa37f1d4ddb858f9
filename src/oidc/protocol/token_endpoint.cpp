#include "oidc/protocol/token_endpoint.hpp"

#include <utility>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/protocol/client_auth.hpp"
#include "oidc/protocol/error_response.hpp"

namespace oidc {
namespace {

Tokens parse_tokens(const HttpResponse& response, bool id_token_required)
{
    const Json answer = Json::parse(response.body, 8);
    if (!answer.is_object()) fail(Reason::token_malformed, "the answer is no JSON object");
    Tokens tokens{answer.text("id_token"), answer.text("access_token"), answer.text("refresh_token"),
                  answer.text("scope"), answer.integer("expires_in")};
    if (tokens.access_token.empty()) fail(Reason::token_malformed, "no access_token");
    // RFC 6749 A.12, without the space
    const bool visible =
        is_visible(tokens.access_token) && is_visible(tokens.id_token) && is_visible(tokens.refresh_token);
    if (!visible) fail(Reason::token_malformed, "a token holds a space, a control character or a byte outside ASCII");
    if (!equal_no_case(answer.text("token_type"), "bearer")) fail(Reason::token_type);
    if (tokens.id_token.empty() && id_token_required) fail(Reason::id_token_missing);
    return tokens;
}

}  // namespace

Task<Tokens> exchange_code(Context context, const Endpoints& endpoints, CodeExchange exchange)
{
    std::vector<Arg> params{
        {"grant_type", "authorization_code"}, {"code", exchange.code}, {"redirect_uri", exchange.redirect_uri}};
    if (!exchange.verifier.empty()) params.push_back({"code_verifier", exchange.verifier});
    HttpRequest request = client_request(context, endpoints, endpoints.token, append_args("", params));
    HttpResponse response = co_await context.ports.http.send(std::move(request));
    if (response.transport == Transport::unanswered) {
        Failure lost(Reason::provider_unreachable, "token endpoint: " + response.error);
        lost.unanswered = true;
        throw lost;
    }
    require_response(response, "token endpoint", Reason::token_malformed);
    if (response.status == 200) co_return parse_tokens(response, true);
    throw error_response(response);
}

Task<Tokens> refresh_tokens(Context context, const Endpoints& endpoints, std::string refresh_token)
{
    const std::vector<Arg> params{{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}};
    HttpRequest request = client_request(context, endpoints, endpoints.token, append_args("", params));
    HttpResponse response = co_await context.ports.http.send(std::move(request));
    require_response(response, "token endpoint", Reason::token_malformed);
    if (response.status == 200) co_return parse_tokens(response, false);
    Failure failure = error_response(response);
    const bool judged = response.status < 500 && response.status != 429 && Json::parse(response.body, 8).has("error");
    if (failure.reason == Reason::token_refused && judged) failure.reason = Reason::refresh_refused;
    throw failure;
}

}  // namespace oidc
