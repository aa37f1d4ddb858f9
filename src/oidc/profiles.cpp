// What is known of each kind of provider, in one table.
#include "provider.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>

#include "json.hpp"

namespace oidc {
namespace {

template <class List, class Value>
bool contains(const List& list, const Value& value)
{
    return std::find(list.begin(), list.end(), value) != list.end();
}

bool all_words_in(std::string_view text, std::initializer_list<std::string_view> known)
{
    std::istringstream words{std::string(text)};
    std::vector<std::string> found{std::istream_iterator<std::string>(words), {}};
    bool spaces_only = text.find_first_of("\t\r\n\v\f") == text.npos;
    return !found.empty() && spaces_only && std::ranges::all_of(found, [&](const std::string& word) { return contains(known, word); });
}

bool is_franceconnect_prompt(std::string_view value) { return all_words_in(value, {"login", "consent"}); }
bool is_proconnect_prompt(std::string_view value) { return all_words_in(value, {"login", "consent", "none"}); }

// {"id_token":{"amr":null}}: any other claim makes FranceConnect ask for consent again and again.
bool is_authentication_claims(std::string_view value)
{
    static constexpr std::array<std::string_view, 3> granted{"amr", "acr", "auth_time"};
    Json claims = Json::parse(value);
    if (!claims.is_object()) return false;
    for (const std::string& member : claims.names()) {
        if (member != "id_token" || !claims.at(member).is_object()) return false;
        for (const std::string& claim : claims.at(member).names()) {
            if (!contains(granted, claim)) return false;
        }
    }
    return true;
}

bool is_email(std::string_view value)
{
    std::size_t at = value.find('@');
    if (at == 0 || at == value.npos || value.rfind('@') != at) return false;
    std::string_view domain = value.substr(at + 1);
    std::size_t dot = domain.find('.');
    bool spaced = std::any_of(value.begin(), value.end(), [](char c) { return (c >= 0 && c <= 0x20) || c == 0x7f; });
    return !spaced && dot != 0 && dot != domain.npos && !domain.ends_with('.');
}

bool is_siret(std::string_view value)
{
    return value.size() == 14 && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Profile named(std::string_view name, std::string_view title)
{
    Profile row;
    row.name = name;
    row.title = title;
    return row;
}

// What the portals of the French State have in common.
Profile portal(std::string_view name, std::string_view title)
{
    Profile row = named(name, title);
    row.closed = row.portal = true;
    row.max_age_refusal = "its auth_time is always the present, so that max_age says nothing; remove the directive";
    row.client_auth = ClientAuth::post;
    row.id_token_algs = {"ES256", "RS256"};
    row.known_algs = {"ES256", "RS256", "HS256"};
    row.encryption = Switch::off;
    row.userinfo = row.logout_token_hint = row.logout_state = true;
    row.userinfo_format = UserinfoFormat::jwt;
    return row;
}

Profile franceconnect(std::string_view name, std::string_view title)
{
    Profile row = portal(name, title);
    row.authorization_args = {"acr_values", "prompt", "claims", "idp_hint", "ui_locales"};
    row.argument_rules = {
        {"prompt", is_franceconnect_prompt, "prompt to be login, consent or both"},
        {"claims", is_authentication_claims, "claims to name amr, acr and auth_time of the id_token alone"},
    };
    row.pkce_refusal = "refuses PKCE parameters with an error page";
    row.pkce = Switch::off;
    row.userinfo_json = false;
    row.logout_needs_hint = true;
    return row;
}

Profile franceconnect_low()
{
    Profile row = franceconnect("franceconnect", "FranceConnect");
    row.issuers = {{"production", "internet", "https://oidc.franceconnect.gouv.fr/api/v2"},
                   {"integration", "internet", "https://fcp-low.integ01.dev-franceconnect.fr/api/v2"}};
    row.acr_orders = {{"eidas1"}};
    row.acr_default = {"eidas1"};
    return row;
}

Profile franceconnect_plus()
{
    Profile row = franceconnect("franceconnect_plus", "FranceConnect+");
    row.issuers = {{"production", "internet", "https://auth.franceconnect.gouv.fr/api/v2"},
                   {"integration", "internet", "https://auth.integ01.dev-franceconnect.fr/api/v2"}};
    row.acr_orders = {{"eidas2", "eidas3"}};
    row.acr_default = {"eidas2"};
    row.id_token_algs = row.known_algs = {"ES256"};
    row.encryption = Switch::on;
    return row;
}

Profile proconnect()
{
    Profile row = portal("proconnect", "ProConnect");
    row.issuers = {{"production", "internet", "https://auth.agentconnect.gouv.fr/api/v2"},
                   {"integration", "internet", "https://fca.integ01.dev-agentconnect.fr/api/v2"},
                   {"production", "rie", "https://auth.agentconnect.rie.gouv.fr/api/v2"},
                   {"integration", "rie", "https://fca.integ02.agentconnect.rie.gouv.fr/api/v2"}};
    row.authorization_args = {"acr_values", "prompt", "claims", "idp_hint", "ui_locales", "login_hint", "siret_hint"};
    row.argument_rules = {
        {"prompt", is_proconnect_prompt, "prompt to be login, consent or none"},
        {"login_hint", is_email, "login_hint to be an e-mail address"},
        {"siret_hint", is_siret, "siret_hint to be 14 digits"},
    };
    row.pkce = Switch::on;
    row.acr_orders = {{"eidas0", "eidas1", "eidas2", "eidas3"},
                      {"eidas0-mfa", "eidas1-mfa"},
                      {"https://proconnect.gouv.fr/assurance/certification-dirigeant"}};
    return row;
}

}  // namespace

const std::vector<Profile>& profiles()
{
    static const std::vector<Profile> table{named("generic", "the provider"), franceconnect_low(), franceconnect_plus(),
                                            proconnect()};
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
    std::string title(profile.title);
    if (profile.closed && !contains(profile.authorization_args, name)) {
        return title + " does not know the parameter \"" + std::string(name) + "\"; remove it";
    }
    for (const ArgumentRule& rule : profile.argument_rules) {
        if (value != nullptr && rule.name == name && !rule.accepts(*value)) return title + " wants " + std::string(rule.wants);
    }
    return {};
}

bool is_reserved_argument(std::string_view name) noexcept
{
    static constexpr std::array<std::string_view, 11> reserved{
        "client_id", "redirect_uri", "response_type", "response_mode", "scope",   "state",
        "nonce",     "code_challenge", "code_challenge_method", "request", "request_uri",
    };
    return contains(reserved, name);
}

}  // namespace oidc
