// A session's record: a header and then entries whose values are the text of variables. A request that has a session
// reads it where it lies: no parsing, no allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "oidc/base/json.hpp"
#include "oidc/base/url.hpp"

namespace oidc {

enum class EntrySource : std::uint8_t { internal, id_token, userinfo };
enum class EntryKind : std::uint8_t { string, json };  // json: a number, a boolean, an array, an object

struct Entry {
    std::string_view value;
    EntryKind kind = EntryKind::string;
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
    std::optional<Entry> find(std::string_view name, EntrySource source) const noexcept;
    // The claim as an application means it: protocol claims of the ID token, the rest of UserInfo first.
    std::optional<Entry> claim(std::string_view name) const noexcept;
    std::string_view internal(std::string_view name) const noexcept;  // "" when absent
    // A JSON object built from the entries: the claims of one source, or those that claim() finds; "" when there is
    // none.
    friend std::string claims_json(const SessionView& session, std::optional<EntrySource> only);

private:
    std::string_view record_, claims_;  // claims_: the entries that claim() looks through
};

// What a login leaves behind.
struct NewSession {
    SessionTimes times;
    std::uint64_t binding = 0;
    Json id_claims, userinfo;             // userinfo may be empty
    std::string id_token, access_token;   // id_token: the decrypted inner JWS
    std::string refresh_token, scope;     // scope: as granted, separated by spaces
    std::string return_path, state_hash;  // of the login, for a callback that is reloaded
};

// Fails with Reason::session_too_large above 64 kB, with token_malformed for a token that no header can carry. A null
// claim is left out, and so is one with CR, LF or NUL in it.
std::string serialize_session(const NewSession& session);

// The sessions that a provider has ended, by claims of their ID tokens; an empty one is not asked for. A session whose
// ID token had no `sid` goes with its `sub`.
struct SessionQuery {
    bool matches(std::string_view record) const noexcept;

    std::uint64_t binding = 0;
    std::string sid, sub;
    bool unproven = false;  // anyone may have asked
};

namespace entry_name {
constexpr std::string_view id_token = "id_token", access_token = "access_token";
constexpr std::string_view refresh_token = "refresh_token", scope = "scope";
constexpr std::string_view return_path = "return_path", state_hash = "state_hash";
}  // namespace entry_name

}  // namespace oidc
