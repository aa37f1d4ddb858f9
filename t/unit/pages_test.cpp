#include <gtest/gtest.h>

#include "oidc/base/failure.hpp"
#include "oidc/journey/pages.hpp"

using namespace oidc;

TEST(Pages, FrenchUnlessTheBrowserPrefersEnglish)
{
    struct {
        std::string_view header;
        bool french;
    } const cases[] = {
        {"", true},
        {"*", true},
        {"fr", true},
        {"fr-FR", true},
        {"FR-ca", true},
        {"en", false},
        {"en-GB", false},
        {"EN", false},
        {"fr-FR,fr;q=0.9,en;q=0.8", true},
        {"en-US,en;q=0.9,fr;q=0.8", false},
        {"en;q=0.5,fr;q=0.9", true},
        {"fr;q=0.5,en;q=0.9", false},
        {"en;q=0.8, fr;q=0.8", false},
        {"fr;q=0.8, en;q=0.8", true},
        {"de", true},
        {"de,en;q=0.3", false},
        {"de,en;q=0.3,fr;q=0.2", false},
        {"en;q=0", true},
        {"en;q=0,fr;q=0.1", true},
        {"fr;q=0,en;q=0.1", false},
        {"en ; q=0.7 , fr ; q=0.8", true},
        {"en;q=x,fr;q=0.1", true},
        {"frr,en;q=0.5", false},
        {"enm,fr;q=0.5", true},
        {",,;;q=,en", false},
        {"en;level=1;q=0.4,fr;q=0.3", false},
        {"\tfr\t,en", true},
        {"q=1", true},
        {"e", true},
    };
    for (const auto& each : cases) EXPECT_EQ(prefers_french(each.header), each.french) << each.header;
}

TEST(Pages, EscapeWhatAProviderWrote)
{
    EXPECT_EQ(html_escaped("<a href=\"x\" title='y'>&amp;</a>"),
              "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
    EXPECT_EQ(html_escaped(std::string_view("a\r\n\t\0b\x7f", 7)), "a    b ");
    EXPECT_EQ(html_escaped("Éléonore d’Açores"), "Éléonore d’Açores");
    EXPECT_EQ(html_escaped(""), "");
}

namespace {

std::size_t count(std::string_view text, std::string_view part)
{
    std::size_t times = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++times;
    return times;
}

void expect_whole(const std::string& page, bool french)
{
    EXPECT_TRUE(page.starts_with("<!DOCTYPE html>\n"));
    EXPECT_EQ(count(page, french ? "<html lang=\"fr\">" : "<html lang=\"en\">"), 1u);
    for (const char* once : {"<h1>", "</h1>", "<main>", "<title>", "<p>", "<meta charset=\"utf-8\">", "</html>"})
        EXPECT_EQ(count(page, once), 1u) << once;
    EXPECT_EQ(count(page, "<script"), 0u);
}

}  // namespace

TEST(Pages, EveryReasonHasOneInBothLanguages)
{
    for (std::size_t i = 0; i < std::size(reason_rows); ++i) {
        const auto reason = static_cast<Reason>(i);
        const std::string fr = failure_page(true, reason, "AB-12", "/a?b=1&c=2"),
                          en = failure_page(false, reason, "AB-12", "/a?b=1&c=2");
        expect_whole(fr, true);
        expect_whole(en, false);
        EXPECT_NE(fr, en);
        EXPECT_EQ(count(fr, "href=\"/a?b=1&amp;c=2\""), 1u) << name_of(reason);
        // a person who stopped, or is not logged in, is told of no incident
        const bool calm = reason == Reason::login_cancelled || reason == Reason::login_required;
        EXPECT_EQ(count(fr, "AB-12"), calm ? 0u : 1u) << name_of(reason);
        EXPECT_EQ(count(en, name_of(reason)), calm ? 0u : 1u) << name_of(reason);
    }
}

TEST(Pages, RetryIsShownWhereItLeadsElsewhere)
{
    const std::string with = failure_page(false, Reason::token_refused, "", "/page");
    EXPECT_EQ(count(with, ">Try again</a>"), 1u);
    EXPECT_EQ(count(with, "class=\"second\""), 1u);
    for (std::string_view nowhere : {"", "/"}) {
        const std::string without = failure_page(false, Reason::token_refused, "", nowhere);
        EXPECT_EQ(count(without, "Try again"), 0u);
        EXPECT_EQ(count(without, "<a href=\"/\">"), 1u);
    }
    EXPECT_EQ(count(failure_page(true, Reason::internal, "<b>", "/\"><b>"), "<b>"), 0u);
}

TEST(Pages, Logout)
{
    for (bool french : {true, false}) {
        expect_whole(logged_out_page(french), french);
        const std::string ask = confirm_logout_page(french, "/out\"><b>");
        expect_whole(ask, french);
        EXPECT_EQ(count(ask, "<form method=\"post\" action=\"/out&quot;&gt;&lt;b&gt;\">"), 1u);
        EXPECT_EQ(count(ask, "<button"), 1u);
    }
}
