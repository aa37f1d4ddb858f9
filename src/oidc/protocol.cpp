// What a provider sends for one login, and how it is judged: the callback, the tokens, the ID token, UserInfo.
#include "login.hpp"

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

Failure refusal(const HttpResponse& response)
{
    const Json answer = Json::parse(response.body, 8);
    const std::string error = answer.text("error");
    const bool client = error == "invalid_client" || error == "unauthorized_client" || (error.empty() && response.status == 401);
    std::string detail = "status " + std::to_string(response.status);
    if (!error.empty()) detail += ", error \"" + error.substr(0, 64) + "\"";
    Failure failure(client ? Reason::client_refused : Reason::token_refused, std::move(detail));
    failure.support_id = support_id(answer);
    return failure;
}

Tokens parse_tokens(const HttpResponse& response, bool id_token_required)
{
    const Json answer = Json::parse(response.body, 8);
    if (!answer.is_object()) fail(Reason::token_malformed, "the answer is no JSON object");
    Tokens tokens{answer.text("id_token"), answer.text("access_token"), answer.text("refresh_token"), answer.text("scope"),
                  answer.integer("expires_in")};
    if (tokens.access_token.empty()) fail(Reason::token_malformed, "no access_token");
    // RFC 6749 A.12, without the space
    const bool visible = is_visible(tokens.access_token) && is_visible(tokens.id_token) && is_visible(tokens.refresh_token);
    if (!visible) fail(Reason::token_malformed, "a token holds a space, a control character or a byte outside ASCII");
    if (!equal_no_case(answer.text("token_type"), "bearer")) fail(Reason::token_type);
    if (tokens.id_token.empty() && id_token_required) fail(Reason::id_token_missing);
    return tokens;
}

bool is_jwt(const Provider& provider, std::string_view content_type)
{
    const bool jwt = equal_no_case(content_type.substr(0, content_type.find_first_of("; \t")), "application/jwt");
    const bool refused = provider.userinfo_format == (jwt ? UserinfoFormat::json : UserinfoFormat::jwt);
    if (!refused) return jwt;
    fail(Reason::userinfo_malformed, jwt ? "a JWT, and userinfo_format wants JSON" : "no JWT, and userinfo_format wants one");
}

// 5.3.2: a signed answer names its issuer and its audience; its life is the access token's.
void require_signed_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss") != provider.issuer) fail(Reason::userinfo_issuer);
    if (!contains(claims.strings("aud"), provider.client_id)) fail(Reason::userinfo_audience);
    const std::int64_t expires = claims.integer("exp").value_or(0);
    if (claims.has("exp") && expires + provider.clock_skew <= now) fail(Reason::userinfo_expired);
}

constexpr std::size_t max_request_uri = 2048;       // it goes into a Location header
constexpr std::size_t max_subject_size = 255;       // Core 2
const std::string clock_hint = ": check the clock of this host";

void require_audience(const Json& claims, std::string_view client_id, const ClaimRules& rules)
{
    const std::vector<std::string> audience = claims.strings("aud");
    const bool only_strings = claims.at("aud").is_string() || audience.size() == claims.at("aud").elements().size();
    if (!contains(audience, client_id) || !only_strings) fail(rules.audience, "aud does not hold our client_id");
    if (audience.size() > 1 && !claims.has("azp")) fail(rules.azp, "several audiences and no azp");
    if (claims.has("azp") && claims.string("azp") != client_id) fail(rules.azp, "azp is not our client_id");
}

void require_times(const Json& claims, std::int64_t now, Seconds skew, const ClaimRules& rules)
{
    const std::optional<std::int64_t> exp = claims.integer("exp"), nbf = claims.integer("nbf"), iat = claims.integer("iat");
    if (!exp) fail(rules.expired, "exp is missing or no integer");
    if (*exp <= now - skew) fail(rules.expired, "expired " + std::to_string(now - *exp) + " s ago" + clock_hint);
    if (claims.has("nbf") && (!nbf || *nbf > now + skew)) fail(rules.expired, "not valid yet (nbf)" + clock_hint);
    if (!iat) fail(rules.iat, "iat is missing or no integer");
    if (*iat > now + skew) fail(rules.iat, "issued " + std::to_string(*iat - now) + " s ahead" + clock_hint);
    if (*iat < now - skew - rules.max_age) fail(rules.iat, "issued " + std::to_string(now - *iat) + " s ago: too old");
}

// Core 3.1.3.8: optional with the code flow, right when present.
void require_at_hash(const VerifiedJws& jws, std::string_view access_token)
{
    if (!jws.claims().has("at_hash")) return;
    const std::string digest = hash(jws.alg(), access_token);
    const std::string left_half = base64url(std::string_view{digest}.substr(0, digest.size() / 2));
    const bool right = equal_constant_time(jws.claims().text("at_hash"), left_half);
    if (access_token.empty() || !right) fail(Reason::id_token_at_hash, "at_hash is not that of the access token");
}

}  // namespace

std::string once(const std::vector<Param>& params, std::string_view name)
{
    const auto times = std::ranges::count(params, name, &Param::name);
    const std::string_view value = last_value(params, name);
    if (times > 1 || (times == 1 && value.empty())) fail(Reason::callback_malformed);
    return std::string(value);
}

Callback parse_callback(std::string_view query)
{
    const std::optional<std::vector<Param>> params = parse_query(query);
    if (!params) fail(Reason::callback_malformed);
    Callback callback{once(*params, "code"), once(*params, "state"), once(*params, "iss"), once(*params, "error"),
                      std::string(last_value(*params, "error_description").substr(0, 256))};
    if (callback.state.empty()) fail(Reason::state_missing);
    if (callback.code.empty() == callback.error.empty()) fail(Reason::callback_malformed, "neither or both of code and error");
    std::ranges::replace_if(callback.error_description, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
    return callback;
}

void require_code(const Callback& callback, const Provider& provider, const Endpoints& endpoints)
{
    const bool judged = provider.iss_parameter != Switch::off;
    const bool required = judged && (provider.iss_parameter == Switch::on || endpoints.callback_iss);
    if (required && callback.iss.empty()) fail(Reason::callback_issuer, "no iss parameter");
    if (judged && !callback.iss.empty() && callback.iss != provider.issuer) fail(Reason::callback_issuer, "iss is another issuer");
    if (callback.error.empty()) return;
    const Reason reason = callback.error == "access_denied"    ? Reason::login_cancelled
                          : callback.error == "login_required" ? Reason::login_required
                                                               : Reason::provider_error;
    Failure failure(reason, "error \"" + callback.error.substr(0, 64) + "\"");
    failure.description = callback.error_description;
    throw failure;
}

void require_response(const HttpResponse& response, std::string_view what, Reason too_large)
{
    using enum Reason;
    const Reason reasons[] = {internal, provider_unreachable, provider_timeout, too_large, provider_busy};
    const Reason reason = reasons[static_cast<std::size_t>(response.transport)];  // in the order of Transport
    if (response.transport != Transport::ok) fail(reason, concat({what, ": ", response.error}));
}

Task<Tokens> exchange_code(Journey on, const Endpoints& endpoints, CodeExchange exchange)
{
    std::vector<Arg> params{{"grant_type", "authorization_code"}, {"code", exchange.code}, {"redirect_uri", exchange.redirect_uri}};
    if (!exchange.verifier.empty()) params.push_back({"code_verifier", exchange.verifier});
    HttpRequest request = client_request(on, endpoints, endpoints.token, append_args("", params));
    HttpResponse response = co_await on.ports.http.send(std::move(request));
    require_response(response, "token endpoint", Reason::token_malformed);
    if (response.status == 200) co_return parse_tokens(response, true);
    Failure failure = refusal(response);
    if (failure.reason == Reason::token_refused)
        co_await on.ports.sessions.forget(exchange.use_key);
    throw failure;
}

Task<Tokens> refresh_tokens(Journey on, const Endpoints& endpoints, std::string refresh_token)
{
    const std::vector<Arg> params{{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}};
    HttpRequest request = client_request(on, endpoints, endpoints.token, append_args("", params));
    HttpResponse response = co_await on.ports.http.send(std::move(request));
    require_response(response, "token endpoint", Reason::token_malformed);
    if (response.status == 200) co_return parse_tokens(response, false);
    Failure failure = refusal(response);
    const bool judged = response.status < 500 && response.status != 429 && Json::parse(response.body, 8).has("error");
    if (failure.reason == Reason::token_refused && judged) failure.reason = Reason::refresh_refused;
    throw failure;
}

Task<bool> revoke_token(Journey on, const Endpoints& endpoints, std::string token, std::string_view kind)
{
    std::vector<Arg> params{{"token", token}};
    if (on.provider.profile->revocation_hint) params.push_back({"token_type_hint", kind});
    HttpRequest request = client_request(on, endpoints, endpoints.revocation, append_args("", params));
    HttpResponse response = co_await on.ports.http.send(std::move(request));
    require_response(response, "revocation endpoint", Reason::token_malformed);
    Failure failure = refusal(response);
    failure.detail.insert(0, "revocation endpoint: ");
    if (response.status != 200) throw failure;
    co_return true;
}

Task<std::string> push_request(Journey on, const Endpoints& endpoints, std::string query)
{
    if (endpoints.par.empty()) fail(Reason::metadata_endpoint, "no pushed_authorization_request_endpoint");
    HttpRequest request = client_request(on, endpoints, endpoints.par, query);
    HttpResponse response = co_await on.ports.http.send(std::move(request));
    require_response(response, "pushed authorization request endpoint", Reason::par_malformed);
    Failure failure = refusal(response);
    if (failure.reason == Reason::token_refused) failure.reason = Reason::par_refused;
    if (response.status != 201) throw failure;
    const std::string uri = Json::parse(response.body, 8).text("request_uri");
    const bool usable = !uri.empty() && uri.size() <= max_request_uri && is_visible(uri);
    if (!usable) fail(Reason::par_malformed, "no usable request_uri");
    co_return uri;
}

Task<Json> fetch_userinfo(Journey on, const Endpoints& endpoints, const Tokens& tokens, std::string subject)
{
    const Provider& provider = on.provider;
    if (endpoints.userinfo.empty()) fail(Reason::metadata_endpoint, "no userinfo_endpoint");
    HttpRequest request{endpoints.userinfo, {}, std::nullopt, &provider.http};
    request.headers = {"Authorization: Bearer " + tokens.access_token, "Accept: application/jwt, application/json"};
    HttpResponse response = co_await on.ports.http.send(std::move(request));
    require_response(response, "UserInfo endpoint", Reason::userinfo_malformed);
    if (response.status != 200) fail(Reason::userinfo_refused, "status " + std::to_string(response.status));
    const bool jwt = is_jwt(provider, response.content_type);
    if (!jwt && provider.userinfo_encryption.required) fail(Reason::userinfo_encryption, "the answer is not encrypted");
    Json claims = jwt ? Json() : Json::parse(response.body, 32);
    if (jwt) {
        VerifyPolicy policy = id_token_policy(provider, endpoints);
        if (!provider.userinfo_algs.empty()) policy.algs = provider.userinfo_algs;
        policy.reasons = userinfo_reasons;
        VerifiedJws verified = co_await open_token(on, std::move(response.body), provider.userinfo_encryption, policy);
        claims = verified.claims();
        require_signed_claims(claims, provider, on.request.now);
    }
    if (!claims.is_object()) fail(Reason::userinfo_malformed, "the answer is no JSON object");
    if (claims.text("sub") != subject) fail(Reason::userinfo_subject);
    co_return claims;
}

Task<VerifiedJws> open_token(Journey on, std::string token, const Encryption& encryption, const VerifyPolicy& policy)
{
    const Jws jws = unwrap(std::move(token), encryption.required, on.provider.own_keys, encryption.algs, policy.reasons);
    if (is_hmac_alg(jws.alg())) co_return VerifiedJws(jws, Jwks(), policy);  // its key is the client secret, where that is allowed
    std::shared_ptr<const Jwks> keys = co_await on.ports.documents.keys(on.provider);
    try {
        co_return VerifiedJws(jws, *keys, policy);
    } catch (const Failure& failure) {
        if (failure.reason != policy.reasons.key && failure.reason != policy.reasons.signature) throw;
    }
    std::shared_ptr<const Jwks> newer = co_await on.ports.documents.newer_keys(on.provider, keys);
    co_return VerifiedJws(jws, *newer, policy);
}

VerifyPolicy id_token_policy(const Provider& provider, const Endpoints& endpoints)
{
    std::vector<std::string> algs = provider.id_token_algs;
    if (algs.empty()) {
        algs = words("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512");
        const std::vector<std::string>& offered = endpoints.id_token_algs;
        std::erase_if(algs, [&](const std::string& alg) { return !offered.empty() && !contains(offered, alg); });
    }
    return {std::move(algs), &provider.client_secret, id_token_reasons};
}

bool acr_at_least(const std::vector<AcrOrder>& orders, const std::vector<std::string>& asked, std::string_view level)
{
    return contains(asked, level) || std::ranges::any_of(orders, [&](const AcrOrder& order) {
        const auto low = std::ranges::find_first_of(order, asked);  // ascending
        return std::find(low, order.end(), level) != order.end();
    });
}

void require_claims(const Json& claims, const Provider& provider, std::int64_t now, const ClaimRules& rules)
{
    if (claims.string("iss") != provider.issuer) fail(rules.issuer, "iss is not " + provider.issuer);                  // (2)
    const std::size_t subject = claims.text("sub").size();                                                             // Core 2
    const bool named = subject > 0 || (rules.sub_optional && !claims.has("sub"));
    if (!named || subject > max_subject_size) fail(rules.subject, "sub is missing, empty or too long");
    require_audience(claims, provider.client_id, rules);                                                               // (3) to (5)
    require_times(claims, now, provider.clock_skew, rules);                                                            // (9), (10)
}

// In the order of Core 3.1.3.7. The nonce comes after everything that makes the token genuine: a caller may conclude from
// id_token_nonce that the provider issued this token to us, for another login.
void require_id_token(const VerifiedJws& jws, const Provider& provider, const Expected& expected, std::int64_t now)
{
    const Json& claims = jws.claims();
    // RFC 8725 section 3.11: neither a logout token nor an access token.
    const bool typed = jws.typ().empty() || equal_no_case(jws.typ(), "JWT") || equal_no_case(jws.typ(), "application/jwt");
    if (!typed) fail(Reason::id_token_type, concat({"typ \"", jws.typ(), "\""}));
    if (claims.has("events")) fail(Reason::id_token_type, "it has \"events\", as a logout token");
    require_claims(claims, provider, now);

    const std::string nonce = claims.text("nonce");                                                                    // (11)
    const bool answers = nonce.empty() ? expected.renewal : equal_constant_time(nonce, expected.nonce);
    if (!answers) fail(Reason::id_token_nonce, "the nonce is not the one of this login");

    const std::string level = claims.text("acr");                                                                      // (12)
    const bool strong = expected.acr.empty() || acr_at_least(provider.acr_orders, expected.acr, level);
    if (!strong) fail(Reason::id_token_acr, "acr is below the level asked for");

    const std::optional<std::int64_t> login = claims.integer("auth_time");                                             // (13)
    const bool aged = provider.max_age && !expected.renewal;
    if (aged && !login) fail(Reason::id_token_auth_time, "auth_time is missing or no integer");
    const bool recent = !aged || now - *login - provider.clock_skew <= *provider.max_age;
    if (!recent) fail(Reason::id_token_auth_time, "the authentication is older than max_age");
    require_at_hash(jws, expected.access_token);
}

}  // namespace oidc
