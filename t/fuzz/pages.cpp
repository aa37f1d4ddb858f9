// The pages that hold words of others, and the language a browser prefers.
#include "oidc/journey/pages.hpp"
#include "fuzz.hpp"

using namespace oidc;

FUZZ_TARGET(input)
{
    const fuzz::Exact first(fuzz::next_piece(input)), second(fuzz::next_piece(input));
    const bool french = prefers_french(first.view());

    const std::string escaped = html_escaped(first.view());
    MUST(escaped.find_first_of("<>\"'") == std::string::npos);
    MUST(std::ranges::none_of(escaped, [](unsigned char c) { return c < 0x20; }));

    // Words of others add no element and no attribute.
    const auto marks = [](const std::string& page) {
        return std::ranges::count_if(page, [](char c) { return c == '<' || c == '>' || c == '"' || c == '\''; });
    };
    const auto page = [&](std::string_view id, std::string_view retry) {
        return failure_page(french, Reason::token_refused, id, retry);
    };
    const std::string_view retry = second.view().empty() || second.view() == "/" ? "" : "/x";
    MUST(marks(page(first.view(), second.view())) == marks(page("x", retry)));
    MUST(marks(confirm_logout_page(french, second.view())) == marks(confirm_logout_page(french, "/x")));
}
