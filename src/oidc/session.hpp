// A session: the cookie that names it (RFC 6265), and its record, a header and then entries whose values are the text of variables.
// A request that has a session reads it where it lies: no parsing, no allocation.
#pragma once
#include "provider.hpp"

namespace oidc {

// ---- Cookies: views into the header that a browser sent, in which any bytes may be
using CookiePair = std::pair<std::string_view, std::string_view>;  // name, value

// The value of the first cookie of that name; empty when there is none.
std::string_view find_cookie(std::string_view header, std::string_view name) noexcept;
// All cookies whose name starts with `prefix`, in the browser's order: the oldest first (RFC 6265 5.4).
std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix);
using IsOurs = bool (*)(const void* context, std::string_view name);
// The header without our cookies, written to `out` (at least header.size() bytes); nullopt and nothing written when none is there.
std::optional<std::string_view> strip_cookies(std::string_view header, char* out, IsOurs ours, const void* context) noexcept;

struct CookieAttributes {
    std::string_view domain, path = "/";
    SameSite samesite = SameSite::lax;
    bool secure = true;
};

// HttpOnly always; without max_age it ends with the browser.
std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<Seconds> max_age = std::nullopt);
inline std::string delete_cookie(std::string_view name, const CookieAttributes& with) { return set_cookie(name, {}, with, 0); }

// The session cookie of a provider. `https`: what the browser sees.
std::string session_cookie_name(const Provider& provider, bool https);
CookieAttributes session_cookie_attributes(const Provider& provider, bool https);

// ---- Records
enum class Source : std::uint8_t { internal, id_token, userinfo };
enum class Kind : std::uint8_t { string, json };  // json: a number, a boolean, an array, an object

struct Entry {
    std::string_view value;
    Kind kind = Kind::string;
};

// Times are Unix seconds; access_expires 0 when the provider named no lifetime.
struct SessionTimes {
    std::int64_t created = 0, expires = 0, access_expires = 0, access_issued = 0;
};

// Reads a record; the bytes must outlive the view. An empty view when they are no record of this version.
class SessionView {
public:
    SessionView() = default;
    explicit SessionView(std::string_view record) noexcept;

    explicit operator bool() const noexcept { return !record_.empty(); }
    std::uint64_t binding() const noexcept;
    SessionTimes times() const noexcept;
    std::optional<Entry> find(std::string_view name, Source source) const noexcept;
    // The claim as an application means it: protocol claims of the ID token, the rest of UserInfo first.
    std::optional<Entry> claim(std::string_view name) const noexcept;
    std::string_view internal(std::string_view name) const noexcept;  // "" when absent
    // A JSON object built from the entries: the claims of one source, or those that claim() finds; "" when there is none.
    friend std::string claims_json(const SessionView& session, std::optional<Source> only);

private:
    std::string_view record_, claims_;                 // claims_: the entries that claim() looks through
};

// What a login leaves behind.
struct NewSession {
    SessionTimes times;
    std::uint64_t binding = 0;
    Json id_claims, userinfo;                          // userinfo may be empty
    std::string id_token, access_token;                // id_token: the decrypted inner JWS
    std::string refresh_token, scope;                  // scope: as granted, separated by spaces
    std::string return_path, state_hash;               // of the login, for a callback that is reloaded
};

// Fails with Reason::session_too_large above 64 kB, with token_malformed for a token that no header can carry. A null claim is
// left out, and so is one with CR, LF or NUL in it.
std::string serialize(const NewSession& session);
// Sessions of another name, issuer or client are not this provider's.
std::uint64_t binding_of(const Provider& provider);

// The sessions that a provider has ended, by claims of their ID tokens; an empty one is not asked for. A session whose ID token had no
// `sid` goes with its `sub`.
struct SessionQuery {
    bool matches(std::string_view record) const noexcept;

    std::uint64_t binding = 0;
    std::string sid, sub;
    bool unproven = false;                             // anyone may have asked
};

namespace entry_name {
constexpr std::string_view id_token = "id_token", access_token = "access_token";
constexpr std::string_view refresh_token = "refresh_token", scope = "scope";
constexpr std::string_view return_path = "return_path", state_hash = "state_hash";
}

}  // namespace oidc
