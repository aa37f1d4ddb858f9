#include "oidc/protocol/authentication_request.hpp"

#include <utility>
#include <vector>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {
namespace {

// Core 5.5.1.1: the levels as an essential claim, beside what was configured.
std::string essential_claims(const Request& request, const std::string& acr)
{
    Json claims = Json::parse(last_value(request.args, "claims"));
    if (!claims.is_object()) claims = Json::object();
    Json id_token = claims.at("id_token").is_object() ? claims.at("id_token") : Json::object();
    std::string levels;
    for (const std::string& level : words(acr)) levels += (levels.empty() ? "" : ",") + json_quoted(level);
    id_token.set("acr", Json::parse(concat({"{\"essential\":true,\"values\":[", levels, "]}"})));
    claims.set("id_token", id_token);
    return claims.dump();
}

}  // namespace

bool uses_pkce(const Provider& provider, const Endpoints& endpoints)
{
    return provider.pkce == Switch::on || (provider.pkce == Switch::automatic && endpoints.pkce_s256);
}

bool uses_par(const Provider& provider, const Endpoints& endpoints)
{
    return provider.par == Switch::on || (provider.par == Switch::automatic && endpoints.par_required);
}

std::string all_scopes(const Provider& provider, const std::string& more)
{
    std::vector<std::string> scopes = words(provider.scope);
    for (std::string& each : words(more))
        if (!contains(scopes, each)) scopes.push_back(std::move(each));
    return join(scopes, " ");
}

std::string authorization_url(const Provider& provider, const Endpoints& endpoints, const Request& request,
                              const AuthenticationRequest& asked)
{
    const bool essential = request.step_up && provider.profile != nullptr && provider.profile->essential_acr;
    const std::string scopes = asked.scope.empty() ? "" : all_scopes(provider, asked.scope);
    std::string challenge, max_age, claims;
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request);

    std::vector<Arg> args;
    args.reserve(11 + request.args.size());
    args = {{"client_id", provider.client_id},
            {"scope", scopes.empty() ? provider.scope : scopes},
            {"response_type", "code"},
            {"redirect_uri", redirect_uri},
            {"state", asked.state},
            {"nonce", asked.nonce}};

    if (provider.form_post) args.push_back({"response_mode", "form_post"});
    if (!asked.acr.empty() && !essential) args.push_back({"acr_values", asked.acr});
    if (provider.max_age) args.push_back({"max_age", max_age = std::to_string(*provider.max_age)});

    for (const Param& param : request.args)
        if (!essential || param.name != "claims") args.push_back({param.name, param.value});
    if (essential) args.push_back({"claims", claims = essential_claims(request, asked.acr)});

    if (!asked.verifier.empty()) {
        args.push_back({"code_challenge", challenge = base64url(view(sha256(asked.verifier)))});
        args.push_back({"code_challenge_method", "S256"});
    }
    return append_args(endpoints.authorization, args);
}

}  // namespace oidc
