// Percent encoding, queries, URLs (RFC 3986), lists of words. What libcurl makes of a URL is held against our reading:
// it is libcurl that goes there.
#include "fuzz.hpp"

#include <curl/curl.h>

#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

using namespace oidc;

namespace {

// The host to which libcurl would go; "" when it refuses the URL.
std::string curl_host(const std::string& url)
{
    const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed{curl_url(), curl_url_cleanup};
    char* host = nullptr;
    if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
    if (curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) return {};
    std::string found = lower(host);
    curl_free(host);
    if (found.starts_with('[')) found = found.substr(1, found.size() - 2);
    return found;
}

bool is_dotted_decimal(std::string_view host) { return host.find_first_not_of("0123456789.") == host.npos; }

void check_encoding(std::string_view text)
{
    const std::string encoded = percent_encode(text);
    MUST(percent_decode(encoded) == text);
    MUST(is_visible(encoded) && encoded.find_first_of("&=+?#/\\\"<>") == encoded.npos);
    if (const std::optional<std::string> decoded = percent_decode(text)) MUST(decoded->size() <= text.size());
}

void check_query(std::string_view query, std::string_view url)
{
    const std::optional<std::vector<Param>> params = parse_query(query);
    if (!params) return;
    MUST(params->size() <= 64);

    std::vector<Arg> args;
    for (const Param& param : *params) args.push_back({param.name, param.value});
    const std::string again = append_args("", args);
    const std::optional<std::vector<Param>> read = parse_query(std::string_view(again).substr(again.empty() ? 0 : 1));
    MUST(read && std::ranges::equal(*read, *params, [](const Param& a, const Param& b) {
             return a.name == b.name && a.value == b.value;
         }));
    for (const Param& param : *params) MUST(contains(*params, last_value(*params, param.name), &Param::value));

    const std::string whole = append_args(url, args);
    const std::size_t fragment = std::min(url.find('#'), url.size());
    MUST(whole.starts_with(url.substr(0, fragment)) && whole.ends_with(url.substr(fragment)));
    if (fragment == url.size()) MUST(whole.size() >= url.size() && is_visible(whole.substr(url.size())));
}

void check_url(std::string_view text)
{
    const std::optional<Url> url = parse_url(text);
    if (!url) return;
    MUST(url->scheme == "https" || url->scheme == "http");
    MUST(!url->host.empty() && lower(url->host) == url->host &&
         url->host.find_first_of("/@?#\\%[]") == std::string::npos);
    MUST(url->path.starts_with('/') && is_visible(url->path));

    const bool v6 = url->host.find(':') != std::string::npos;
    const std::string again = concat({url->scheme, "://", v6 ? "[" : "", url->host, v6 ? "]" : "", url->path});
    const std::optional<Url> read = parse_url(again);
    MUST(read && read->host == url->host && read->path == url->path);

    const std::string host = curl_host(std::string(text));
    if (host.empty()) return;
    MUST(host == url->host || is_dotted_decimal(host) || v6);  // libcurl writes addresses in its own way
    if (is_loopback(url->host)) MUST(is_loopback(host));
}

// As browsers read a Location: without tabs and line ends, "\" for "/".
std::string as_browsers_read(std::string_view text)
{
    std::string read;
    for (const char c : text)
        if (c != '\t' && c != '\r' && c != '\n') read += c == '\\' ? '/' : c;
    return read;
}

void check_path(std::string_view text)
{
    const std::string site = "https://rp.example";
    MUST(is_local_path(return_path(text)));
    if (!is_local_path(text)) return;
    MUST(return_path(text) == text);
    const std::string read = as_browsers_read(text);
    MUST(read.starts_with('/') && !read.starts_with("//"));
    if (text.find('#') != text.npos) return;
    const std::optional<Url> url = parse_url(site + std::string(text));
    MUST(url && url->host == "rp.example" && url->path == text);
    const std::string host = curl_host(site + std::string(text));
    MUST(host.empty() || host == "rp.example");
}

void check_words(std::string_view a, std::string_view b)
{
    const std::vector<std::string> all = words(a);
    MUST(words(join(all, " ")) == all);
    MUST(equal_no_case(a, b) == (lower(a) == lower(b)));
    MUST(equal_no_case(a, lower(a)));
    MUST(fuzz::is_inside(trim(a, ';'), a));
}

}  // namespace

FUZZ_TARGET(input)
{
    const fuzz::Exact first(fuzz::next_piece(input)), second(fuzz::next_piece(input));
    for (const std::string_view text : {first.view(), second.view()}) {
        check_encoding(text);
        check_url(text);
        check_path(text);
        is_loopback(text);
    }
    check_query(first.view(), second.view());
    check_words(first.view(), second.view());
}
