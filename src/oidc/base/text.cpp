#include "oidc/base/text.hpp"

#include <cstddef>

namespace oidc {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string lower(std::string_view text)
{
    std::string out{text};
    for (char& c : out) c = lower(c);
    return out;
}

// Not strncasecmp: that ends at a NUL.
bool equal_no_case(std::string_view a, std::string_view b) noexcept
{
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
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
bool is_visible(std::string_view text) noexcept
{
    return std::ranges::all_of(text, [](char c) { return is_visible(c); });
}

}  // namespace oidc
