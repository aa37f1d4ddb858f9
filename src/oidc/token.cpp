#include "token.hpp"

#include <algorithm>

#include "failure.hpp"
#include "json.hpp"
#include "url.hpp"

namespace oidc {
namespace {

ClientAuth choose(const Provider& provider, const Endpoints& endpoints)
{
    if (provider.client_auth != ClientAuth::automatic) return provider.client_auth;
    if (provider.client_secret.empty()) return ClientAuth::none;
    auto offered = [&](std::string_view method) {
        return std::find(endpoints.auth_methods.begin(), endpoints.auth_methods.end(), method) != endpoints.auth_methods.end();
    };
    // absent in the metadata means client_secret_basic (Discovery 1.0 section 3)
    bool post_only = !endpoints.auth_methods.empty() && !offered("client_secret_basic") && offered("client_secret_post");
    return post_only ? ClientAuth::post : ClientAuth::basic;
}

// RFC 6749 2.3.1: both parts are form-encoded before base64.
std::string basic_header(const Provider& provider)
{
    std::string pair = percent_encode(provider.client_id) + ':' + percent_encode(provider.client_secret.reveal());
    return "Authorization: Basic " + base64(pair);
}

std::string form(const std::vector<Arg>& params) { return append_args("", params).substr(1); }

void authenticate(HttpRequest& request, std::vector<Arg>& params, const Provider& provider, ClientAuth method)
{
    switch (method) {
    case ClientAuth::automatic:
    case ClientAuth::basic: request.headers.push_back(basic_header(provider)); return;
    case ClientAuth::post:
        params.push_back({"client_id", provider.client_id});
        params.push_back({"client_secret", provider.client_secret.reveal()});
        return;
    case ClientAuth::none: params.push_back({"client_id", provider.client_id}); return;
    }
}

HttpRequest token_request(const Provider& provider, const Endpoints& endpoints, CodeExchange& exchange)
{
    HttpRequest request;
    request.url = endpoints.token;
    request.policy = &provider.http;
    request.headers.push_back("Accept: application/json");
    std::vector<Arg> params{{"grant_type", "authorization_code"}, {"code", exchange.code}, {"redirect_uri", exchange.redirect_uri}};
    if (!exchange.verifier.empty()) params.push_back({"code_verifier", exchange.verifier});
    authenticate(request, params, provider, choose(provider, endpoints));
    request.form = form(params);
    return request;
}

// FranceConnect puts the reference of the incident into error_uri's `id`.
std::string support_id(const Json& answer)
{
    std::string uri = answer.string("error_uri").value_or("");
    std::optional<std::vector<Param>> params = parse_query(std::string_view(uri).substr(std::min(uri.find('?') + 1, uri.size())));
    if (!params) return {};
    for (const Param& param : *params) {
        if (param.name == "id" && param.value.size() <= 64) return param.value;
    }
    return {};
}

[[noreturn]] void refuse(const HttpResponse& response)
{
    Json answer = Json::parse(response.body, 8);
    std::string error = answer ? answer.string("error").value_or("") : "";
    std::string detail = "status " + std::to_string(response.status) + (error.empty() ? "" : ", error \"" + error.substr(0, 64) + "\"");
    bool client = error == "invalid_client" || error == "unauthorized_client" || (error.empty() && response.status == 401);
    Failure failure(client ? Reason::client_refused : Reason::token_refused, std::move(detail));
    if (answer) failure.support_id = support_id(answer);
    throw failure;
}

bool is_bearer(std::string_view type)
{
    constexpr std::string_view bearer = "bearer";
    return std::equal(type.begin(), type.end(), bearer.begin(), bearer.end(), [](char a, char b) { return (a | 0x20) == b; });
}

Tokens parse_tokens(const HttpResponse& response)
{
    Json answer = Json::parse(response.body, 8);
    if (!answer || !answer.is_object()) fail(Reason::token_malformed, "the answer is no JSON object");
    Tokens tokens;
    tokens.access_token = answer.string("access_token").value_or("");
    if (tokens.access_token.empty()) fail(Reason::token_malformed, "no access_token");
    if (!is_bearer(answer.string("token_type").value_or(""))) fail(Reason::token_type);
    tokens.id_token = answer.string("id_token").value_or("");
    if (tokens.id_token.empty()) fail(Reason::id_token_missing);
    tokens.expires_in = answer.integer("expires_in");
    return tokens;
}

}  // namespace

void require_response(const HttpResponse& response, std::string_view what)
{
    std::string detail = std::string(what) + ": " + response.error;
    switch (response.transport) {
    case Transport::ok: return;
    case Transport::unreachable: fail(Reason::provider_unreachable, std::move(detail));
    case Transport::timeout: fail(Reason::provider_timeout, std::move(detail));
    case Transport::too_large: fail(Reason::provider_unreachable, std::move(detail));
    case Transport::busy: fail(Reason::provider_busy, std::move(detail));
    }
}

Task<Tokens> exchange_code(const Provider& provider, const Endpoints& endpoints, HttpClient& http, CodeExchange exchange)
{
    HttpRequest request = token_request(provider, endpoints, exchange);
    HttpResponse response = co_await http.send(std::move(request));
    require_response(response, "token endpoint");
    if (response.status != 200) refuse(response);
    co_return parse_tokens(response);
}

}  // namespace oidc
