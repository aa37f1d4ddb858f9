#include "oidc/jose/compact.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "oidc/base/base64.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwk.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_header_size = 8 * 1024, max_header_depth = 8;

}  // namespace

std::string decode_segment(std::string_view segment, const JoseReasons& reasons)
{
    std::optional<std::string> bytes = base64url_decode(segment);
    if (!bytes) fail(reasons.malformed, "a segment is not canonical base64url");
    return std::move(*bytes);
}

Compact parse_compact(std::string compact, std::ptrdiff_t count, const JoseReasons& reasons)
{
    if (compact.size() > max_token_size) fail(reasons.malformed, "longer than 64 kB");
    if (std::ranges::count(compact, '.') + 1 != count)
        fail(reasons.malformed, "not " + std::to_string(count) + " segments");

    Compact token{std::move(compact), {}, {}};
    std::string_view rest = token.text;
    while (count-- > 0) token.segments.push_back(decode_segment(take(rest, '.'), reasons));
    if (token.segments[0].size() > max_header_size) fail(reasons.malformed, "the header is longer than 8 kB");

    token.header = Json::parse(token.segments[0], max_header_depth);
    if (!token.header.is_object()) fail(reasons.malformed, "the header is no JSON object, or repeats a member");

    for (const std::string name : {"crit", "b64", "zip"})
        if (token.header.has(name)) fail(reasons.malformed, "the header has \"" + name + "\"");
    for (const std::string name : {"alg", "kid", "typ"})
        if (!absent_or_short(token.header, name))
            fail(reasons.malformed, "\"" + name + "\" of the header is no short string");
    return token;
}

}  // namespace oidc
