// Cookie headers (RFC 6265) as anybody sends them: a name, then the header.
#include "fuzz.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/text.hpp"

using namespace oidc;

namespace {

bool is_ours(const void* context, std::string_view name)
{
    return name == *static_cast<const std::string_view*>(context) || name.starts_with("L_");
}

}  // namespace

FUZZ_TARGET(input)
{
    const std::string_view name = fuzz::next_piece(input);
    const fuzz::Exact copy(input);
    const std::string_view header = copy.view();

    const std::string_view value = find_cookie(header, name);
    MUST(fuzz::is_inside(value, header));
    MUST(value.find(';') == value.npos && trim(value) == value);

    std::vector<CookiePair> all = cookies_with_prefix(header, "");
    for (const auto& [each, content] : all) MUST(fuzz::is_inside(each, header) && fuzz::is_inside(content, header));
    const auto first = std::ranges::find(all, name, &CookiePair::first);
    if (!name.empty()) MUST(value == (first == all.end() ? std::string_view() : first->second));

    // Of what is stripped nothing of ours is left, and everything of the others, in its order.
    const std::unique_ptr<char[]> out(new char[header.size()]);
    const std::optional<std::string_view> left = strip_cookies(header, out.get(), is_ours, &name);
    const auto ours = [&](const CookiePair& cookie) { return is_ours(&name, cookie.first); };
    MUST(left.has_value() == std::ranges::any_of(all, ours));
    if (left) {
        std::erase_if(all, ours);
        MUST(cookies_with_prefix(*left, "") == all);
        MUST(!strip_cookies(*left, out.get(), is_ours, &name));
    }

    // What is set is found again.
    const std::string line = set_cookie(name, value, CookieAttributes(), 60);
    const bool plain = !name.empty() && trim(name) == name && name.find_first_of(";=") == name.npos;
    if (plain) MUST(find_cookie(line, name) == value);
}
