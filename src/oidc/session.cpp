#include "session.hpp"

namespace oidc {
namespace {

constexpr std::uint32_t magic = 0x0D1C5E06;  // the last byte counts layouts
constexpr std::size_t max_record = 64 * 1024, max_name = 256;

// Takes one cookie off the front of a header. Without '=' it has neither name nor value.
inline CookiePair take_cookie(std::string_view& header) noexcept
{
    const std::string_view text = take(header, ';');
    const std::size_t equals = text.find('=');
    return equals == text.npos ? CookiePair() : CookiePair(trim(text.substr(0, equals)), trim(text.substr(equals + 1)));
}

struct Header {
    std::uint32_t magic, claims_size;  // of the entries that claim() looks through: they come first, then those of internal()
    std::uint64_t binding;
    SessionTimes times;
};

struct Row {  // what stands before a name and its value
    std::uint32_t value_size;
    std::uint16_t name_size;
    Source source;
    Kind kind;
};

struct Item {
    std::string_view name;
    Entry entry;
    Source source;
};

// Takes the entry off the front; false at the end, or where bytes are cut.
inline bool next(std::string_view& rest, Item& item) noexcept
{
    const Row row = load<Row>(rest);
    const std::size_t value = sizeof(Row) + row.name_size, size = value + row.value_size;
    if (size > rest.size()) return false;
    item = {{rest.data() + sizeof(Row), row.name_size}, {{rest.data() + value, row.value_size}, row.kind}, row.source};
    rest.remove_prefix(size);
    return true;
}

// Names are unique among the entries of a source, and among those that claim() looks through.
inline std::optional<Entry> first(std::string_view entries, std::string_view name, std::optional<Source> only = {}) noexcept
{
    for (Item item; next(entries, item);)
        if (item.name == name && (!only || item.source == *only)) return item.entry;
    return std::nullopt;
}

inline std::string_view entries_of(std::string_view record) noexcept { return record.substr(std::min(record.size(), sizeof(Header))); }

inline std::string_view claims_of(std::string_view record) noexcept
{
    return entries_of(record).substr(0, load<Header>(record).claims_size);
}

std::string_view behind_claims(std::string_view record) noexcept { return entries_of(record).substr(claims_of(record).size()); }

void append(std::string& entries, std::string_view name, std::string_view value, Source source, Kind kind)
{
    const Row row{static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(name.size()), source, kind};
    entries.append(stored(row)).append(name).append(value);
}

// To `meant` what a claim's name means from now on, to `others` the rest.
void append_claims(std::string& meant, std::string& others, const Json& claims, Source source)
{
    constexpr std::string_view protocol_claims[] = {"acr", "amr", "at_hash", "aud",   "auth_time", "azp",
                                                    "exp", "iat", "iss",     "nonce", "sid",       "sub"};
    for (const std::string& name : claims.names()) {
        const Json claim = claims.at(name);
        const bool text = claim.is_string();
        const std::string value = text ? std::string(claim.text()) : claim.dump();
        const bool emittable = value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
        if (claim.is_null() || !emittable || name.size() > max_name) continue;
        const bool first_choice = contains(protocol_claims, name) ? source == Source::id_token : !first(meant, name);
        append(first_choice ? meant : others, name, value, source, text ? Kind::string : Kind::json);
    }
}

// RFC 6749 appendix A.12: what an access token may hold is also what a header may.
void append_internal(std::string& entries, std::string_view name, std::string_view value)
{
    const bool printable = std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!printable) fail(Reason::token_malformed, concat({name, " has a character that no token may have"}));
    append(entries, name, value, Source::internal, Kind::string);
}

}  // namespace

std::string_view find_cookie(std::string_view header, std::string_view name) noexcept
{
    while (!header.empty()) {
        const CookiePair cookie = take_cookie(header);
        if (cookie.first == name) return cookie.second;
    }
    return {};
}

std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix)
{
    std::vector<CookiePair> found;
    while (!header.empty()) {
        const CookiePair cookie = take_cookie(header);
        if (!cookie.first.empty() && cookie.first.starts_with(prefix)) found.push_back(cookie);
    }
    return found;
}

std::optional<std::string_view> strip_cookies(std::string_view header, char* out, IsOurs ours, const void* context) noexcept
{
    char* end = out;
    const char* kept = header.data();  // the run before `rest` that stays: copied when one of ours ends it
    for (std::string_view rest = header; !rest.empty();) {
        const char* const start = rest.data();
        const std::string_view name = take_cookie(rest).first;
        if (name.empty() || !ours(context, name)) continue;
        end = std::copy(kept, start, end);
        kept = rest.data();
    }
    if (kept == header.data()) return std::nullopt;
    end = std::copy(kept, header.data() + header.size(), end);
    return trim({out, end}, ';');
}

std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<Seconds> max_age)
{
    constexpr std::string_view sites[] = {"Lax", "None", "Strict"};  // in the order of SameSite
    return concat({name, "=", value, "; Path=", attributes.path, attributes.domain.empty() ? "" : "; Domain=", attributes.domain,
                   attributes.secure ? "; Secure" : "", "; HttpOnly; SameSite=", sites[static_cast<int>(attributes.samesite)],
                   max_age ? "; Max-Age=" : "", max_age ? std::to_string(*max_age) : std::string()});
}

std::string session_cookie_name(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool host_bound = https && !rules.name_given && rules.domain.empty() && rules.path == "/" && rules.secure != Switch::off;
    return (host_bound ? "__Host-" : "") + rules.name;
}

CookieAttributes session_cookie_attributes(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool secure = rules.secure == Switch::automatic ? https : rules.secure == Switch::on;
    return {rules.domain, rules.path, rules.samesite, secure};
}

std::uint64_t binding_of(const Provider& provider)
{
    return load<std::uint64_t>(view(sha256(concat({provider.name, "\n", provider.issuer, "\n", provider.client_id}))));
}

std::string serialize(const NewSession& session)
{
    std::string claims, internal, others;
    append_claims(claims, others, session.userinfo, Source::userinfo);
    append_claims(claims, others, session.id_claims, Source::id_token);
    append_internal(internal, entry_name::refresh_token, session.refresh_token);  // first: asked for by every request near its end
    append_internal(internal, entry_name::scope, session.scope);
    append_internal(internal, entry_name::access_token, session.access_token);
    append_internal(internal, entry_name::id_token, session.id_token);
    append_internal(internal, entry_name::return_path, session.return_path);
    append_internal(internal, entry_name::state_hash, session.state_hash);
    const Header header{magic, static_cast<std::uint32_t>(claims.size()), session.binding, session.times};
    std::string record = concat({stored(header), claims, internal, others});
    if (record.size() > max_record) fail(Reason::session_too_large, std::to_string(record.size()) + " bytes of claims and tokens");
    return record;
}

SessionView::SessionView(std::string_view record) noexcept
    : record_{load<Header>(record).magic == magic ? record : ""}, claims_{claims_of(record_)}
{
}
std::uint64_t SessionView::binding() const noexcept { return load<Header>(record_).binding; }
SessionTimes SessionView::times() const noexcept { return load<Header>(record_).times; }
std::optional<Entry> SessionView::claim(std::string_view name) const noexcept { return first(claims_, name); }
std::optional<Entry> SessionView::find(std::string_view name, Source source) const noexcept
{
    return first(entries_of(record_), name, source);
}

std::string_view SessionView::internal(std::string_view name) const noexcept
{
    return first(behind_claims(record_), name, Source::internal).value_or(Entry()).value;
}

bool SessionQuery::matches(std::string_view record) const noexcept
{
    const SessionView session(record);
    const std::string_view own_sid = session.find("sid", Source::id_token).value_or(Entry()).value;
    const std::string_view own_sub = session.find("sub", Source::id_token).value_or(Entry()).value;
    const bool same_sid = own_sid.empty() ? !sub.empty() : sid.empty() || own_sid == sid;
    return session && session.binding() == binding && same_sid && (sub.empty() || own_sub == sub);
}

std::string claims_json(const SessionView& session, std::optional<Source> only)
{
    std::string text;
    std::string_view rest = only ? entries_of(session.record_) : session.claims_;
    for (Item item; next(rest, item);) {
        if (only && item.source != *only) continue;
        text.append(text.empty() ? "{" : ",").append(json_quoted(item.name)) += ':';
        text += item.entry.kind == Kind::string ? json_quoted(item.entry.value) : std::string(item.entry.value);
    }
    return text.empty() ? text : text + "}";
}

}  // namespace oidc
