#include "oidc/provider/profiles.hpp"

#include <algorithm>
#include <cstddef>
#include <initializer_list>

#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"

namespace oidc {
namespace {

using Names = std::initializer_list<std::string_view>;

bool has_only(std::string_view value, Names known)
{
    const std::vector<std::string> found = words(value);
    return !found.empty() && std::ranges::all_of(found, [&](const std::string& word) { return contains(known, word); });
}

bool is_franceconnect_prompt(std::string_view value) { return has_only(value, {"login", "consent"}); }
bool is_proconnect_prompt(std::string_view value) { return has_only(value, {"login", "consent", "none"}); }

// {"id_token":{"amr":null}}: any other claim makes FranceConnect ask for consent again and again.
bool is_authentication_claims(std::string_view value)
{
    const Json claims = Json::parse(value);
    return claims.is_object() && std::ranges::all_of(claims.names(), [&](const std::string& member) {
               return member == "id_token" && claims.at(member).is_object() &&
                      std::ranges::all_of(claims.at(member).names(), [](const std::string& claim) {
                          return contains(Names{"amr", "acr", "auth_time"}, claim);
                      });
           });
}

bool is_email(std::string_view value)
{
    const std::size_t at = value.find('@');
    if (at == 0 || at == value.npos || value.rfind('@') != at) return false;
    const std::string_view domain = value.substr(at + 1);
    const bool spaced = std::ranges::any_of(value, [](char c) { return (c >= 0 && c <= 0x20) || c == 0x7f; });
    return !spaced && domain.find('.', 1) != domain.npos && !domain.starts_with('.') && !domain.ends_with('.');
}

bool is_siret(std::string_view value)
{
    return value.size() == 14 && value.find_first_not_of("0123456789") == value.npos;
}

// ---- The profiles, a function each: what differs from a provider of which nothing is known.

// What the portals of the French State have in common.
Profile french_portal()
{
    Profile profile;
    profile.client_auth = ClientAuth::post;
    profile.hexadecimal_secret = true;
    profile.par_accepted = false;

    profile.closed = true;
    profile.authorization_args = {"acr_values", "prompt", "claims", "idp_hint", "ui_locales"};
    profile.max_age_refusal = "its auth_time is always the present, so that max_age says nothing; remove the directive";

    profile.id_token_algs = {"ES256", "RS256"};
    profile.known_algs = {"ES256", "RS256", "HS256"};
    profile.one_algorithm = true;
    profile.encryption = Switch::off;
    profile.userinfo = true;
    profile.userinfo_format = UserinfoFormat::jwt;

    profile.logout_token_hint = true;
    profile.logout_state = true;
    profile.logout_needs_return = true;
    profile.tells_of_logout = false;
    profile.revoke_on_logout = true;
    profile.tamper_logout = true;
    return profile;
}

Profile franceconnect()
{
    Profile profile = french_portal();
    profile.name = "franceconnect";
    profile.title = "FranceConnect";
    profile.issuers = {{"production", "https://oidc.franceconnect.gouv.fr/api/v2"},
                       {"integration", "https://fcp-low.integ01.dev-franceconnect.fr/api/v2"}};
    profile.acr_orders = {{"eidas1"}};
    profile.acr_default = {"eidas1"};

    profile.argument_rules = {
        {"prompt", is_franceconnect_prompt, "prompt to be login, consent or both"},
        {"claims", is_authentication_claims, "claims to name amr, acr and auth_time of the id_token alone"}};
    profile.pkce = Switch::off;
    profile.pkce_refusal = "refuses PKCE parameters with an error page";
    profile.userinfo_json = false;
    profile.revocation_hint = false;
    profile.logout_needs_hint = true;
    return profile;
}

Profile franceconnect_plus()
{
    Profile profile = franceconnect();
    profile.name = "franceconnect_plus";
    profile.title = "FranceConnect+";
    profile.issuers = {{"production", "https://auth.franceconnect.gouv.fr/api/v2"},
                       {"integration", "https://auth.integ01.dev-franceconnect.fr/api/v2"}};
    profile.acr_orders = {{"eidas2", "eidas3"}};
    profile.acr_default = {"eidas2"};

    profile.id_token_algs = {"ES256"};
    profile.known_algs = {"ES256"};
    profile.encryption = Switch::on;
    return profile;
}

Profile proconnect()
{
    Profile profile = french_portal();
    profile.name = "proconnect";
    profile.title = "ProConnect";
    profile.issuers = {{"production", "https://auth.agentconnect.gouv.fr/api/v2"},
                       {"integration", "https://fca.integ01.dev-agentconnect.fr/api/v2"},
                       {"production", "https://auth.agentconnect.rie.gouv.fr/api/v2", "rie"},
                       {"integration", "https://fca.integ02.agentconnect.rie.gouv.fr/api/v2", "rie"}};
    profile.acr_orders = {{"eidas0", "eidas1", "eidas2", "eidas3"},
                          {"eidas0-mfa", "eidas1-mfa"},
                          {"https://proconnect.gouv.fr/assurance/certification-dirigeant"}};
    profile.essential_acr = true;

    profile.authorization_args = {"acr_values", "prompt",     "claims",     "idp_hint",
                                  "ui_locales", "login_hint", "siret_hint", "response_mode"};
    profile.argument_rules = {{"prompt", is_proconnect_prompt, "prompt to be login, consent or none"},
                              {"login_hint", is_email, "login_hint to be an e-mail address"},
                              {"siret_hint", is_siret, "siret_hint to be 14 digits"}};
    profile.pkce = Switch::on;
    return profile;
}

}  // namespace

const std::vector<Profile>& profiles()
{
    static const std::vector<Profile> table{Profile(), franceconnect(), franceconnect_plus(), proconnect()};
    return table;
}

const Profile* find_profile(std::string_view name) noexcept
{
    auto row = std::ranges::find(profiles(), name, &Profile::name);
    return row == profiles().end() ? nullptr : &*row;
}

bool knows_acr(const Profile& profile, std::string_view level) noexcept
{
    const auto& orders = profile.acr_orders;
    return orders.empty() || std::ranges::any_of(orders, [&](const auto& order) { return contains(order, level); });
}

std::string why_refused(const Profile& profile, std::string_view name, const std::string* value)
{
    if (profile.closed && !contains(profile.authorization_args, name))
        return concat({profile.title, " does not know the parameter \"", name, "\"; remove it"});
    for (const ArgumentRule& rule : profile.argument_rules)
        if (value != nullptr && rule.name == name && !rule.accepts(*value))
            return concat({profile.title, " wants ", rule.wants});
    return {};
}

bool is_reserved_argument(std::string_view name) noexcept
{
    constexpr std::string_view reserved[] = {
        "client_id", "redirect_uri",   "response_type",         "response_mode", "scope",      "state",
        "nonce",     "code_challenge", "code_challenge_method", "request",       "request_uri"};
    return contains(reserved, name);
}

}  // namespace oidc
