#include "url.hpp"

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
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::optional<int> parse_number(std::string_view text, int max)
{
    int value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || !is_digit(text.front()) || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (value > max) return std::nullopt;
    return value;
}

bool is_host_name(std::string_view host)
{
    return !host.empty() && std::all_of(host.begin(), host.end(), is_unreserved);
}

bool is_ipv6_text(std::string_view host)
{
    return host.find(':') != host.npos
           && std::all_of(host.begin(), host.end(), [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; });
}

// host, host:port, [v6], [v6]:port
bool parse_authority(std::string_view text, Url& url)
{
    std::string_view port;
    if (text.starts_with('[')) {
        std::size_t close = text.find(']');
        if (close == text.npos || !is_ipv6_text(text.substr(1, close - 1))) return false;
        url.host = lower(text.substr(1, close - 1));
        port = text.substr(close + 1);
    } else {
        std::size_t colon = std::min(text.find(':'), text.size());
        if (!is_host_name(text.substr(0, colon))) return false;
        url.host = lower(text.substr(0, colon));
        port = text.substr(colon);
    }
    url.port = url.scheme == "https" ? 443 : 80;
    if (port.empty()) return true;
    std::optional<int> number = parse_number(port.substr(1), 65535);
    if (port.front() != ':' || !number || *number == 0) return false;
    url.port = *number;
    return true;
}

bool is_ipv4_loopback(std::string_view host)
{
    int parts = 0;
    for (bool more = true; more; ++parts) {
        std::size_t dot = host.find('.');
        std::optional<int> number = parse_number(host.substr(0, dot), 255);
        if (!number || (parts == 0 && *number != 127)) return false;
        more = dot != host.npos;
        host = more ? host.substr(dot + 1) : std::string_view{};
    }
    return parts == 4;
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
    if (!std::all_of(text.begin(), text.end(), is_visible)) return std::nullopt;
    if (text.find_first_of("\\#") != text.npos) return std::nullopt;
    std::size_t mark = text.find("://");
    if (mark == text.npos) return std::nullopt;
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
    return name == "localhost" || name.ends_with(".localhost") || name == "::1" || is_ipv4_loopback(name);
}

bool is_local_path(std::string_view target)
{
    if (!target.starts_with('/') || target.starts_with("//") || target.size() > max_return_target) return false;
    return std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '\\'; });
}

}  // namespace oidc
