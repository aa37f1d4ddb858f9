// The base of this folder, whose standard headers the others do not repeat. Text as the web writes it: JSON, lists, percent
// encoding, queries, URLs (RFC 3986), by total parsers without exceptions; and why anything is refused.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <jansson.h>

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

// The bytes of a value as they lie in memory; and such a value from the front of some, T{} when they are cut.
template <class T>
std::string_view stored(const T& value) noexcept
{
    static_assert(std::has_unique_object_representations_v<T>, "no padding is stored");
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

template <class T>
T load(std::string_view bytes) noexcept
{
    T value{};
    if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept;      // of ASCII letters
std::vector<std::string> words(std::string_view text, char separator = ' ');  // none of them empty
std::string concat(std::initializer_list<std::string_view> parts);
std::string join(const std::vector<std::string>& words, std::string_view separator);
std::string percent_encode(std::string_view bytes);                // all but the unreserved bytes of RFC 3986: a space is %20
std::optional<std::string> percent_decode(std::string_view text);  // + is a space; nullopt: a broken escape

struct Param {
    std::string name, value;
};

// nullopt: a broken escape, or more than `max_params`. Repeated names are all there, in order.
std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params = 64);
std::string_view last_value(const std::vector<Param>& params, std::string_view name) noexcept;  // "" when there is none

struct Arg {
    std::string_view name, value;
};
// `url` with the arguments encoded behind it, before a fragment; adds ? or & as needed.
std::string append_args(std::string_view url, const std::vector<Arg>& args);

struct Url {
    std::string scheme, host;  // lower case; an IPv6 host without its brackets
    std::string path;          // with the query; at least "/"
};

// Absolute http and https URLs only: no userinfo, no fragment, no byte outside 0x21..0x7e, no backslash.
std::optional<Url> parse_url(std::string_view url);
// 127.0.0.0/8, ::1, localhost and names under .localhost. Dotted decimal only: other spellings are names.
bool is_loopback(std::string_view host);
bool is_visible(std::string_view text) noexcept;  // no byte outside 0x21..0x7e
// A return target that stays on this site whatever the browser makes of it: "/" alone, or "/" and then neither "/" nor "\".
bool is_local_path(std::string_view target);
// The page a browser asked for, as a return path: bytes a header cannot hold are encoded, anything unsafe is "/".
std::string return_path(std::string_view target);

// JSON (jansson) with value semantics: strict parsing, no exceptions from accessors.
class Json {
public:
    Json() noexcept = default;
    Json(const Json& other) noexcept : value_{json_incref(other.value_)} {}
    Json(Json&& other) noexcept : value_{std::exchange(other.value_, nullptr)} {}
    Json& operator=(Json other) noexcept
    {
        std::swap(value_, other.value_);
        return *this;
    }
    ~Json() { json_decref(value_); }
    // Duplicated members, trailing bytes and a nesting above `max_depth` are refused: an empty Json.
    static Json parse(std::string_view text, std::size_t max_depth = 64);
    static Json object(std::initializer_list<Param> members = {});
    static Json of(std::string_view text) { return Json{json_stringn(text.data(), text.size())}; }  // empty when not UTF-8
    static Json of(std::int64_t number) { return Json{json_integer(number)}; }
    explicit operator bool() const noexcept { return value_ != nullptr; }
    bool is_object() const noexcept { return json_is_object(value_); }
    bool is_array() const noexcept { return json_is_array(value_); }
    bool is_string() const noexcept { return json_is_string(value_) && number().empty(); }
    bool is_null() const noexcept { return json_is_null(value_); }
    bool has(std::string_view name) const noexcept { return member(name) != nullptr; }
    Json at(std::string_view name) const noexcept { return Json{json_incref(member(name))}; }  // an empty Json when absent
    std::optional<std::string> string(std::string_view name) const  // nullopt: absent or no string
    {
        const Json found = at(name);
        return found.is_string() ? std::optional<std::string>{found.text()} : std::nullopt;
    }
    std::string text(std::string_view name) const { return std::string{at(name).text()}; }     // of a member, else empty
    std::string_view text() const noexcept
    {
        return is_string() ? std::string_view{json_string_value(value_), json_string_length(value_)} : std::string_view();
    }
    bool is_true(std::string_view name) const noexcept { return json_is_true(member(name)); }
    std::optional<std::int64_t> integer(std::string_view name) const;  // JSON integers, and reals without fraction, within +-2^53
    std::vector<std::string> strings(std::string_view name) const;          // the strings of an array; a string is an array of one
    std::vector<Json> elements() const;                                     // of an array
    std::vector<std::string> names() const;                                 // of an object
    std::string dump() const;                                               // compact JSON, UTF-8, any value; numbers as they came

    void set(std::string_view name, std::string_view value) { set(name, of(value)); }
    void set(std::string_view name, Json value);

private:
    explicit Json(json_t* owned) noexcept : value_{owned} {}
    json_t* member(std::string_view name) const noexcept { return json_object_getn(value_, name.data(), name.size()); }
    std::string_view number() const noexcept;  // as it was written; empty: an integer that jansson holds, or none
    json_t* value_ = nullptr;
};

inline std::string json_quoted(std::string_view text) { return Json::of(text).dump(); }  // a JSON string, quotes included

// ---- Why a login, a logout or a document was refused: one closed list, one stable identifier each
enum class Blame : std::uint8_t { browser, configuration, provider, us };

// name, HTTP status shown to the browser, who is to blame (chooses the log level)
#define OIDC_REASONS(X)                                                                                                       \
    X(callback_malformed, 400, browser)        X(state_missing, 400, browser)            X(state_unknown, 400, browser)       \
    X(state_expired, 400, browser)             X(state_replayed, 400, browser)           X(login_loop, 400, configuration)    \
    X(login_cancelled, 403, browser)           X(login_required, 403, browser)           X(return_refused, 400, browser)      \
    X(logout_state, 400, browser)              X(provider_error, 403, provider)          X(callback_issuer, 400, provider)    \
    X(provider_unreachable, 502, provider)     X(provider_timeout, 504, provider)        X(provider_busy, 503, provider)      \
    X(metadata_issuer, 502, configuration)     X(metadata_refused, 502, provider)        X(metadata_malformed, 502, provider) \
    X(metadata_endpoint, 502, provider)        X(jwks_refused, 502, provider)            X(jwks_malformed, 502, provider)     \
    X(client_refused, 502, configuration)      X(token_refused, 502, provider)           X(token_malformed, 502, provider)    \
    X(token_type, 502, provider)               X(par_refused, 502, provider)             X(par_malformed, 502, provider)      \
    X(id_token_encryption, 502, configuration) X(id_token_malformed, 502, provider)      X(id_token_missing, 502, provider)   \
    X(id_token_decryption, 502, configuration) X(id_token_algorithm, 502, configuration) X(id_token_key, 502, provider)       \
    X(id_token_signature, 502, provider)       X(id_token_type, 502, provider)           X(id_token_issuer, 502, provider)    \
    X(id_token_subject, 502, provider)         X(id_token_audience, 502, provider)       X(id_token_azp, 502, provider)       \
    X(id_token_expired, 502, configuration)    X(id_token_iat, 502, configuration)       X(id_token_nonce, 403, browser)      \
    X(id_token_acr, 403, provider)             X(id_token_at_hash, 502, provider)        X(id_token_auth_time, 502, provider) \
    X(userinfo_encryption, 502, configuration) X(userinfo_malformed, 502, provider)      X(userinfo_refused, 502, provider)   \
    X(userinfo_expired, 502, configuration)    X(userinfo_signature, 502, provider)      X(userinfo_issuer, 502, provider)    \
    X(userinfo_subject, 403, provider)         X(userinfo_audience, 502, provider)                                            \
    X(subject_changed, 403, browser)           X(scope_refused, 403, provider)           X(refresh_refused, 502, browser)     \
    X(logout_refused, 403, browser)            X(argument_refused, 400, browser)                                              \
    X(logout_token_missing, 400, browser)      X(logout_token_malformed, 400, browser)                                        \
    X(logout_token_encryption, 400, browser)   X(logout_token_algorithm, 400, browser)                                        \
    X(logout_token_signature, 400, browser)    X(logout_token_type, 400, provider)      X(logout_token_issuer, 400, provider) \
    X(logout_token_subject, 400, provider)     X(logout_token_audience, 400, provider)  X(logout_token_event, 400, provider)  \
    X(logout_token_expired, 400, configuration) X(logout_token_iat, 400, configuration) X(logout_token_replayed, 400, provider) \
    X(session_too_large, 502, configuration)   X(session_store, 503, us)                 X(internal, 500, us)                 \
    X(provider_unknown, 500, configuration)

#define OIDC_REASON_NAME(name, status, blame) name,
#define OIDC_REASON_ROW(name, status, blame) {#name, status, Blame::blame},
enum class Reason : std::uint8_t { OIDC_REASONS(OIDC_REASON_NAME) };

struct ReasonRow {
    std::string_view name;
    int status;
    Blame blame;
};
inline constexpr ReasonRow reason_rows[] = {OIDC_REASONS(OIDC_REASON_ROW)};
constexpr const ReasonRow& row_of(Reason reason) noexcept { return reason_rows[static_cast<std::size_t>(reason)]; }
constexpr std::string_view name_of(Reason reason) noexcept { return row_of(reason).name; }  // of logs and $oidc_error
constexpr int status_of(Reason reason) noexcept { return row_of(reason).status; }
constexpr Blame blame_of(Reason reason) noexcept { return row_of(reason).blame; }

// Thrown by src/oidc, caught once by the adapter. `detail` is for the log: it never holds a token or a claim value,
// and it may hold bytes chosen by the provider (the adapter escapes it).
struct Failure final : std::exception {
    Reason reason;
    std::string detail;
    std::string support_id;   // the provider's own reference of the incident, when it gave one
    std::string description;  // the provider's own words to the person, unescaped

    Failure(Reason why, std::string text) noexcept : reason{why}, detail{std::move(text)} {}
    const char* what() const noexcept override { return name_of(reason).data(); }
};

[[noreturn]] inline void fail(Reason reason, std::string detail = {}) { throw Failure(reason, std::move(detail)); }

}  // namespace oidc
