// Text as the web writes it: JSON, lists, percent encoding, queries, URLs (RFC 3986). Total parsers, no exceptions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <jansson.h>

namespace oidc {

template <class Value, class Projection = std::identity>
bool contains(const auto& list, const Value& value, Projection projection = {})
{
    return std::ranges::find(list, value, projection) != std::ranges::end(list);
}

// The front, up to the next separator, which goes too.
inline std::string_view take(std::string_view& rest, char separator) noexcept
{
    const std::string_view front = rest.substr(0, rest.find(separator));
    rest.remove_prefix(std::min(front.size() + 1, rest.size()));
    return front;
}

// Without the spaces and tabs around it.
inline std::string_view trim(std::string_view text) noexcept
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept;      // of ASCII letters
std::vector<std::string> words(std::string_view text, char separator = ' ');  // none of them empty
std::string concat(std::initializer_list<std::string_view> parts);
std::string join(const std::vector<std::string>& words, std::string_view separator);

// RFC 3986 unreserved bytes stay, the rest is %XX: for query values and form bodies (a space is %20).
std::string percent_encode(std::string_view bytes);
std::optional<std::string> percent_decode(std::string_view text);  // + is a space; nullopt: a broken escape

struct Param {
    std::string name, value;
};

// nullopt: a broken escape, or more than `max_params`. Repeated names are all there, in order.
std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params = 64);
std::string_view last_value(const std::vector<Param>& params, std::string_view name) noexcept;  // "" when there is none

struct Arg {
    std::string_view name, value;
};
// `url` with the arguments encoded behind it, before a fragment; adds ? or & as needed.
std::string append_args(std::string_view url, const std::vector<Arg>& args);

struct Url {
    std::string scheme, host;  // lower case; an IPv6 host without its brackets
    int port = 0;              // the scheme's own when none is written
    std::string path;          // with the query; at least "/"
};

// Absolute http and https URLs only: no userinfo, no fragment, no byte outside 0x21..0x7e, no backslash.
std::optional<Url> parse_url(std::string_view url);
// 127.0.0.0/8, ::1, localhost and names under .localhost. Dotted decimal only: other spellings are names.
bool is_loopback(std::string_view host);

bool is_visible(std::string_view text) noexcept;  // no byte outside 0x21..0x7e
// A return target that stays on this site whatever the browser makes of it: "/" alone, or "/" and then neither "/" nor "\".
bool is_local_path(std::string_view target);
// The page a browser asked for, as a return path: bytes a header cannot hold are encoded, anything unsafe is "/".
std::string return_path(std::string_view target);

// ---- JSON (jansson) with value semantics: strict parsing, no exceptions from accessors
class Json {
public:
    Json() noexcept = default;
    Json(const Json& other) noexcept : value_{json_incref(other.value_)} {}
    Json(Json&& other) noexcept : value_{std::exchange(other.value_, nullptr)} {}
    Json& operator=(Json other) noexcept
    {
        std::swap(value_, other.value_);
        return *this;
    }
    ~Json() { json_decref(value_); }

    // Duplicated members, trailing bytes and a nesting above `max_depth` are refused: an empty Json.
    static Json parse(std::string_view text, std::size_t max_depth = 64);
    static Json object() { return Json{json_object()}; }
    static Json of(std::string_view text) { return Json{json_stringn(text.data(), text.size())}; }  // empty when not UTF-8

    explicit operator bool() const noexcept { return value_ != nullptr; }
    bool is_object() const noexcept { return json_is_object(value_); }
    bool is_array() const noexcept { return json_is_array(value_); }
    bool is_string() const noexcept { return json_is_string(value_); }
    bool is_null() const noexcept { return json_is_null(value_); }

    bool has(std::string_view name) const noexcept { return member(name) != nullptr; }
    Json at(std::string_view name) const noexcept { return Json{json_incref(member(name))}; }  // an empty Json when absent
    std::optional<std::string> string(std::string_view name) const  // nullopt: absent or no string
    {
        const Json found = at(name);
        return found.is_string() ? std::optional<std::string>{found.text()} : std::nullopt;
    }
    std::string text(std::string_view name) const { return std::string{at(name).text()}; }     // of a member, else empty
    std::string_view text() const noexcept { return {json_string_value(value_), json_string_length(value_)}; }
    bool is_true(std::string_view name) const noexcept { return json_is_true(member(name)); }
    std::optional<std::int64_t> integer(std::string_view name) const;  // JSON integers, and reals without fraction, within +-2^53
    std::vector<std::string> strings(std::string_view name) const;          // the strings of an array; a string is an array of one
    std::vector<Json> elements() const;                                     // of an array
    std::vector<std::string> names() const;                                 // of an object
    std::string dump() const;                                               // compact JSON, UTF-8, any value

    void set(std::string_view name, std::string_view value) { set(name, of(value)); }
    void set(std::string_view name, Json value);

private:
    explicit Json(json_t* owned) noexcept : value_{owned} {}
    json_t* member(std::string_view name) const noexcept { return json_object_getn(value_, name.data(), name.size()); }

    json_t* value_ = nullptr;
};

inline std::string json_quoted(std::string_view text) { return Json::of(text).dump(); }  // a JSON string, quotes included

}  // namespace oidc
