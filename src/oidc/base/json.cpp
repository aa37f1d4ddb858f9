#include "oidc/base/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>

namespace oidc {
namespace {

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
    const std::unique_ptr<json_t, decltype(&json_decref)> read{json_loadb(text.data(), text.size(), flags, nullptr),
                                                               json_decref};
    return json_is_real(read.get());
}

// jansson has numbers of 64 bits, 18 digits fit: what would not come back as written becomes a string that begins with
// a NUL.
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

Json Json::parse(std::string_view text, std::size_t max_depth)
{
    if (deeper_than(text, max_depth)) return {};
    const std::string kept = keep_numbers(text);
    return Json{json_loadb(kept.data(), kept.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, nullptr)};
}

Json Json::object(std::initializer_list<JsonMember> members)
{
    Json made{json_object()};
    for (const JsonMember& member : members) made.set(member.name, member.value);
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
    for (std::size_t i = 0; i < json_array_size(value_); ++i)
        all.push_back(Json{json_incref(json_array_get(value_, i))});
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
    const std::unique_ptr<char, decltype(&std::free)> text{json_dumps(value_, JSON_COMPACT | JSON_ENCODE_ANY),
                                                           std::free};
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
