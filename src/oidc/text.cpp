#include "text.hpp"

#include <arpa/inet.h>
#include <strings.h>

#include <charconv>
#include <cmath>

namespace oidc {
namespace {

constexpr std::size_t max_return_target = 2048;

constexpr bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }
constexpr bool is_unreserved(char c) noexcept
{
    const char letter = static_cast<char>(c | 0x20);
    return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string lower(std::string_view text)
{
    std::string out{text};
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
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
    return inet_pton(Family, std::string(text).c_str(), &address) == 1 ? std::optional<int>(address.s6_addr[0]) : std::nullopt;
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
    return port.empty() || (port.starts_with(':') && std::from_chars(port.data() + 1, last, number).ptr == last && number > 0);
}

// Of the string at the front, with its quotes; npos: it does not end.
std::size_t string_size(std::string_view text) noexcept
{
    std::size_t at = 1;
    while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
    return at < text.size() ? at + 1 : text.npos;
}

// Looks at brackets outside strings only, so that nesting is judged before a recursive parser sees the text.
bool deeper_than(std::string_view text, std::size_t max_depth) noexcept
{
    std::size_t depth = 0;
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), text.front() == '"' ? string_size(text) : 1))) {
        const char c = text.front();
        if ((c == '{' || c == '[') && ++depth > max_depth) return true;
        if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return false;
}

// A JSON number, however large or long, that is no text of another kind.
bool is_number(std::string_view text) noexcept
{
    constexpr std::size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
    const std::unique_ptr<json_t, decltype(&json_decref)> read{json_loadb(text.data(), text.size(), flags, nullptr), json_decref};
    return json_is_real(read.get());
}

// jansson has numbers of 64 bits, 18 digits fit: what would not come back as written becomes a string that begins with a NUL.
std::string keep_numbers(std::string_view text)
{
    std::string kept;
    kept.reserve(text.size());
    for (std::string_view token; !text.empty(); text.remove_prefix(token.size())) {
        const char c = text.front();
        const bool number = c == '-' || (c >= '0' && c <= '9');
        token = text.substr(0, c == '"' ? string_size(text)
                               : number ? text.find_first_not_of("0123456789+-.eE")
                                        : text.find_first_of("\"-0123456789"));
        const bool exact = !number || (token.size() <= 18 && token.find_first_of(".eE") == token.npos);
        if (exact || !is_number(token)) kept += token;
        else kept.append("\"\\u0000").append(token) += '"';
    }
    return kept;
}

}  // namespace

bool equal_no_case(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && (a.empty() || strncasecmp(a.data(), b.data(), a.size()) == 0);
}

std::vector<std::string> words(std::string_view text, char separator)
{
    std::vector<std::string> found;
    while (!text.empty())
        if (std::string_view word = take(text, separator); !word.empty()) found.emplace_back(word);
    return found;
}

std::string concat(std::initializer_list<std::string_view> parts)
{
    std::size_t size = 0;
    for (std::string_view part : parts) size += part.size();
    std::string whole(size, '\0');
    char* to = whole.data();
    for (std::string_view part : parts) to += part.copy(to, part.size());
    return whole;
}

std::string join(const std::vector<std::string>& words, std::string_view separator)
{
    std::string text;
    for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
    return text;
}

std::string percent_encode(std::string_view bytes)
{
    return encoded<is_unreserved>(bytes);
}

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

bool is_visible(std::string_view text) noexcept
{
    return std::ranges::all_of(text, [](char c) { return is_visible(c); });
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

Json Json::parse(std::string_view text, std::size_t max_depth)
{
    if (deeper_than(text, max_depth)) return {};
    const std::string kept = keep_numbers(text);
    return Json{json_loadb(kept.data(), kept.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, nullptr)};
}

Json Json::object(std::initializer_list<Param> members)
{
    Json made{json_object()};
    for (const Param& member : members) made.set(member.name, member.value);
    return made;
}

std::optional<std::int64_t> Json::integer(std::string_view name) const
{
    constexpr std::int64_t limit = std::int64_t{1} << 53;  // beyond, a JSON number is not portable (RFC 8259 section 6)
    const Json found = at(name);
    const bool integer = json_is_integer(found.value_);
    const std::string_view text = found.number();
    double real = 0;
    std::from_chars(text.data(), text.data() + text.size(), real);
    if (!integer && (text.empty() || std::abs(real) > limit || std::trunc(real) != real)) return std::nullopt;
    const std::int64_t value = integer ? json_integer_value(found.value_) : static_cast<std::int64_t>(real);
    return value >= -limit && value <= limit ? std::optional{value} : std::nullopt;
}

std::vector<std::string> Json::strings(std::string_view name) const
{
    const Json found = at(name);
    std::vector<std::string> all;
    for (const Json& element : found.is_string() ? std::vector<Json>{found} : found.elements())
        if (element.is_string()) all.emplace_back(element.text());
    return all;
}

std::vector<Json> Json::elements() const
{
    std::vector<Json> all;
    for (std::size_t i = 0; i < json_array_size(value_); ++i) all.push_back(Json{json_incref(json_array_get(value_, i))});
    return all;
}

std::vector<std::string> Json::names() const
{
    std::vector<std::string> all;
    for (void* i = json_object_iter(value_); i != nullptr; i = json_object_iter_next(value_, i))
        all.emplace_back(json_object_iter_key(i), json_object_iter_key_len(i));
    return all;
}

std::string_view Json::number() const noexcept
{
    const std::string_view kept{json_string_value(value_), json_string_length(value_)};
    return kept.starts_with('\0') && is_number(kept.substr(1)) ? kept.substr(1) : std::string_view();
}

// Numbers as they were written: where a quote opens a string (none is escaped by a backslash) that keep_numbers() made.
std::string Json::dump() const
{
    constexpr std::string_view mark = "\"\\u0000";
    const std::unique_ptr<char, decltype(&std::free)> text{json_dumps(value_, JSON_COMPACT | JSON_ENCODE_ANY), std::free};
    std::string written;
    std::string_view rest = text ? text.get() : "";
    for (std::size_t at = rest.find(mark); at != rest.npos; at = rest.find(mark)) {
        const std::size_t start = at + mark.size(), end = rest.find('"', start);
        const std::string_view number = rest.substr(start, end - start);
        const bool kept = !rest.substr(0, at).ends_with('\\') && is_number(number);
        written.append(rest.substr(0, at)).append(kept ? number : "\"");
        rest.remove_prefix(kept ? end + 1 : at + 1);
    }
    return written.append(rest);
}

// Copies share their value until one of them is changed. A value that is not UTF-8 (an empty Json) is not stored.
void Json::set(std::string_view name, Json value)
{
    if (value_ != nullptr && value_->refcount > 1) *this = Json{json_copy(value_)};
    json_object_setn(value_, name.data(), name.size(), value.value_);
}

}  // namespace oidc
