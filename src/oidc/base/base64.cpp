#include "oidc/base/base64.hpp"

#include <cstddef>
#include <utility>

#include "oidc/base/openssl.hpp"

namespace oidc {

std::string base64(std::string_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4, '\0');
    EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), static_cast<int>(bytes.size()));
    return out;
}

std::string base64url(std::string_view bytes)
{
    std::string out = base64(bytes);
    out.resize((bytes.size() * 4 + 2) / 3);
    for (const auto& [plain, safe] : {std::pair{'+', '-'}, {'/', '_'}})
        for (std::size_t at = out.find(plain); at != out.npos; at = out.find(plain, at + 1)) out[at] = safe;
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text)
{
    std::string padded{text};
    for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
    padded.append((4 - text.size() % 4) % 4, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(bytes_of(out), bytes_of(padded), static_cast<int>(padded.size())) < 0) return std::nullopt;
    out.resize(text.size() * 3 / 4);
    if (base64url(out) != text) return std::nullopt;  // a second spelling of the same bytes
    return out;
}

}  // namespace oidc
