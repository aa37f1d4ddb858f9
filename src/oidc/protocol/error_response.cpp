#include "oidc/protocol/error_response.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

namespace oidc {
namespace {

// FranceConnect puts the reference of the incident into error_uri's `id`.
std::string support_id(const Json& answer)
{
    const std::string uri = answer.text("error_uri");
    std::string_view query = uri;
    take(query, '?');
    const std::vector<Param> params = parse_query(query).value_or(std::vector<Param>());
    const std::string_view id = last_value(params, "id");
    const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == ':' || c == '-'; };
    return std::string(std::ranges::all_of(id, plain) && id.size() <= 64 ? id : "");
}

}  // namespace

Failure error_response(const HttpResponse& response)
{
    const Json answer = Json::parse(response.body, 8);
    const std::string error = answer.text("error");
    const bool client =
        error == "invalid_client" || error == "unauthorized_client" || (error.empty() && response.status == 401);
    std::string detail = "status " + std::to_string(response.status);
    if (!error.empty()) detail += ", error \"" + error.substr(0, 64) + "\"";
    Failure failure(client ? Reason::client_refused : Reason::token_refused, std::move(detail));
    failure.support_id = support_id(answer);
    return failure;
}

}  // namespace oidc
