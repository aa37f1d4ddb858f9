#include "oidc/ports/session_record.hpp"

#include <algorithm>
#include <cstddef>

#include "oidc/base/bytes.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/text.hpp"

namespace oidc {
namespace {

constexpr std::uint32_t magic = 0x0D1C5E06;  // the last byte counts layouts
constexpr std::size_t max_record = 64 * 1024, max_name = 256;

struct Header {
    std::uint32_t magic,
        claims_size;  // of the entries that claim() looks through: they come first, then those of internal()
    std::uint64_t binding;
    SessionTimes times;
};

struct Row {  // what stands before a name and its value
    std::uint32_t value_size;
    std::uint16_t name_size;
    EntrySource source;
    EntryKind kind;
};

struct Item {
    std::string_view name;
    Entry entry;
    EntrySource source;
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
inline std::optional<Entry> first(std::string_view entries, std::string_view name,
                                  std::optional<EntrySource> only = {}) noexcept
{
    for (Item item; next(entries, item);)
        if (item.name == name && (!only || item.source == *only)) return item.entry;
    return std::nullopt;
}

inline std::string_view entries_of(std::string_view record) noexcept
{
    return record.substr(std::min(record.size(), sizeof(Header)));
}

inline std::string_view claims_of(std::string_view record) noexcept
{
    return entries_of(record).substr(0, load<Header>(record).claims_size);
}

std::string_view behind_claims(std::string_view record) noexcept
{
    return entries_of(record).substr(claims_of(record).size());
}

void append(std::string& entries, std::string_view name, std::string_view value, EntrySource source, EntryKind kind)
{
    const Row row{static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(name.size()), source, kind};
    entries.append(stored(row)).append(name).append(value);
}

// To `meant` what a claim's name means from now on, to `others` the rest.
void append_claims(std::string& meant, std::string& others, const Json& claims, EntrySource source)
{
    constexpr std::string_view protocol_claims[] = {"acr", "amr", "at_hash", "aud",   "auth_time", "azp",
                                                    "exp", "iat", "iss",     "nonce", "sid",       "sub"};
    for (const std::string& name : claims.names()) {
        const Json claim = claims.at(name);
        const bool text = claim.is_string();
        const std::string value = text ? std::string(claim.text()) : claim.dump();
        const bool emittable = value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
        if (claim.is_null() || !emittable || name.size() > max_name) continue;
        const bool first_choice =
            contains(protocol_claims, name) ? source == EntrySource::id_token : !first(meant, name);
        append(first_choice ? meant : others, name, value, source, text ? EntryKind::string : EntryKind::json);
    }
}

// RFC 6749 appendix A.12: what an access token may hold is also what a header may.
void append_internal(std::string& entries, std::string_view name, std::string_view value)
{
    const bool printable = std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!printable) fail(Reason::token_malformed, concat({name, " has a character that no token may have"}));
    append(entries, name, value, EntrySource::internal, EntryKind::string);
}

}  // namespace

std::string serialize_session(const NewSession& session)
{
    std::string claims, internal, others;
    append_claims(claims, others, session.userinfo, EntrySource::userinfo);
    append_claims(claims, others, session.id_claims, EntrySource::id_token);

    append_internal(internal, entry_name::refresh_token,
                    session.refresh_token);  // first: asked for by every request near its end
    append_internal(internal, entry_name::scope, session.scope);
    append_internal(internal, entry_name::access_token, session.access_token);
    append_internal(internal, entry_name::id_token, session.id_token);
    append_internal(internal, entry_name::return_path, session.return_path);
    append_internal(internal, entry_name::state_hash, session.state_hash);

    const Header header{magic, static_cast<std::uint32_t>(claims.size()), session.binding, session.times};
    std::string record = concat({stored(header), claims, internal, others});
    if (record.size() > max_record)
        fail(Reason::session_too_large, std::to_string(record.size()) + " bytes of claims and tokens");
    return record;
}

SessionView::SessionView(std::string_view record) noexcept
    : record_{load<Header>(record).magic == magic ? record : ""}, claims_{claims_of(record_)}
{
}
std::uint64_t SessionView::binding() const noexcept { return load<Header>(record_).binding; }
SessionTimes SessionView::times() const noexcept { return load<Header>(record_).times; }
std::optional<Entry> SessionView::claim(std::string_view name) const noexcept { return first(claims_, name); }
std::optional<Entry> SessionView::find(std::string_view name, EntrySource source) const noexcept
{
    return first(entries_of(record_), name, source);
}

std::string_view SessionView::internal(std::string_view name) const noexcept
{
    return first(behind_claims(record_), name, EntrySource::internal).value_or(Entry()).value;
}

bool SessionQuery::matches(std::string_view record) const noexcept
{
    const SessionView session(record);
    const std::string_view own_sid = session.find("sid", EntrySource::id_token).value_or(Entry()).value;
    const std::string_view own_sub = session.find("sub", EntrySource::id_token).value_or(Entry()).value;
    const bool same_sid = own_sid.empty() ? !sub.empty() : sid.empty() || own_sid == sid;
    return session && session.binding() == binding && same_sid && (sub.empty() || own_sub == sub);
}

std::string claims_json(const SessionView& session, std::optional<EntrySource> only)
{
    std::string text;
    std::string_view rest = only ? entries_of(session.record_) : session.claims_;
    for (Item item; next(rest, item);) {
        if (only && item.source != *only) continue;
        text.append(text.empty() ? "{" : ",").append(json_quoted(item.name)) += ':';
        text += item.entry.kind == EntryKind::string ? json_quoted(item.entry.value) : std::string(item.entry.value);
    }
    return text.empty() ? text : text + "}";
}

}  // namespace oidc
