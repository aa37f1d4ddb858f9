#include <gtest/gtest.h>

#include <set>

#include "oidc/base/url.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {
namespace {

const Profile& profile(std::string_view name) { return *find_profile(name); }

TEST(Profiles, AreFoundByName)
{
    for (const Profile& row : profiles()) EXPECT_EQ(find_profile(row.name), &row);
    for (const char* name : {"", "FranceConnect", "franceconnect+", "google"})
        EXPECT_EQ(find_profile(name), nullptr) << name;
}

TEST(Profiles, AgreeWithThemselves)
{
    for (const Profile& row : profiles()) {
        for (const std::string& level : row.acr_default) EXPECT_TRUE(knows_acr(row, level)) << row.name;
        std::set<std::string> known(row.known_algs.begin(), row.known_algs.end());
        for (const std::string& alg : row.id_token_algs) EXPECT_TRUE(known.contains(alg)) << row.name;
        for (const ProfileIssuer& issuer : row.issuers) EXPECT_EQ(parse_url(issuer.issuer).value().scheme, "https");
        EXPECT_EQ(row.pkce_refusal.empty(), row.pkce != Switch::off) << row.name;
    }
}

struct Case {
    const char* profile;
    const char* name;
    const char* value;
    bool accepted;
};

const Case cases[] = {
    {"generic", "anything", "x", true},
    {"generic", "prompt", "select_account", true},
    {"franceconnect", "idp_hint", "x", true},
    {"franceconnect", "login_hint", "a@b.fr", false},
    {"franceconnect", "utm_source", "x", false},
    {"franceconnect", "display", "page", false},
    {"franceconnect", "max_age", "60", false},
    {"franceconnect", "prompt", "login", true},
    {"franceconnect", "prompt", "login consent", true},
    {"franceconnect", "prompt", "none", false},
    {"franceconnect", "prompt", "login none", false},
    {"franceconnect", "prompt", "select_account", false},
    {"franceconnect", "prompt", "", false},
    {"franceconnect", "prompt", " ", false},
    {"franceconnect_plus", "claims", R"({"id_token":{"amr":null,"acr":{"essential":true},"auth_time":null}})", true},
    {"franceconnect_plus", "claims", R"({"id_token":{"family_name":null}})", false},
    {"franceconnect_plus", "claims", R"({"userinfo":{"amr":null}})", false},
    {"franceconnect_plus", "claims", "[]", false},
    {"franceconnect_plus", "claims", "x", false},
    {"proconnect", "prompt", "none", true},
    {"proconnect", "prompt", "select_account", false},
    {"proconnect", "login_hint", "jean.dupont@interieur.gouv.fr", true},
    {"proconnect", "login_hint", "jean", false},
    {"proconnect", "login_hint", "@a.fr", false},
    {"proconnect", "login_hint", "a@b", false},
    {"proconnect", "login_hint", "a@b.", false},
    {"proconnect", "login_hint", "a@@b.fr", false},
    {"proconnect", "login_hint", "a b@c.fr", false},
    {"proconnect", "siret_hint", "13002526500013", true},
    {"proconnect", "siret_hint", "130025265", false},
    {"proconnect", "siret_hint", "1300252650001a", false},
    {"proconnect", "claims", R"({"userinfo":{"uid":null}})", true},
    {"proconnect", "organization_hint", "x", false},
};

TEST(Profiles, SayWhichArgumentsAProviderRefuses)
{
    for (const Case& row : cases) {
        std::string value = row.value;
        std::string why = why_refused(profile(row.profile), row.name, &value);
        EXPECT_EQ(why.empty(), row.accepted) << row.profile << ' ' << row.name << ' ' << row.value << ": " << why;
    }
}

TEST(Profiles, JudgeAnUnknownValueByItsNameAlone)
{
    EXPECT_TRUE(why_refused(profile("franceconnect"), "prompt", nullptr).empty());
    EXPECT_FALSE(why_refused(profile("franceconnect"), "display", nullptr).empty());
}

TEST(Profiles, KnowTheLevels)
{
    EXPECT_TRUE(knows_acr(profile("generic"), "gold"));
    EXPECT_TRUE(knows_acr(profile("franceconnect"), "eidas1"));
    EXPECT_FALSE(knows_acr(profile("franceconnect"), "eidas2"));
    EXPECT_FALSE(knows_acr(profile("franceconnect_plus"), "eidas1"));
    EXPECT_TRUE(knows_acr(profile("proconnect"), "eidas0-mfa"));
    EXPECT_FALSE(knows_acr(profile("proconnect"), "eidas4"));
}

TEST(Profiles, OrderTheLevels)
{
    EXPECT_TRUE(acr_at_least(profile("franceconnect_plus").acr_orders, {"eidas2"}, "eidas3"));
    EXPECT_FALSE(acr_at_least(profile("franceconnect_plus").acr_orders, {"eidas3"}, "eidas2"));
    const auto& orders = profile("proconnect").acr_orders;
    EXPECT_TRUE(acr_at_least(orders, {"eidas1"}, "eidas2"));
    EXPECT_TRUE(acr_at_least(orders, {"eidas0-mfa"}, "eidas1-mfa"));
    EXPECT_FALSE(acr_at_least(orders, {"eidas1-mfa"}, "eidas1"));
    EXPECT_FALSE(acr_at_least(orders, {"https://proconnect.gouv.fr/assurance/certification-dirigeant"}, "eidas3"));
}

TEST(Reserved, ArgumentsAreTheModulesOwn)
{
    for (const char* ours : {"client_id", "state", "nonce", "request_uri"}) EXPECT_TRUE(is_reserved_argument(ours));
    for (const char* free : {"prompt", "acr_values", "display", ""}) EXPECT_FALSE(is_reserved_argument(free));
}

}  // namespace
}  // namespace oidc
