#include "metadata.hpp"

#include <algorithm>
#include <array>

#include "failure.hpp"
#include "json.hpp"
#include "url.hpp"

namespace oidc {
namespace {

struct Row {
    const char* name;
    std::string Endpoints::*endpoint;
    bool required;
};

constexpr std::array rows{
    Row{"authorization_endpoint", &Endpoints::authorization, true},
    Row{"token_endpoint", &Endpoints::token, true},
    Row{"jwks_uri", &Endpoints::jwks, true},
    Row{"userinfo_endpoint", &Endpoints::userinfo, false},
    Row{"end_session_endpoint", &Endpoints::end_session, false},
    Row{"revocation_endpoint", &Endpoints::revocation, false},
};

bool issued_by_loopback(const Provider& provider)
{
    std::optional<Url> issuer = parse_url(provider.issuer);
    return issuer && is_loopback(issuer->host);
}

// Endpoints receive secrets and codes, and the authorization endpoint becomes a Location header.
void require_endpoint(const Row& row, const std::string& text, bool http_allowed)
{
    std::optional<Url> url = parse_url(text);
    if (!url) fail(Reason::metadata_endpoint, std::string(row.name) + " is not an absolute URL");
    if (url->scheme != "https" && !http_allowed) fail(Reason::metadata_endpoint, std::string(row.name) + " is not https");
}

// An absent member and a null one say the same.
std::string read_endpoint(const Row& row, const Json& document, bool http_allowed)
{
    Json member = document.at(row.name);
    if (!member || member.is_null()) {
        if (row.required) fail(Reason::metadata_malformed, std::string(row.name) + " is missing");
        return {};
    }
    if (!member.is_string()) fail(Reason::metadata_malformed, std::string(row.name) + " is not a string");
    std::string url(member.text());
    require_endpoint(row, url, http_allowed);
    return url;
}

bool lists(const Json& document, std::string_view member, std::string_view value)
{
    std::vector<std::string> values = document.strings(member);
    return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::string metadata_url(const Provider& provider)
{
    if (!provider.config_url.empty()) return provider.config_url;
    std::string url = provider.issuer;
    if (url.ends_with('/')) url.pop_back();
    return url + "/.well-known/openid-configuration";
}

bool needs_metadata(const Provider& provider) noexcept
{
    const Endpoints& given = provider.overrides;
    if (given.authorization.empty() || given.token.empty() || given.jwks.empty()) return true;
    if (provider.userinfo && given.userinfo.empty()) return true;
    return !provider.logout_uri.empty() && given.end_session.empty();
}

Endpoints parse_metadata(const Provider& provider, std::string_view json)
{
    Json document = Json::parse(json);
    if (!document.is_object()) fail(Reason::metadata_malformed, "the provider metadata is no JSON object");

    // Discovery 4.3: another issuer's document must not lend this one its endpoints.
    if (document.string("issuer") != provider.issuer) {
        fail(Reason::metadata_issuer, "the provider metadata is of another issuer: " + document.string("issuer").value_or("none"));
    }

    Endpoints endpoints;
    const bool http_allowed = issued_by_loopback(provider);
    for (const Row& row : rows) {
        const std::string& given = provider.overrides.*row.endpoint;
        endpoints.*row.endpoint = given.empty() ? read_endpoint(row, document, http_allowed) : given;
    }
    endpoints.auth_methods = document.strings("token_endpoint_auth_methods_supported");
    endpoints.signing_algs = document.strings("id_token_signing_alg_values_supported");
    endpoints.pkce_s256 = lists(document, "code_challenge_methods_supported", "S256");
    endpoints.callback_iss = document.boolean("authorization_response_iss_parameter_supported").value_or(false);
    return endpoints;
}

}  // namespace oidc
