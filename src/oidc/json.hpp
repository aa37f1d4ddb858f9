// JSON values (jansson) with value semantics: strict parsing, no exceptions from accessors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <jansson.h>

namespace oidc {

class Json {
public:
    Json() noexcept = default;
    Json(const Json& other) noexcept : value_{json_incref(other.value_)} {}
    Json(Json&& other) noexcept : value_{other.value_} { other.value_ = nullptr; }
    Json& operator=(Json other) noexcept
    {
        json_t* mine = value_;
        value_ = other.value_;
        other.value_ = mine;
        return *this;
    }
    ~Json() { json_decref(value_); }

    // Duplicated members, trailing bytes and a nesting above `max_depth` are refused: an empty Json.
    static Json parse(std::string_view text, std::size_t max_depth = 64);
    static Json object();

    explicit operator bool() const noexcept { return value_ != nullptr; }
    bool is_object() const noexcept { return json_is_object(value_); }
    bool is_array() const noexcept { return json_is_array(value_); }
    bool is_string() const noexcept { return json_is_string(value_); }
    bool is_null() const noexcept { return json_is_null(value_); }

    bool has(std::string_view name) const noexcept;
    Json at(std::string_view name) const noexcept;                          // an empty Json when absent
    std::optional<std::string> string(std::string_view name) const;         // nullopt: absent or no string
    std::optional<std::int64_t> integer(std::string_view name) const;       // JSON integers, and reals without fraction, within +-2^53
    std::optional<bool> boolean(std::string_view name) const noexcept;
    std::vector<std::string> strings(std::string_view name) const;          // the strings of an array; a string is an array of one
    std::vector<Json> elements() const;                                     // of an array
    std::vector<std::string> names() const;                                 // of an object
    std::string_view text() const noexcept;                                 // of a string
    std::string dump() const;                                               // compact JSON, UTF-8, any value

    void set(std::string_view name, std::string_view value);
    void set(std::string_view name, Json value);

private:
    explicit Json(json_t* owned) noexcept : value_{owned} {}
    json_t* value_ = nullptr;
};

std::string json_quoted(std::string_view text);  // a JSON string, quotes included

}  // namespace oidc
