// What is fetched for one login: its tokens, and the UserInfo that they give access to.
#include "protocol.hpp"

namespace oidc {
namespace {

ClientAuth choose(const Provider& provider, const Endpoints& endpoints)
{
    if (provider.client_auth != ClientAuth::automatic) return provider.client_auth;
    if (provider.client_secret.empty()) return ClientAuth::none;
    const std::vector<std::string>& offered = endpoints.auth_methods;  // none: client_secret_basic (Discovery 1.0 section 3)
    const bool post_only = contains(offered, "client_secret_post") && !contains(offered, "client_secret_basic");
    return post_only ? ClientAuth::post : ClientAuth::basic;
}

HttpRequest token_request(const Provider& provider, const Endpoints& endpoints, const CodeExchange& exchange)
{
    HttpRequest request{endpoints.token, {"Accept: application/json"}, std::nullopt, &provider.http};
    std::vector<Arg> params{{"grant_type", "authorization_code"}, {"code", exchange.code}, {"redirect_uri", exchange.redirect_uri}};
    if (!exchange.verifier.empty()) params.push_back({"code_verifier", exchange.verifier});

    const ClientAuth method = choose(provider, endpoints);
    const std::string_view secret = provider.client_secret.reveal();
    if (method == ClientAuth::basic) {  // RFC 6749 2.3.1: both parts are form-encoded before base64
        const std::string pair = percent_encode(provider.client_id) + ':' + percent_encode(secret);
        request.headers.push_back("Authorization: Basic " + base64(pair));
    } else {
        params.push_back({"client_id", provider.client_id});
    }
    if (method == ClientAuth::post) params.push_back({"client_secret", secret});
    request.form = append_args("", params).substr(1);
    return request;
}

// FranceConnect puts the reference of the incident into error_uri's `id`.
std::string support_id(const Json& answer)
{
    const std::string uri = answer.string("error_uri").value_or("");
    std::string_view query = uri;
    take(query, '?');
    const std::vector<Param> params = parse_query(query).value_or(std::vector<Param>());
    const std::string_view id = last_value(params, "id");
    return std::string(id.size() <= 64 ? id : "");
}

Failure refusal(const HttpResponse& response)
{
    const Json answer = Json::parse(response.body, 8);
    const std::string error = answer.string("error").value_or("");
    const bool client = error == "invalid_client" || error == "unauthorized_client" || (error.empty() && response.status == 401);
    std::string detail = "status " + std::to_string(response.status);
    if (!error.empty()) detail += ", error \"" + error.substr(0, 64) + "\"";
    Failure failure(client ? Reason::client_refused : Reason::token_refused, std::move(detail));
    failure.support_id = support_id(answer);
    return failure;
}

Tokens parse_tokens(const HttpResponse& response)
{
    const Json answer = Json::parse(response.body, 8);
    if (!answer.is_object()) fail(Reason::token_malformed, "the answer is no JSON object");
    Tokens tokens{answer.string("id_token").value_or(""), answer.string("access_token").value_or(""), answer.integer("expires_in")};
    if (tokens.access_token.empty()) fail(Reason::token_malformed, "no access_token");
    if (!equal_no_case(answer.string("token_type").value_or(""), "bearer")) fail(Reason::token_type);
    if (tokens.id_token.empty()) fail(Reason::id_token_missing);
    return tokens;
}

bool is_jwt(const Provider& provider, std::string_view content_type)
{
    const bool jwt = equal_no_case(content_type.substr(0, content_type.find_first_of("; \t")), "application/jwt");
    const bool refused = provider.userinfo_format == (jwt ? UserinfoFormat::json : UserinfoFormat::jwt);
    if (refused) fail(Reason::userinfo_malformed, jwt ? "the answer is a JWT, and userinfo_format wants JSON"
                                                      : "the answer is no JWT, and userinfo_format wants one");
    return jwt;
}

// 5.3.2: a signed answer names its issuer and its audience; its life is the access token's.
void require_signed_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss") != provider.issuer) fail(Reason::userinfo_issuer);
    if (!contains(claims.strings("aud"), provider.client_id)) fail(Reason::userinfo_audience);
    const std::int64_t expires = claims.integer("exp").value_or(0);
    if (claims.has("exp") && expires + provider.clock_skew <= now) fail(Reason::userinfo_expired);
}

Json require_subject(Json claims, const std::string& subject)
{
    if (!claims.is_object()) fail(Reason::userinfo_malformed, "the answer is no JSON object");
    if (claims.string("sub").value_or("") != subject) fail(Reason::userinfo_subject);
    return claims;
}

}  // namespace

void require_response(const HttpResponse& response, std::string_view what, Reason too_large)
{
    using enum Reason;
    const Reason reasons[] = {internal, provider_unreachable, provider_timeout, too_large, provider_busy};
    const Reason reason = reasons[static_cast<std::size_t>(response.transport)];  // in the order of Transport
    if (response.transport != Transport::ok) fail(reason, concat({what, ": ", response.error}));
}

Task<Tokens> exchange_code(const Provider& provider, const Endpoints& endpoints, Ports& ports, CodeExchange exchange)
{
    HttpRequest request = token_request(provider, endpoints, exchange);
    HttpResponse response = co_await ports.http.send(std::move(request));
    require_response(response, "token endpoint", Reason::token_malformed);
    if (response.status == 200) co_return parse_tokens(response);
    Failure failure = refusal(response);
    if (failure.reason == Reason::token_refused) {
        co_await ports.sessions.forget(exchange.use_key);
    }
    throw failure;
}

Task<Json> fetch_userinfo(const Provider& provider, const Endpoints& endpoints, Ports& ports, const Tokens& tokens,
                          std::string subject, std::int64_t now)
{
    if (endpoints.userinfo.empty()) fail(Reason::metadata_endpoint, "no userinfo_endpoint");
    HttpRequest request;
    request.url = endpoints.userinfo;
    request.policy = &provider.http;
    request.headers = {"Authorization: Bearer " + tokens.access_token, "Accept: application/jwt, application/json"};
    HttpResponse response = co_await ports.http.send(std::move(request));
    require_response(response, "UserInfo endpoint", Reason::userinfo_malformed);
    if (response.status != 200) fail(Reason::userinfo_refused, "status " + std::to_string(response.status));
    if (!is_jwt(provider, response.content_type)) {
        if (provider.userinfo_encryption.required) fail(Reason::userinfo_encryption, "the answer is not encrypted");
        co_return require_subject(Json::parse(response.body, 32), subject);
    }
    VerifyPolicy policy = id_token_policy(provider);
    if (!provider.userinfo_algs.empty()) policy.algs = provider.userinfo_algs;
    policy.reasons = userinfo_reasons;
    std::string token = std::move(response.body);
    VerifiedJws verified = co_await open_token(std::move(token), provider, ports.documents, provider.userinfo_encryption, policy);
    require_signed_claims(verified.claims(), provider, now);
    co_return require_subject(verified.claims(), subject);
}

}  // namespace oidc
