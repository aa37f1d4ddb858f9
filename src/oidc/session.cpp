#include "session.hpp"

#include <cstring>
#include <ranges>
#include <tuple>

#include "crypto.hpp"
#include "failure.hpp"
#include "url.hpp"

namespace oidc {
namespace {

constexpr std::uint32_t magic = 0x0D1C5E55;
constexpr std::uint32_t layout = 2;
constexpr std::size_t max_record = 64 * 1024, max_name = 256;

struct Header {
    std::uint32_t magic, layout;
    std::uint64_t binding;
    SessionTimes times;
    std::uint64_t count;
};

struct Row {  // the name lies at `offset` from the start of the record, the value behind it
    std::uint32_t offset, value_size;
    std::uint16_t name_size;
    Source source;
    Kind kind;
};

// Records have no alignment of their own.
template <class T>
T load(std::string_view record, std::size_t offset) noexcept
{
    T value;
    std::memcpy(&value, record.data() + offset, sizeof(T));
    return value;
}

template <class T>
void append(std::string& record, const T& value)
{
    record.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

constexpr std::string_view protocol_claims[] = {"acr", "amr", "at_hash", "aud",   "auth_time", "azp",
                                                "exp", "iat", "iss",     "nonce", "sid",       "sub"};

struct Draft {
    std::string name, value;
    Source source = Source::internal;
    Kind kind = Kind::string;
};

void add_claims(std::vector<Draft>& drafts, const Json& claims, Source source)
{
    for (std::string& name : claims.names()) {
        const Json claim = claims.at(name);
        const bool text = claim.is_string();
        std::string value = text ? std::string(claim.text()) : claim.dump();
        const bool emittable = value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
        if (claim.is_null() || !emittable || name.size() > max_name) continue;
        drafts.push_back({std::move(name), std::move(value), source, text ? Kind::string : Kind::json});
    }
}

std::vector<Draft> drafts_of(const NewSession& session)
{
    std::vector<Draft> drafts{{std::string(entry_name::id_token), session.id_token},
                              {std::string(entry_name::access_token), session.access_token},
                              {std::string(entry_name::return_path), session.return_path},
                              {std::string(entry_name::state_hash), session.state_hash}};
    add_claims(drafts, session.id_claims, Source::id_token);
    add_claims(drafts, session.userinfo, Source::userinfo);
    std::ranges::sort(drafts, {}, [](const Draft& draft) { return std::tie(draft.name, draft.source); });
    return drafts;
}

}  // namespace

std::uint64_t binding_of(const Provider& provider)
{
    return load<std::uint64_t>(view(sha256(concat({provider.name, "\n", provider.issuer, "\n", provider.client_id}))), 0);
}

std::string serialize(const NewSession& session)
{
    const std::vector<Draft> drafts = drafts_of(session);
    std::size_t offset = sizeof(Header) + drafts.size() * sizeof(Row), size = offset;
    for (const Draft& draft : drafts) size += draft.name.size() + draft.value.size();
    if (size > max_record) fail(Reason::session_too_large, std::to_string(size) + " bytes of claims and tokens");

    std::string record;
    record.reserve(size);
    append(record, Header{magic, layout, session.binding, session.times, drafts.size()});
    for (const Draft& draft : drafts) {
        append(record, Row{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(draft.value.size()),
                           static_cast<std::uint16_t>(draft.name.size()), draft.source, draft.kind});
        offset += draft.name.size() + draft.value.size();
    }
    for (const Draft& draft : drafts) record.append(draft.name).append(draft.value);
    return record;
}

SessionView::SessionView(std::string_view record) noexcept
{
    if (record.size() < sizeof(Header)) return;
    const Header header = load<Header>(record, 0);
    if (header.magic != magic || header.layout != layout) return;
    if (header.count > (record.size() - sizeof(Header)) / sizeof(Row)) return;
    record_ = record;
    times_ = header.times;
    binding_ = header.binding;
    count_ = static_cast<std::uint32_t>(header.count);
}

Entry SessionView::entry(std::size_t index) const noexcept
{
    const Row row = load<Row>(record_, sizeof(Header) + index * sizeof(Row));
    if (std::size_t{row.offset} + row.name_size + row.value_size > record_.size()) return {};
    const std::string_view name = record_.substr(row.offset, row.name_size);
    return {name, record_.substr(row.offset + row.name_size, row.value_size), row.source, row.kind};
}

std::optional<Entry> SessionView::find(std::string_view name, Source source) const noexcept
{
    const auto indices = std::views::iota(std::uint32_t{0}, count_);
    const auto wanted = std::tie(name, source);
    const auto at = std::ranges::partition_point(indices, [&](std::uint32_t index) {
        const Entry each = entry(index);
        return std::tie(each.name, each.source) < wanted;
    });
    const Entry found = at == indices.end() ? Entry() : entry(*at);
    return std::tie(found.name, found.source) == wanted ? std::optional(found) : std::nullopt;
}

std::optional<Entry> SessionView::claim(std::string_view name) const noexcept
{
    if (contains(protocol_claims, name)) return find(name, Source::id_token);
    std::optional<Entry> found = find(name, Source::userinfo);
    return found ? found : find(name, Source::id_token);
}

std::string_view SessionView::internal(std::string_view name) const noexcept
{
    return find(name, Source::internal).value_or(Entry()).value;
}

std::string claims_json(const SessionView& session, std::optional<Source> only)
{
    std::string text;
    for (std::size_t i = 0; i < session.size(); ++i) {
        const Entry at = session.entry(i);
        if (at.source == Source::internal || (only && at.source != *only)) continue;
        const std::optional<Entry> meant = session.claim(at.name);
        if (!only && (!meant || meant->source != at.source)) continue;
        text.append(text.empty() ? "{" : ",").append(json_quoted(at.name)) += ':';
        text += at.kind == Kind::string ? json_quoted(at.value) : std::string(at.value);
    }
    return text.empty() ? text : text + "}";
}

}  // namespace oidc
