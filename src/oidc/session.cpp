#include "session.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "crypto.hpp"
#include "failure.hpp"

namespace oidc {
namespace {

constexpr std::uint32_t magic = 0x0D1C5E55;
constexpr std::uint32_t layout = 1;
constexpr std::size_t max_record = 64 * 1024;

struct Header {
    std::uint32_t magic, layout;
    std::uint64_t binding;
    SessionTimes times;
    std::uint64_t count;
};

struct Row {  // offsets from the start of the record
    std::uint32_t name, value, value_size;
    std::uint16_t name_size;
    std::uint8_t source, kind;
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

Row row(std::string_view record, std::size_t index) noexcept { return load<Row>(record, sizeof(Header) + index * sizeof(Row)); }

bool inside(std::string_view record, const Row& row) noexcept
{
    return row.name + std::size_t{row.name_size} <= record.size() && row.value + std::size_t{row.value_size} <= record.size();
}

constexpr std::array<std::string_view, 12> protocol_claims{"acr", "amr", "at_hash", "aud",   "auth_time", "azp",
                                                           "exp", "iat", "iss",     "nonce", "sid",       "sub"};

bool is_protocol(std::string_view name) noexcept { return std::binary_search(protocol_claims.begin(), protocol_claims.end(), name); }

struct Draft {
    std::string name, value;
    Source source;
    Kind kind;
};

bool emittable(std::string_view value) noexcept { return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos; }

void add_claims(std::vector<Draft>& drafts, const Json& claims, Source source)
{
    if (!claims) return;
    for (std::string& name : claims.names()) {
        Json value = claims.at(name);
        if (value.is_null()) continue;
        Draft draft{std::move(name), value.is_string() ? std::string(value.text()) : value.dump(), source,
                    value.is_string() ? Kind::string : Kind::json};
        if (emittable(draft.value) && draft.name.size() <= 256) drafts.push_back(std::move(draft));
    }
}

void add_internal(std::vector<Draft>& drafts, std::string_view name, const std::string& value)
{
    if (!value.empty()) drafts.push_back({std::string(name), value, Source::internal, Kind::string});
}

std::vector<Draft> drafts_of(const NewSession& session)
{
    std::vector<Draft> drafts;
    add_claims(drafts, session.id_claims, Source::id_token);
    add_claims(drafts, session.userinfo, Source::userinfo);
    add_internal(drafts, entry_name::id_token, session.id_token);
    add_internal(drafts, entry_name::access_token, session.access_token);
    add_internal(drafts, entry_name::return_path, session.return_path);
    add_internal(drafts, entry_name::state_hash, session.state_hash);
    std::sort(drafts.begin(), drafts.end(), [](const Draft& a, const Draft& b) {
        return a.name != b.name ? a.name < b.name : a.source < b.source;
    });
    return drafts;
}

}  // namespace

std::uint64_t binding_of(const Provider& provider)
{
    Digest digest = sha256(provider.name + '\n' + provider.issuer + '\n' + provider.client_id);
    return load<std::uint64_t>(view(digest), 0);
}

std::string serialize(const NewSession& session)
{
    std::vector<Draft> drafts = drafts_of(session);
    std::size_t size = sizeof(Header) + drafts.size() * sizeof(Row);
    for (const Draft& draft : drafts) size += draft.name.size() + draft.value.size();
    if (size > max_record) fail(Reason::session_too_large, std::to_string(size) + " bytes of claims and tokens");

    std::string record;
    record.reserve(size);
    append(record, Header{magic, layout, session.binding, session.times, drafts.size()});
    std::size_t offset = sizeof(Header) + drafts.size() * sizeof(Row);
    for (const Draft& draft : drafts) {
        auto name = static_cast<std::uint32_t>(offset);
        auto value = static_cast<std::uint32_t>(offset + draft.name.size());
        append(record, Row{name, value, static_cast<std::uint32_t>(draft.value.size()), static_cast<std::uint16_t>(draft.name.size()),
                           static_cast<std::uint8_t>(draft.source), static_cast<std::uint8_t>(draft.kind)});
        offset = value + draft.value.size();
    }
    for (const Draft& draft : drafts) record.append(draft.name).append(draft.value);
    return record;
}

SessionView::SessionView(std::string_view record) noexcept
{
    if (record.size() < sizeof(Header)) return;
    Header header = load<Header>(record, 0);
    if (header.magic != magic || header.layout != layout) return;
    if (header.count > (record.size() - sizeof(Header)) / sizeof(Row)) return;
    record_ = record;
    count_ = header.count;
}

std::uint64_t SessionView::binding() const noexcept { return record_.empty() ? 0 : load<Header>(record_, 0).binding; }

SessionTimes SessionView::times() const noexcept { return record_.empty() ? SessionTimes{} : load<Header>(record_, 0).times; }

Entry SessionView::entry(std::size_t index) const noexcept
{
    Row at = row(record_, index);
    if (!inside(record_, at)) return {};
    return {record_.substr(at.name, at.name_size), record_.substr(at.value, at.value_size), static_cast<Source>(at.source),
            static_cast<Kind>(at.kind)};
}

std::optional<Entry> SessionView::find(std::string_view name, Source source) const noexcept
{
    std::size_t low = 0, high = count_;
    while (low < high) {
        std::size_t middle = (low + high) / 2;
        Entry at = entry(middle);
        int order = at.name.compare(name);
        if (order == 0 && at.source == source) return at;
        if (order < 0 || (order == 0 && at.source < source)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return std::nullopt;
}

std::optional<Entry> SessionView::claim(std::string_view name) const noexcept
{
    if (is_protocol(name)) return find(name, Source::id_token);
    std::optional<Entry> found = find(name, Source::userinfo);
    return found ? found : find(name, Source::id_token);
}

std::string_view SessionView::internal(std::string_view name) const noexcept
{
    std::optional<Entry> found = find(name, Source::internal);
    return found ? found->value : std::string_view{};
}

std::string claims_json(const SessionView& session, std::optional<Source> only)
{
    std::string text;
    for (std::size_t i = 0; i < session.size(); ++i) {
        Entry at = session.entry(i);
        if (at.source == Source::internal || (only && at.source != *only)) continue;
        std::optional<Entry> meant = session.claim(at.name);
        if (!only && (!meant || meant->source != at.source)) continue;
        text.append(text.empty() ? "{" : ",").append(json_quoted(at.name)) += ':';
        text += at.kind == Kind::string ? json_quoted(at.value) : std::string(at.value);
    }
    return text.empty() ? text : text + "}";
}

}  // namespace oidc
