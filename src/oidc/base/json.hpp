// JSON (RFC 8259) with value semantics over jansson: strict parsing, numbers as they were written, no exceptions from
// accessors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <jansson.h>

namespace oidc {

struct JsonMember {
    std::string name, value;
};

// Copies share their value until one of them is changed.
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
    static Json object(std::initializer_list<JsonMember> members = {});
    // Empty when the text is not UTF-8.
    static Json of(std::string_view text) { return Json{json_stringn(text.data(), text.size())}; }
    static Json of(std::int64_t number) { return Json{json_integer(number)}; }
    explicit operator bool() const noexcept { return value_ != nullptr; }
    bool is_object() const noexcept { return json_is_object(value_); }
    bool is_array() const noexcept { return json_is_array(value_); }
    bool is_string() const noexcept { return json_is_string(value_) && number().empty(); }
    bool is_null() const noexcept { return json_is_null(value_); }
    bool has(std::string_view name) const noexcept { return member(name) != nullptr; }
    Json at(std::string_view name) const noexcept
    {
        return Json{json_incref(member(name))};
    }                                                               // an empty Json when absent
    std::optional<std::string> string(std::string_view name) const  // nullopt: absent or no string
    {
        const Json found = at(name);
        return found.is_string() ? std::optional<std::string>{found.text()} : std::nullopt;
    }
    std::string text(std::string_view name) const { return std::string{at(name).text()}; }  // of a member, else empty
    std::string_view text() const noexcept
    {
        return is_string() ? std::string_view{json_string_value(value_), json_string_length(value_)}
                           : std::string_view();
    }
    bool is_true(std::string_view name) const noexcept { return json_is_true(member(name)); }
    std::optional<std::int64_t>
    integer(std::string_view name) const;  // JSON integers, and reals without fraction, within +-2^53
    std::vector<std::string>
    strings(std::string_view name) const;    // the strings of an array; a string is an array of one
    std::vector<Json> elements() const;      // of an array
    std::vector<std::string> names() const;  // of an object
    std::string dump() const;                // compact JSON, UTF-8, any value; numbers as they came

    void set(std::string_view name, std::string_view value) { set(name, of(value)); }
    void set(std::string_view name, Json value);

private:
    explicit Json(json_t* owned) noexcept : value_{owned} {}
    json_t* member(std::string_view name) const noexcept { return json_object_getn(value_, name.data(), name.size()); }
    std::string_view number() const noexcept;  // as it was written; empty: an integer that jansson holds, or none
    json_t* value_ = nullptr;
};

// A JSON string, quotes included.
inline std::string json_quoted(std::string_view text) { return Json::of(text).dump(); }

}  // namespace oidc
