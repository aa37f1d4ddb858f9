// URLs: encoding, queries, and the return targets that must stay on this site (classes H01-H09 of the attack list).
#include <cstdio>
#include <string>

#include "oidc/url.hpp"

using namespace oidc;

namespace {

int checks = 0, failures = 0;

void check(bool ok, const std::string& what)
{
    ++checks;
    if (!ok) ++failures;
    std::printf("%sok %d - %s\n", ok ? "" : "not ", checks, what.c_str());
}

void encoding()
{
    check(percent_encode("aZ09-._~") == "aZ09-._~", "unreserved bytes stay");
    check(percent_encode(" +&=/?\xc3\xa9") == "%20%2B%26%3D%2F%3F%C3%A9", "the rest is escaped");
    check(percent_decode("a%20b+c").value() == "a b c", "decode");
    check(percent_decode("a+b", false).value() == "a+b", "a plus may be itself");
    for (const char* broken : {"%", "%4", "%zz", "%4g", "a%"}) check(!percent_decode(broken), std::string{"broken escape "} + broken);
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    check(percent_decode(percent_encode(all)).value() == all, "every byte survives");
}

void queries()
{
    auto params = parse_query("a=1&b=x%20y&&c&a=2&=v").value();
    check(params.size() == 5, "empty pairs are skipped, repeated names kept");
    check(params[1].name == "b" && params[1].value == "x y", "decoded");
    check(params[2].name == "c" && params[2].value.empty(), "a name alone");
    check(params[3].name == "a" && params[3].value == "2", "in order");
    check(params[4].name.empty() && params[4].value == "v", "an empty name");
    check(parse_query("").value().empty(), "an empty query");
    check(parse_query("a==b").value()[0].value == "=b", "only the first = separates");
    check(!parse_query("a=%zz"), "a broken escape is malformed");
    check(parse_query("a&b&c", 3).has_value() && !parse_query("a&b&c&d", 3), "bounded");
    check(append_args("https://op/a", {{"x", "1 2"}, {"y", "&"}}) == "https://op/a?x=1%202&y=%26", "first argument");
    check(append_args("https://op/a?k=v", {{"x", "1"}}) == "https://op/a?k=v&x=1", "further argument");
    check(append_args("https://op/a?", {{"x", "1"}}) == "https://op/a?x=1", "an open query");
    check(append_args("https://op/a#f", {{"x", "1"}}) == "https://op/a?x=1#f", "before a fragment");
    check(append_args("https://op/a", {}) == "https://op/a", "nothing to add");
}

void urls()
{
    auto url = parse_url("HTTPS://Auth.Example.FR:8443/api/v2?x=1").value();
    check(url.scheme == "https" && url.host == "auth.example.fr" && url.port == 8443 && url.path == "/api/v2?x=1", "all parts");
    check(parse_url("https://a").value().path == "/" && parse_url("https://a").value().port == 443, "defaults");
    check(parse_url("http://a?q").value().path == "/?q" && parse_url("http://a").value().port == 80, "a query without a path");
    check(parse_url("https://[::1]:444/").value().host == "::1" && parse_url("https://[::1]:444/").value().port == 444, "IPv6");
    for (const char* bad : {"", "/a", "//a/b", "ftp://a/", "https:a", "https:/a", "https:///a", "https://", "https://u@a/", "https://u:p@a/",
                            "https://a/#f", "https://a\\b/", "https://a b/", "https://a/\t", "https://a/\xc3\xa9", "https://a:0/", "https://a:/",
                            "https://a:65536/", "https://a:+1/", "https://a:1x/", "https://[::1/", "https://[]/", "https://[::1]x/",
                            "https://a%2fb/", "javascript://a/"}) {
        check(!parse_url(bad), std::string{"no URL: "} + bad);
    }
    for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "localhost", "LOCALHOST", "fs.localhost"}) check(is_loopback(host), host);
    for (const char* host : {"", "128.0.0.1", "127.1", "127.0.0.1.evil.tld", "127.0.0.256", "0x7f.0.0.1", "2130706433", "127.0.0.", "127.0.0.1.2",
                             "localhost.evil.tld", "xlocalhost", "::ffff:127.0.0.1", "::2"}) {
        check(!is_loopback(host), std::string{"not loopback: "} + host);
    }
}

struct Target {
    const char* spelling_class;
    std::string target;
    bool local;
};

// Local ones resolve to our own origin in every browser, odd as they look: a dot segment or an escape never starts an authority.
const Target targets[] = {
    {"plain", "/", true}, {"plain", "/a", true}, {"plain", "/a/b?c=d&e=%2F%2Fe.tld", true}, {"plain", "/?x", true}, {"plain", "/a//b", true},
    {"plain", "", false}, {"plain", "a", false}, {"plain", "?a", false}, {"plain", "./a", false},
    {"H01", "//e.tld", false}, {"H01", "///e.tld", false}, {"H01", "////e.tld/..", false}, {"H01", "//", false},
    {"H01", "/.//e.tld", true}, {"H01", "/..//e.tld", true}, {"H01", "/%2f/e.tld", true},
    {"H02", "/\\e.tld", false}, {"H02", "\\/\\/e.tld", false}, {"H02", "\\\\e.tld", false}, {"H02", "https:\\\\e.tld", false},
    {"H02", "/a\\b", false}, {"H02", "/%5ce.tld", true},
    {"H03", "/\t/e.tld", false}, {"H03", "/\r\n/e.tld", false}, {"H03", "/\n/e.tld", false}, {"H03", " //e.tld", false}, {"H03", "/ /e.tld", false},
    {"H03", "/\t\\e", false}, {"H03", "\xc2\xa0/e.tld", false}, {"H03", "/\xe2\x80\xa8", false}, {"H03", "/\x7f", false},
    {"H03", std::string{"/\0//e.tld", 9}, false}, {"H03", "%20//e.tld", false}, {"H03", "/%09/e.tld", true}, {"H03", "/%0d%0a/e.tld", true},
    {"H04", "https://good@e.tld", false}, {"H04", "https://good%40e.tld", false}, {"H04", "https://good:pw@e.tld", false},
    {"H04", "//good\\@e.tld", false}, {"H04", "/@e.tld", true},
    {"H05", "https://evil-good.fr", false}, {"H05", "https://good.fr.e.tld", false}, {"H05", "good.fr:443@e.tld", false},
    {"H05", "https://GOOD.fr.", false}, {"H05", "https://g\xd0\xbe\xd0\xbe""d.fr", false}, {"H05", "/\xe3\x80\x82/e.tld", false},
    {"H05", "\xe3\x80\xb1""e.tld", false}, {"H05", "/\xe3\x80\xb1/e.tld", false},
    {"H06", "javascript:alert(1)", false}, {"H06", "data:text/html,x", false}, {"H06", "vbscript:x", false}, {"H06", "http:e.tld", false},
    {"H06", "https:e.tld", false}, {"H06", "file:///etc/passwd", false}, {"H06", "HtTpS://e.tld", false},
    {"H07", "http://2130706433/", false}, {"H07", "http://017700000001/", false}, {"H07", "http://0x7f000001/", false},
    {"H07", "http://[::ffff:1.2.3.4]/", false}, {"H07", "0x7f.1", false},
    {"H08", "https://e.tld#good.fr", false}, {"H08", "https://e.tld?good.fr", false}, {"H08", "https://e.tld;good.fr", false},
    {"H08", "https://good.fr%23.e.tld", false}, {"H08", "/a#//e.tld", true},
    {"H09", "%252f%252fe.tld", false}, {"H09", "%2f%2fe.tld", false}, {"H09", "/%252f%252fe.tld", true}, {"H09", "/%zz", true},
    {"length", "/" + std::string(2047, 'a'), true}, {"length", "/" + std::string(2048, 'a'), false},
};

}  // namespace

int main()
{
    encoding();
    queries();
    urls();
    for (const Target& row : targets) {
        check(is_local_path(row.target) == row.local, std::string{row.spelling_class} + (row.local ? " stays: " : " refused: ") + percent_encode(row.target).substr(0, 60));
    }
    std::printf("1..%d\n", checks);
    return failures == 0 ? 0 : 1;
}
