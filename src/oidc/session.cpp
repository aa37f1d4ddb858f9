#include "session.hpp"

#include <cstring>

#include "crypto.hpp"
#include "failure.hpp"
#include "url.hpp"

namespace oidc {
namespace {

constexpr std::uint32_t magic = 0x0D1C5E55, layout = 2;
constexpr std::size_t max_record = 64 * 1024, max_name = 256;

struct Header {
    std::uint32_t magic, layout;
    std::uint64_t binding;
    SessionTimes times;
};

struct Row {  // what stands before a name and its value
    std::uint32_t value_size;
    std::uint16_t name_size;
    Source source;
    Kind kind;
};

// Records have no alignment of their own.
template <class T>
T load(std::string_view bytes) noexcept
{
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
}

template <class T>
std::string_view bytes_of(const T& value) noexcept
{
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

// Takes the entry off the front; of bytes that are cut nothing is left.
Entry take_entry(std::string_view& rest) noexcept
{
    const Row row = rest.size() < sizeof(Row) ? Row{} : load<Row>(rest);
    const std::size_t value = sizeof(Row) + row.name_size, size = value + row.value_size;
    const std::string_view bytes = rest.substr(0, size);
    rest.remove_prefix(bytes.size());
    if (bytes.size() < size) return {};
    return {bytes.substr(sizeof(Row), row.name_size), bytes.substr(value), row.source, row.kind};
}

void append(std::string& record, std::string_view name, std::string_view value, Source source, Kind kind)
{
    const Row row{static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(name.size()), source, kind};
    record.append(bytes_of(row)).append(name).append(value);
}

void append_claims(std::string& record, const Json& claims, Source source)
{
    for (const std::string& name : claims.names()) {
        const Json claim = claims.at(name);
        const bool text = claim.is_string();
        const std::string value = text ? std::string(claim.text()) : claim.dump();
        const bool emittable = value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
        if (claim.is_null() || !emittable || name.size() > max_name) continue;
        append(record, name, value, source, text ? Kind::string : Kind::json);
    }
}

}  // namespace

std::uint64_t binding_of(const Provider& provider)
{
    return load<std::uint64_t>(view(sha256(concat({provider.name, "\n", provider.issuer, "\n", provider.client_id}))));
}

std::string serialize(const NewSession& session)
{
    std::string record(bytes_of(Header{magic, layout, session.binding, session.times}));
    append(record, entry_name::id_token, session.id_token, Source::internal, Kind::string);
    append(record, entry_name::access_token, session.access_token, Source::internal, Kind::string);
    append(record, entry_name::return_path, session.return_path, Source::internal, Kind::string);
    append(record, entry_name::state_hash, session.state_hash, Source::internal, Kind::string);
    append_claims(record, session.id_claims, Source::id_token);
    append_claims(record, session.userinfo, Source::userinfo);
    if (record.size() > max_record) fail(Reason::session_too_large, std::to_string(record.size()) + " bytes of claims and tokens");
    return record;
}

SessionView::SessionView(std::string_view record) noexcept
{
    const Header header = record.size() < sizeof(Header) ? Header{} : load<Header>(record);
    if (header.magic != magic || header.layout != layout) return;
    entries_ = record.substr(sizeof(Header));
    times_ = header.times;
    binding_ = header.binding;
}

std::optional<Entry> SessionView::find(std::string_view name, Source source) const noexcept
{
    for (std::string_view rest = entries_; !rest.empty();) {
        const Entry entry = take_entry(rest);
        if (entry.source == source && entry.name == name) return entry;
    }
    return std::nullopt;
}

std::optional<Entry> SessionView::claim(std::string_view name) const noexcept
{
    constexpr std::string_view protocol_claims[] = {"acr", "amr", "at_hash", "aud",   "auth_time", "azp",
                                                    "exp", "iat", "iss",     "nonce", "sid",       "sub"};
    if (contains(protocol_claims, name)) return find(name, Source::id_token);
    const std::optional<Entry> found = find(name, Source::userinfo);
    return found ? found : find(name, Source::id_token);
}

std::string_view SessionView::internal(std::string_view name) const noexcept
{
    return find(name, Source::internal).value_or(Entry()).value;
}

std::string claims_json(const SessionView& session, std::optional<Source> only)
{
    std::string text;
    for (std::string_view rest = session.entries_; !rest.empty();) {
        const Entry entry = take_entry(rest);
        const Source wanted = only.value_or(session.claim(entry.name).value_or(Entry()).source);
        if (entry.source == Source::internal || entry.source != wanted) continue;
        text.append(text.empty() ? "{" : ",").append(json_quoted(entry.name)) += ':';
        text += entry.kind == Kind::string ? json_quoted(entry.value) : std::string(entry.value);
    }
    return text.empty() ? text : text + "}";
}

}  // namespace oidc
