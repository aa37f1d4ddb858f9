// A session as one flat record: a header, then entries whose values are the text of variables. A request that has a session reads
// it where it lies: no parsing, no allocation.
#pragma once

#include "json.hpp"
#include "provider.hpp"

namespace oidc {

enum class Source : std::uint8_t { internal, id_token, userinfo };
enum class Kind : std::uint8_t { string, json };  // json: a number, a boolean, an array, an object

struct Entry {
    std::string_view name, value;
    Source source = Source::internal;
    Kind kind = Kind::string;
};

// Times are Unix seconds; access_expires 0 when the provider named no lifetime.
struct SessionTimes {
    std::int64_t created = 0, expires = 0, access_expires = 0;
};

// Reads a record; the bytes must outlive the view. An empty view when they are no record of this version.
class SessionView {
public:
    SessionView() = default;
    explicit SessionView(std::string_view record) noexcept;

    explicit operator bool() const noexcept { return !entries_.empty(); }
    std::uint64_t binding() const noexcept { return binding_; }
    SessionTimes times() const noexcept { return times_; }
    std::optional<Entry> find(std::string_view name, Source source) const noexcept;
    // The claim as an application means it: protocol claims of the ID token, the rest of UserInfo first.
    std::optional<Entry> claim(std::string_view name) const noexcept;
    std::string_view internal(std::string_view name) const noexcept;  // "" when absent
    // A JSON object built from the entries: the claims of one source, or all of them merged; "" when there is none.
    friend std::string claims_json(const SessionView& session, std::optional<Source> only);

private:
    std::string_view entries_;
    SessionTimes times_;
    std::uint64_t binding_ = 0;
};

// What a login leaves behind.
struct NewSession {
    SessionTimes times;
    std::uint64_t binding = 0;
    Json id_claims, userinfo;                          // userinfo may be empty
    std::string id_token, access_token;                // id_token: the decrypted inner JWS
    std::string return_path, state_hash;               // of the login, for a callback that is reloaded
};

// Fails with Reason::session_too_large above 64 kB. A null claim is left out, and so is one with CR, LF or NUL in it.
std::string serialize(const NewSession& session);
// Sessions of another name, issuer or client are not this provider's.
std::uint64_t binding_of(const Provider& provider);

namespace entry_name {
constexpr std::string_view id_token = "id_token", access_token = "access_token";
constexpr std::string_view return_path = "return_path", state_hash = "state_hash";
}

}  // namespace oidc
