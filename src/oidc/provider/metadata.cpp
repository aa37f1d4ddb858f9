#include "oidc/provider/metadata.hpp"

#include <optional>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {
namespace {

struct Row {
    const char* name;
    std::string Endpoints::*endpoint;
    bool required;
    bool direct = false;  // called by us: with a certificate at its mtls_endpoint_aliases (RFC 8705 section 5)
};

constexpr Row rows[] = {
    {"authorization_endpoint", &Endpoints::authorization, true},
    {"token_endpoint", &Endpoints::token, true, true},
    {"jwks_uri", &Endpoints::jwks, true},
    {"userinfo_endpoint", &Endpoints::userinfo, false, true},
    {"end_session_endpoint", &Endpoints::end_session, false},
    {"revocation_endpoint", &Endpoints::revocation, false, true},
    {"pushed_authorization_request_endpoint", &Endpoints::par, false, true},
};

// Endpoints receive secrets and codes, and the authorization endpoint becomes a Location header. An absent member and a
// null one say the same.
std::string read_endpoint(const Row& row, const Json& document, bool http_allowed)
{
    const std::string name = row.name;
    const Json member = document.at(name);
    if (!row.required && (!member || member.is_null())) return {};
    if (!member.is_string()) fail(Reason::metadata_malformed, name + " is missing or no string");
    const std::optional<Url> url = parse_url(member.text());
    if (!url) fail(Reason::metadata_endpoint, name + " is not an absolute URL");
    if (url->scheme != "https" && !(http_allowed && is_loopback(url->host)))
        fail(Reason::metadata_endpoint, name + " is not https");
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
    return given.authorization.empty() || given.token.empty() || given.jwks.empty() ||
           (provider.userinfo && given.userinfo.empty()) ||
           (!provider.logout_uri.empty() && given.end_session.empty()) ||
           (provider.par == Switch::on && given.par.empty());
}

Endpoints parse_metadata(const Provider& provider, std::string_view json)
{
    const Json document = Json::parse(json);
    if (!document.is_object()) fail(Reason::metadata_malformed, "the provider metadata is no JSON object");
    const std::string issuer =
        document.string("issuer").value_or("none");  // Discovery 4.3: another's must not lend its endpoints
    if (issuer != provider.issuer)
        fail(Reason::metadata_issuer, "the provider metadata is of another issuer: " + issuer);

    Endpoints endpoints;
    const std::optional<Url> site = parse_url(provider.issuer);
    const Json aliases = document.at("mtls_endpoint_aliases");
    for (const Row& row : rows) {
        const std::string& given = provider.overrides.*row.endpoint;
        const bool alias = row.direct && !provider.http.certificate.empty() && aliases.has(row.name);
        const Json& source = alias ? aliases : document;
        endpoints.*row.endpoint = given.empty() ? read_endpoint(row, source, site && site->scheme == "http") : given;
    }

    endpoints.auth_methods = document.strings("token_endpoint_auth_methods_supported");
    endpoints.auth_algs = document.strings("token_endpoint_auth_signing_alg_values_supported");
    endpoints.id_token_algs = document.strings("id_token_signing_alg_values_supported");
    endpoints.pkce_s256 = contains(document.strings("code_challenge_methods_supported"), "S256");
    endpoints.par_required = document.is_true("require_pushed_authorization_requests");
    endpoints.callback_iss = document.is_true("authorization_response_iss_parameter_supported");
    return endpoints;
}

}  // namespace oidc
