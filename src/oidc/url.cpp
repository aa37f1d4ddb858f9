#include "url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace oidc {
namespace {

constexpr std::size_t max_return_target = 2048;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_alnum(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }
bool is_unreserved(char c) noexcept { return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

int hex_value(char c) noexcept
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string lower(std::string_view text)
{
    std::string out{text};
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

// Dotted decimal or RFC 4291 text only: the address's bytes.
template <int Family>
std::optional<in6_addr> parse_address(std::string_view text)
{
    in6_addr address{};
    return inet_pton(Family, std::string(text).c_str(), &address) == 1 ? std::optional(address) : std::nullopt;
}

// host, host:port, [v6], [v6]:port
bool parse_authority(std::string_view text, Url& url)
{
    std::string_view port;
    if (text.starts_with('[')) {
        std::size_t close = text.find(']');
        if (close == text.npos || !parse_address<AF_INET6>(text.substr(1, close - 1))) return false;
        url.host = lower(text.substr(1, close - 1));
        port = text.substr(close + 1);
    } else {
        std::size_t colon = std::min(text.find(':'), text.size());
        url.host = lower(text.substr(0, colon));
        port = text.substr(colon);
        if (url.host.empty() || !std::ranges::all_of(url.host, is_unreserved)) return false;
    }
    url.port = url.scheme == "https" ? 443 : 80;
    if (port.empty()) return true;
    auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    bool number = port.size() > 1 && is_digit(port[1]) && error == std::errc{} && end == port.data() + port.size();
    return port.front() == ':' && number && url.port > 0 && url.port <= 65535;
}

void append_encoded(std::string& out, std::string_view bytes)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (char c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        if (is_unreserved(c)) {
            out += c;
        } else {
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
}

}  // namespace

std::string percent_encode(std::string_view bytes)
{
    std::string out;
    append_encoded(out, bytes);
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i] == '+' && plus_is_space ? ' ' : text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params)
{
    std::vector<Param> params;
    while (!query.empty()) {
        std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
        if (pair.empty()) continue;
        std::size_t equals = std::min(pair.find('='), pair.size());
        std::optional<std::string> name = percent_decode(pair.substr(0, equals));
        std::optional<std::string> value = percent_decode(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value || params.size() == max_params) return std::nullopt;
        params.push_back({std::move(*name), std::move(*value)});
    }
    return params;
}

std::string append_args(std::string_view url, const std::vector<Arg>& args)
{
    std::string_view base = url.substr(0, url.find('#'));
    std::size_t size = url.size();
    for (const Arg& arg : args) size += arg.name.size() + 2 * arg.value.size() + 2;
    std::string out;
    out.reserve(size);
    out = base;
    bool first = base.find('?') == base.npos;
    bool joined = base.ends_with('?') || base.ends_with('&');
    for (const Arg& arg : args) {
        if (!joined) out += first ? '?' : '&';
        first = joined = false;
        append_encoded(out, arg.name);
        out += '=';
        append_encoded(out, arg.value);
    }
    return out.append(url.substr(base.size()));
}

std::optional<Url> parse_url(std::string_view text)
{
    std::size_t mark = text.find("://");
    bool plain = std::ranges::all_of(text, is_visible) && text.find_first_of("\\#") == text.npos;
    if (!plain || mark == text.npos) return std::nullopt;
    Url url;
    url.scheme = lower(text.substr(0, mark));
    if (url.scheme != "https" && url.scheme != "http") return std::nullopt;
    std::string_view rest = text.substr(mark + 3);
    std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    if (!parse_authority(rest.substr(0, end), url)) return std::nullopt;
    url.path = rest.substr(end);
    if (!url.path.starts_with('/')) url.path.insert(0, "/");
    return url;
}

bool is_loopback(std::string_view host)
{
    std::string name = lower(host);
    std::optional<in6_addr> ipv4 = parse_address<AF_INET>(name);
    return name == "localhost" || name.ends_with(".localhost") || name == "::1" || (ipv4 && ipv4->s6_addr[0] == 127);
}

bool is_local_path(std::string_view target)
{
    if (!target.starts_with('/') || target.starts_with("//") || target.size() > max_return_target) return false;
    return std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '\\'; });
}

}  // namespace oidc
