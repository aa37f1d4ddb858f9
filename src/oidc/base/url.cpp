#include "oidc/base/url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include <arpa/inet.h>

#include "oidc/base/text.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_return_target = 2048;

constexpr bool is_unreserved(char c) noexcept
{
    const char letter = static_cast<char>(c | 0x20);
    return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

// To `to`, where there is room for three bytes of each; its end.
template <bool (*stays)(char) noexcept>
char* encode(char* to, std::string_view bytes) noexcept
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    static constexpr auto kept = [] {
        std::array<bool, 256> table{};
        for (int byte = 0; byte < 256; ++byte) table[byte] = stays(static_cast<char>(byte));
        return table;
    }();

    for (;;) {
        const auto run = std::ranges::find_if(bytes, [](unsigned char byte) { return !kept[byte]; });
        to = std::copy(bytes.begin(), run, to);
        if (run == bytes.end()) return to;
        const auto byte = static_cast<unsigned char>(*run);
        for (const char c : {'%', digits[byte >> 4], digits[byte & 15]}) *to++ = c;
        bytes = {run + 1, bytes.end()};
    }
}

template <bool (*stays)(char) noexcept>
std::string encoded(std::string_view bytes)
{
    std::string out(3 * bytes.size(), '\0');
    out.resize(static_cast<std::size_t>(encode<stays>(out.data(), bytes) - out.data()));
    return out;
}

// The first byte of an address in dotted decimal or RFC 4291 text.
template <int Family>
std::optional<int> first_byte(std::string_view text)
{
    in6_addr address{};
    return inet_pton(Family, std::string(text).c_str(), &address) == 1 ? std::optional<int>(address.s6_addr[0])
                                                                       : std::nullopt;
}

// host, host:port, [v6], [v6]:port
bool parse_authority(std::string_view text, Url& url)
{
    const bool bracketed = text.starts_with('[');
    const std::size_t end = std::min(text.find(bracketed ? ']' : ':'), text.size());
    url.host = lower(text.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end));
    const bool address = bracketed && end < text.size() && first_byte<AF_INET6>(url.host);
    if (!address && (bracketed || url.host.empty() || !std::ranges::all_of(url.host, is_unreserved))) return false;
    const std::string_view port = text.substr(bracketed ? end + 1 : end);
    const char* last = port.data() + port.size();
    std::uint16_t number = 0;
    return port.empty() ||
           (port.starts_with(':') && std::from_chars(port.data() + 1, last, number).ptr == last && number > 0);
}

}  // namespace

std::string percent_encode(std::string_view bytes) { return encoded<is_unreserved>(bytes); }

std::optional<std::string> percent_decode(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        const char* at = text.data() + i;
        if (*at != '%') {
            out += *at == '+' ? ' ' : *at;
            continue;
        }
        if (text.size() - i < 3 || std::from_chars(at + 1, at + 3, byte, 16).ptr != at + 3) return std::nullopt;
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params)
{
    std::vector<Param> params;
    while (!query.empty()) {
        std::string_view pair = take(query, '&');
        if (pair.empty()) continue;
        std::optional<std::string> name = percent_decode(take(pair, '='));
        std::optional<std::string> value = percent_decode(pair);
        if (!name || !value || params.size() == max_params) return std::nullopt;
        params.push_back({std::move(*name), std::move(*value)});
    }
    return params;
}

std::string_view last_value(const std::vector<Param>& params, std::string_view name) noexcept
{
    auto last = std::find_if(params.rbegin(), params.rend(), [&](const Param& param) { return param.name == name; });
    return last == params.rend() ? std::string_view() : last->value;
}

std::string append_args(std::string_view url, const std::vector<Arg>& args)
{
    std::string_view base = url.substr(0, url.find('#'));
    std::size_t size = url.size();
    for (const Arg& arg : args) size += 3 * (arg.name.size() + arg.value.size()) + 2;

    std::string out(size, '\0');
    char* to = std::ranges::copy(base, out.data()).out;

    char mark = base.find('?') == base.npos ? '?' : base.ends_with('?') || base.ends_with('&') ? '\0' : '&';
    for (const Arg& arg : args) {
        if (mark != '\0') *to++ = mark;
        to = encode<is_unreserved>(to, arg.name);
        *to++ = '=';
        to = encode<is_unreserved>(to, arg.value);
        mark = '&';
    }

    to = std::ranges::copy(url.substr(base.size()), to).out;
    out.resize(static_cast<std::size_t>(to - out.data()));
    return out;
}

std::optional<Url> parse_url(std::string_view text)
{
    Url url;
    const std::size_t mark = text.find("://");
    const bool plain = is_visible(text) && text.find_first_of("\\#") == text.npos;
    if (mark == text.npos || !plain) return std::nullopt;
    url.scheme = lower(text.substr(0, mark));
    text.remove_prefix(mark + 3);
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    url.path = concat({text.substr(end).starts_with('/') ? "" : "/", text.substr(end)});
    const bool http = url.scheme == "https" || url.scheme == "http";
    return http && parse_authority(text.substr(0, end), url) ? std::optional(std::move(url)) : std::nullopt;
}

bool is_loopback(std::string_view host)
{
    std::string name = lower(host);
    return name == "localhost" || name.ends_with(".localhost") || name == "::1" || first_byte<AF_INET>(name) == 127;
}

bool is_local_path(std::string_view target)
{
    return target.starts_with('/') && !target.starts_with("//") && target.size() <= max_return_target &&
           is_visible(target) && !contains(target, '\\');
}

std::string return_path(std::string_view target)
{
    if (is_local_path(target)) return std::string(target);
    std::string path = encoded<is_visible>(target);
    return is_local_path(path) ? path : "/";
}

}  // namespace oidc
