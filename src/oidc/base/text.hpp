// Text as the protocols use it: lists of words, the parts of a header, comparison. Total functions, no exceptions but
// bad_alloc.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

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

// Without the spaces, tabs and `also` around it.
inline std::string_view trim(std::string_view text, char also = ' ') noexcept
{
    const auto blank = [also](char c) { return c == ' ' || c == '\t' || c == also; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept;  // of ASCII letters
constexpr bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }
bool is_visible(std::string_view text) noexcept;  // no byte outside 0x21..0x7e
std::string lower(std::string_view text);         // ASCII letters alone

std::vector<std::string> words(std::string_view text, char separator = ' ');  // none of them empty
std::string concat(std::initializer_list<std::string_view> parts);
std::string join(const std::vector<std::string>& words, std::string_view separator);

}  // namespace oidc
