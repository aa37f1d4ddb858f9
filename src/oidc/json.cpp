#include "json.hpp"

#include <cmath>
#include <cstdlib>
#include <memory>

namespace oidc {
namespace {

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

}  // namespace

Json Json::parse(std::string_view text, std::size_t max_depth)
{
    if (deeper_than(text, max_depth)) return {};
    return Json{json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, nullptr)};
}

std::optional<std::int64_t> Json::integer(std::string_view name) const
{
    constexpr std::int64_t limit = std::int64_t{1} << 53;  // beyond, a JSON number is not portable (RFC 8259 section 6)
    const json_t* found = member(name);
    const double real = json_real_value(found);
    const bool whole = json_is_integer(found) || (json_is_real(found) && std::abs(real) <= limit && std::trunc(real) == real);
    if (!whole) return std::nullopt;
    const std::int64_t value = json_is_integer(found) ? json_integer_value(found) : static_cast<std::int64_t>(real);
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

// 15 digits: a decimal fraction comes back as the provider wrote it (0.1, not 0.10000000000000001).
std::string Json::dump() const
{
    constexpr std::size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    const std::unique_ptr<char, decltype(&std::free)> text{json_dumps(value_, flags), std::free};
    return text ? text.get() : "";
}

// Copies share their value until one of them is changed. A value that is not UTF-8 (an empty Json) is not stored.
void Json::set(std::string_view name, Json value)
{
    if (value_ != nullptr && value_->refcount > 1) *this = Json{json_copy(value_)};
    json_object_setn(value_, name.data(), name.size(), value.value_);
}

}  // namespace oidc
