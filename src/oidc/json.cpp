#include "json.hpp"

#include <cmath>
#include <cstdlib>
#include <memory>

namespace oidc {
namespace {

struct Free {
    void operator()(char* text) const noexcept { std::free(text); }
};

constexpr std::int64_t max_exact_integer = std::int64_t{1} << 53;  // beyond, a JSON number is not portable (RFC 8259 section 6)

// Looks at brackets outside strings only, so that nesting is judged before a recursive parser sees the text.
bool deeper_than(std::string_view text, std::size_t max_depth) noexcept
{
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\') ++i;
        else if (c == '"') in_string = !in_string;
        else if (in_string) continue;
        else if ((c == '{' || c == '[') && ++depth > max_depth) return true;
        else if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return false;
}

std::string_view text_of(const json_t* value) noexcept
{
    if (!json_is_string(value)) return {};
    return {json_string_value(value), json_string_length(value)};
}

std::optional<std::int64_t> exact(double real) noexcept
{
    const bool fits = std::abs(real) <= static_cast<double>(max_exact_integer);  // false for NaN
    if (!fits || std::trunc(real) != real) return std::nullopt;
    return static_cast<std::int64_t>(real);
}

std::optional<std::int64_t> exact(json_int_t integer) noexcept
{
    if (integer > max_exact_integer || integer < -max_exact_integer) return std::nullopt;
    return integer;
}

}  // namespace

Json Json::parse(std::string_view text, std::size_t max_depth)
{
    if (deeper_than(text, max_depth)) return {};

    json_error_t error;
    return Json{json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error)};
}

Json Json::object() { return Json{json_object()}; }

bool Json::has(std::string_view name) const noexcept
{
    return json_object_getn(value_, name.data(), name.size()) != nullptr;
}

Json Json::at(std::string_view name) const noexcept
{
    return Json{json_incref(json_object_getn(value_, name.data(), name.size()))};
}

std::optional<std::string> Json::string(std::string_view name) const
{
    const json_t* member = json_object_getn(value_, name.data(), name.size());
    if (!json_is_string(member)) return std::nullopt;
    return std::string{text_of(member)};
}

std::optional<std::int64_t> Json::integer(std::string_view name) const
{
    const json_t* member = json_object_getn(value_, name.data(), name.size());
    if (json_is_integer(member)) return exact(json_integer_value(member));
    if (json_is_real(member)) return exact(json_real_value(member));
    return std::nullopt;
}

std::optional<bool> Json::boolean(std::string_view name) const noexcept
{
    const json_t* member = json_object_getn(value_, name.data(), name.size());
    if (!json_is_boolean(member)) return std::nullopt;
    return json_is_true(member);
}

std::vector<std::string> Json::strings(std::string_view name) const
{
    const Json member = at(name);
    if (member.is_string()) return {std::string{member.text()}};

    std::vector<std::string> found;
    for (const Json& element : member.elements())
        if (element.is_string()) found.emplace_back(element.text());
    return found;
}

std::vector<Json> Json::elements() const
{
    std::vector<Json> all;
    all.reserve(json_array_size(value_));
    for (std::size_t i = 0; i < json_array_size(value_); ++i) all.push_back(Json{json_incref(json_array_get(value_, i))});
    return all;
}

std::vector<std::string> Json::names() const
{
    std::vector<std::string> all;
    all.reserve(json_object_size(value_));
    for (void* i = json_object_iter(value_); i != nullptr; i = json_object_iter_next(value_, i))
        all.emplace_back(json_object_iter_key(i), json_object_iter_key_len(i));
    return all;
}

std::string_view Json::text() const noexcept { return text_of(value_); }

// 15 digits: a decimal fraction comes back as the provider wrote it (0.1, not 0.10000000000000001).
std::string Json::dump() const
{
    const std::unique_ptr<char, Free> text{json_dumps(value_, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))};
    return text ? std::string{text.get()} : std::string{};
}

void Json::set(std::string_view name, std::string_view value) { set(name, Json{json_stringn(value.data(), value.size())}); }

// Copies share their value until one of them is changed. A value that is not UTF-8 (an empty Json) is not stored.
void Json::set(std::string_view name, Json value)
{
    if (value_ != nullptr && value_->refcount > 1) *this = Json{json_copy(value_)};
    json_object_setn(value_, name.data(), name.size(), value.value_);
}

std::string json_quoted(std::string_view text)
{
    Json holder = Json::object();
    holder.set("v", text);
    return holder.at("v").dump();
}

}  // namespace oidc
