#include <gtest/gtest.h>

#include "oidc/base/cookie.hpp"
#include "oidc/provider/provider.hpp"
#include "oidc/provider/session_cookie.hpp"

using namespace oidc;

struct Header {
    const char* text;
    const char* value;
};

class FindCookie : public ::testing::TestWithParam<Header> {};

TEST_P(FindCookie, ReadsWhateverABrowserSends) { EXPECT_EQ(find_cookie(GetParam().text, "a"), GetParam().value); }

INSTANTIATE_TEST_SUITE_P(Headers, FindCookie,
                         ::testing::Values(Header{"a=1", "1"}, Header{"b=2; a=1", "1"}, Header{"aa=2;a=1", "1"},
                                           Header{"a=1; a=2", "1"}, Header{" a = 1 ;", "1"}, Header{"a==1", "=1"},
                                           Header{"a", ""}, Header{"", ""}, Header{";", ""}, Header{"=; ;", ""},
                                           Header{";;;a=1;;", "1"}, Header{"b=a=1", ""}, Header{"b=a;\t a=1", "1"},
                                           Header{"ba=1;a =2", "2"}, Header{"a b=1; a=3", "3"}, Header{"A=1", ""}));

struct Stripping {
    const char* before;
    const char* after;
};

class StripCookies : public ::testing::TestWithParam<Stripping> {};

TEST_P(StripCookies, LeavesTheOthersAsTheyAre)
{
    std::string_view before = GetParam().before;
    std::string kept(before.size() + 64, '?');
    IsOurs ours = [](const void*, std::string_view name) { return name == "S" || name.starts_with("L_"); };
    std::optional<std::string_view> left = strip_cookies(before, kept.data(), ours, nullptr);
    EXPECT_EQ(left.value_or(before), GetParam().after);
    EXPECT_EQ(kept.substr(before.size()), std::string(64, '?')) << "nothing beyond the header's own length";
    EXPECT_TRUE(left || kept.find_first_not_of('?') == kept.npos) << "nothing written when none is ours";
}

INSTANTIATE_TEST_SUITE_P(
    Headers, StripCookies,
    ::testing::Values(Stripping{"S=1", ""}, Stripping{";; S=1 ;; ", ""}, Stripping{"a=1; S=2; b=3", "a=1; b=3"},
                      Stripping{"L_x=1; L_y=2; a=1", "a=1"}, Stripping{"SS=1;  odd ;x", "SS=1;  odd ;x"},
                      Stripping{"S=1;odd;;x=1", "odd;;x=1"}, Stripping{"a;a;a;a;S=1;a;a;a;a", "a;a;a;a;a;a;a;a"},
                      Stripping{"a;a;a;a;a;a;a;a", "a;a;a;a;a;a;a;a"}, Stripping{";", ";"}, Stripping{"", ""},
                      Stripping{"l_x=1; S=2", "l_x=1"}));

TEST(SetCookie, IsHttpOnlyAndEndsWithTheBrowser)
{
    CookieAttributes attributes;
    EXPECT_EQ(set_cookie("n", "v", attributes), "n=v; Path=/; Secure; HttpOnly; SameSite=Lax");
    attributes.domain = "example.org";
    attributes.samesite = SameSite::none;
    EXPECT_EQ(delete_cookie("n", attributes),
              "n=; Path=/; Domain=example.org; Secure; HttpOnly; SameSite=None; Max-Age=0");
}

TEST(SessionCookie, IsHostBoundOnHttpsUnlessNamedOrWidened)
{
    Provider provider;
    provider.cookie.name = "NGX_OIDC_SESSION";
    EXPECT_EQ(session_cookie_name(provider, true), "__Host-NGX_OIDC_SESSION");
    EXPECT_EQ(session_cookie_name(provider, false), "NGX_OIDC_SESSION");
    EXPECT_FALSE(session_cookie_attributes(provider, false).secure);
    provider.cookie.domain = "example.org";
    EXPECT_EQ(session_cookie_name(provider, true), "NGX_OIDC_SESSION");
    provider.cookie = CookieRules();
    provider.cookie.name = "mine";
    provider.cookie.name_given = true;
    EXPECT_EQ(session_cookie_name(provider, true), "mine");
}
