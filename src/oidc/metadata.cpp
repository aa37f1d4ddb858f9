#include "protocol.hpp"

namespace oidc {
namespace {

struct Row {
    const char* name;
    std::string Endpoints::*endpoint;
    bool required;
};

constexpr Row rows[] = {
    {"authorization_endpoint", &Endpoints::authorization, true}, {"token_endpoint", &Endpoints::token, true},
    {"jwks_uri", &Endpoints::jwks, true},                        {"userinfo_endpoint", &Endpoints::userinfo, false},
    {"end_session_endpoint", &Endpoints::end_session, false},    {"revocation_endpoint", &Endpoints::revocation, false},
};

// Endpoints receive secrets and codes, and the authorization endpoint becomes a Location header. An absent member and a null
// one say the same.
std::string read_endpoint(const Row& row, const Json& document, bool http_allowed)
{
    const std::string name = row.name;
    const Json member = document.at(name);
    if (!member || member.is_null()) {
        if (row.required) fail(Reason::metadata_malformed, name + " is missing");
        return {};
    }
    if (!member.is_string()) fail(Reason::metadata_malformed, name + " is not a string");
    const std::optional<Url> url = parse_url(member.text());
    if (!url) fail(Reason::metadata_endpoint, name + " is not an absolute URL");
    if (url->scheme != "https" && !http_allowed) fail(Reason::metadata_endpoint, name + " is not https");
    return std::string(member.text());
}

}  // namespace

std::string metadata_url(const Provider& provider)
{
    if (!provider.config_url.empty()) return provider.config_url;
    return provider.issuer + (provider.issuer.ends_with('/') ? "" : "/") + ".well-known/openid-configuration";
}

bool needs_metadata(const Provider& provider) noexcept
{
    const Endpoints& given = provider.overrides;
    return given.authorization.empty() || given.token.empty() || given.jwks.empty() || (provider.userinfo && given.userinfo.empty()) ||
           (!provider.logout_uri.empty() && given.end_session.empty());
}

Endpoints parse_metadata(const Provider& provider, std::string_view json)
{
    const Json document = Json::parse(json);
    if (!document.is_object()) fail(Reason::metadata_malformed, "the provider metadata is no JSON object");
    const std::string issuer = document.string("issuer").value_or("none");  // Discovery 4.3: another's must not lend its endpoints
    if (issuer != provider.issuer) fail(Reason::metadata_issuer, "the provider metadata is of another issuer: " + issuer);

    Endpoints endpoints;
    const std::optional<Url> site = parse_url(provider.issuer);
    for (const Row& row : rows) {
        const std::string& given = provider.overrides.*row.endpoint;
        endpoints.*row.endpoint = given.empty() ? read_endpoint(row, document, site && is_loopback(site->host)) : given;
    }
    endpoints.auth_methods = document.strings("token_endpoint_auth_methods_supported");
    endpoints.pkce_s256 = contains(document.strings("code_challenge_methods_supported"), "S256");
    endpoints.callback_iss = document.boolean("authorization_response_iss_parameter_supported").value_or(false);
    return endpoints;
}

}  // namespace oidc
