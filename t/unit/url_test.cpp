// URLs: encoding, queries, and the return targets that must stay on this site (classes H01-H09 of the attack list).

#include <gtest/gtest.h>

#include "oidc/base/url.hpp"

namespace oidc {
namespace {

TEST(Percent, EscapesAllButUnreservedBytes)
{
    EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
    EXPECT_EQ(percent_encode(" +&=/?\xc3\xa9"), "%20%2B%26%3D%2F%3F%C3%A9");
}

TEST(Percent, DecodesOrRefuses)
{
    EXPECT_EQ(percent_decode("a%20b+c"), "a b c");
    for (const char* broken : {"%", "%4", "%zz", "%4g", "a%"}) EXPECT_FALSE(percent_decode(broken)) << broken;
}

TEST(Percent, EveryByteSurvives)
{
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

TEST(Query, KeepsOrderAndRepetitions)
{
    std::vector<Param> params = parse_query("a=1&b=x%20y&&c&a=2&=v").value();
    std::string seen;
    for (const Param& param : params) seen += param.name + "=" + param.value + ";";
    EXPECT_EQ(seen, "a=1;b=x y;c=;a=2;=v;");
    EXPECT_TRUE(parse_query("").value().empty());
    EXPECT_EQ(parse_query("a==b").value()[0].value, "=b");
}

TEST(Query, RefusesBrokenEscapesAndTooMany)
{
    EXPECT_FALSE(parse_query("a=%zz"));
    EXPECT_TRUE(parse_query("a&b&c", 3));
    EXPECT_FALSE(parse_query("a&b&c&d", 3));
}

TEST(AppendArgs, FindsTheRightPlace)
{
    EXPECT_EQ(append_args("https://op/a", {{"x", "1 2"}, {"y", "&"}}), "https://op/a?x=1%202&y=%26");
    EXPECT_EQ(append_args("https://op/a?k=v", {{"x", "1"}}), "https://op/a?k=v&x=1");
    EXPECT_EQ(append_args("https://op/a?", {{"x", "1"}}), "https://op/a?x=1");
    EXPECT_EQ(append_args("https://op/a#f", {{"x", "1"}}), "https://op/a?x=1#f");
    EXPECT_EQ(append_args("https://op/a", {}), "https://op/a");
}

TEST(ParseUrl, TakesItApart)
{
    Url url = parse_url("HTTPS://Auth.Example.FR:8443/api/v2?x=1").value();
    EXPECT_EQ(url.scheme + " " + url.host + " " + url.path, "https auth.example.fr /api/v2?x=1");
    EXPECT_EQ(parse_url("https://a").value().path, "/");
    EXPECT_EQ(parse_url("http://a?q").value().path, "/?q");
    EXPECT_EQ(parse_url("https://[::1]:444/").value().host, "::1");
}

TEST(ParseUrl, RefusesTheRest)
{
    const char* const bad[] = {
        "",
        "/a",
        "//a/b",
        "ftp://a/",
        "https:a",
        "https:/a",
        "https:///a",
        "https://",
        "https://u@a/",
        "https://u:p@a/",
        "https://a/#f",
        "https://a\\b/",
        "https://a b/",
        "https://a/\t",
        "https://a/\xc3\xa9",
        "https://a:0/",
        "https://a:/",
        "https://a:65536/",
        "https://a:+1/",
        "https://a:1x/",
        "https://[::1/",
        "https://[]/",
        "https://[::1]x/",
        "https://a%2fb/",
        "javascript://a/",
    };
    for (const char* url : bad) EXPECT_FALSE(parse_url(url)) << url;
}

TEST(IsLoopback, KnowsThisMachineOnly)
{
    const char* const ours[] = {"127.0.0.1", "127.255.0.9", "::1", "localhost", "LOCALHOST", "fs.localhost"};
    for (const char* host : ours) EXPECT_TRUE(is_loopback(host)) << host;
    const char* const others[] = {
        "",           "128.0.0.1",        "127.1",    "127.0.0.1.evil.tld", "127.0.0.256",
        "0x7f.0.0.1", "2130706433",       "127.0.0.", "127.0.0.1.2",        "localhost.evil.tld",
        "xlocalhost", "::ffff:127.0.0.1", "::2",
    };
    for (const char* host : others) EXPECT_FALSE(is_loopback(host)) << host;
}

struct Target {
    const char* spelling_class;
    std::string target;
    bool local;
};

// Local ones resolve to our own origin in every browser, odd as they look: a dot segment or an escape never starts an
// authority.
const Target targets[] = {
    {"plain", "/", true},
    {"plain", "/a", true},
    {"plain", "/a/b?c=d&e=%2F%2Fe.tld", true},
    {"plain", "/?x", true},
    {"plain", "/a//b", true},
    {"plain", "", false},
    {"plain", "a", false},
    {"plain", "?a", false},
    {"plain", "./a", false},
    {"H01", "//e.tld", false},
    {"H01", "///e.tld", false},
    {"H01", "////e.tld/..", false},
    {"H01", "//", false},
    {"H01", "/.//e.tld", true},
    {"H01", "/..//e.tld", true},
    {"H01", "/%2f/e.tld", true},
    {"H02", "/\\e.tld", false},
    {"H02", "\\/\\/e.tld", false},
    {"H02", "\\\\e.tld", false},
    {"H02", "https:\\\\e.tld", false},
    {"H02", "/a\\b", false},
    {"H02", "/%5ce.tld", true},
    {"H03", "/\t/e.tld", false},
    {"H03", "/\r\n/e.tld", false},
    {"H03", "/\n/e.tld", false},
    {"H03", " //e.tld", false},
    {"H03", "/ /e.tld", false},
    {"H03", "/\t\\e", false},
    {"H03", "\xc2\xa0/e.tld", false},
    {"H03", "/\xe2\x80\xa8", false},
    {"H03", "/\x7f", false},
    {"H03", std::string{"/\0//e.tld", 9}, false},
    {"H03", "%20//e.tld", false},
    {"H03", "/%09/e.tld", true},
    {"H03", "/%0d%0a/e.tld", true},
    {"H04", "https://good@e.tld", false},
    {"H04", "https://good%40e.tld", false},
    {"H04", "https://good:pw@e.tld", false},
    {"H04", "//good\\@e.tld", false},
    {"H04", "/@e.tld", true},
    {"H05", "https://evil-good.fr", false},
    {"H05", "https://good.fr.e.tld", false},
    {"H05", "good.fr:443@e.tld", false},
    {"H05", "https://GOOD.fr.", false},
    {"H05",
     "https://g\xd0\xbe\xd0\xbe"
     "d.fr",
     false},
    {"H05", "/\xe3\x80\x82/e.tld", false},
    {"H05",
     "\xe3\x80\xb1"
     "e.tld",
     false},
    {"H05", "/\xe3\x80\xb1/e.tld", false},
    {"H06", "javascript:alert(1)", false},
    {"H06", "data:text/html,x", false},
    {"H06", "vbscript:x", false},
    {"H06", "http:e.tld", false},
    {"H06", "https:e.tld", false},
    {"H06", "file:///etc/passwd", false},
    {"H06", "HtTpS://e.tld", false},
    {"H07", "http://2130706433/", false},
    {"H07", "http://017700000001/", false},
    {"H07", "http://0x7f000001/", false},
    {"H07", "http://[::ffff:1.2.3.4]/", false},
    {"H07", "0x7f.1", false},
    {"H08", "https://e.tld#good.fr", false},
    {"H08", "https://e.tld?good.fr", false},
    {"H08", "https://e.tld;good.fr", false},
    {"H08", "https://good.fr%23.e.tld", false},
    {"H08", "/a#//e.tld", true},
    {"H09", "%252f%252fe.tld", false},
    {"H09", "%2f%2fe.tld", false},
    {"H09", "/%252f%252fe.tld", true},
    {"H09", "/%zz", true},
    {"length", "/" + std::string(2047, 'a'), true},
    {"length", "/" + std::string(2048, 'a'), false},
};

TEST(IsLocalPath, AnswersEverySpellingClass)
{
    for (const Target& row : targets)
        EXPECT_EQ(is_local_path(row.target), row.local) << row.spelling_class << ' ' << row.target;
}

}  // namespace
}  // namespace oidc
