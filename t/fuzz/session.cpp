// A session's record. With 'r' in front: the bytes of one, as they may lie anywhere; else what a login leaves, in
// pieces: the claims of the ID token, of UserInfo, and the texts of tokens.
#include "fuzz.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/ports/session_record.hpp"

using namespace oidc;

namespace {

const std::string& magic()
{
    static const std::string bytes = serialize_session(NewSession()).substr(0, 4);
    return bytes;
}

constexpr EntrySource sources[] = {EntrySource::internal, EntrySource::id_token, EntrySource::userinfo};

void check_view(std::string_view bytes, std::string_view name)
{
    const fuzz::Exact copy(bytes);
    const std::string_view record = copy.view();
    const SessionView view(record);
    const auto inside = [&](const std::optional<Entry>& entry) {
        return !entry || fuzz::is_inside(entry->value, record);
    };
    for (const EntrySource source : sources) {
        MUST(inside(view.find(name, source)) && inside(view.find("sub", source)));
        claims_json(view, source);
    }
    claims_json(view, std::nullopt);
    MUST(inside(view.claim(name)) && fuzz::is_inside(view.internal(entry_name::id_token), record));
    MUST(view || (!view.claim(name) && view.binding() == 0 && view.times().expires == 0));

    SessionQuery query{
        view.binding(), {}, std::string(view.find("sub", EntrySource::id_token).value_or(Entry()).value)};
    if (!query.sub.empty()) MUST(query.matches(record) == bool(view));
    ++query.binding;
    MUST(!query.matches(record));
}

// The text of a claim in a record; nullopt: it is left out.
std::optional<std::string> text_of(const Json& claims, const std::string& name)
{
    const Json claim = claims.at(name);
    std::string text = claim.is_string() ? std::string(claim.text()) : claim.dump();
    const bool kept = claim && !claim.is_null() && name.size() <= 256 &&
                      text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
    return kept ? std::optional(std::move(text)) : std::nullopt;
}

void check_claims(const SessionView& view, const Json& claims, EntrySource source)
{
    const Json listed = Json::parse(claims_json(view, source));
    MUST(claims.names().empty() || listed || claims_json(view, source).empty());
    for (const std::string& name : claims.names()) {
        const std::optional<std::string> text = text_of(claims, name);
        const std::optional<Entry> entry = view.find(name, source);
        MUST(entry.has_value() == text.has_value());
        MUST(listed.has(name) == text.has_value());
        if (!entry) continue;
        MUST(entry->value == *text);
        MUST((entry->kind == EntryKind::string) == claims.at(name).is_string());
        MUST(listed.at(name).dump() == claims.at(name).dump());
    }
}

void check_round_trip(std::string_view input)
{
    NewSession session;
    session.times = {1, 2, 3, 4};
    session.binding = 42;
    session.id_claims = Json::parse(fuzz::next_piece(input));
    session.userinfo = Json::parse(fuzz::next_piece(input), 32);
    if (!session.id_claims.is_object() || !(session.userinfo.is_object() || !session.userinfo)) return;
    session.id_token = fuzz::next_piece(input);
    session.access_token = fuzz::next_piece(input);
    session.refresh_token = fuzz::next_piece(input);
    session.scope = fuzz::next_piece(input);

    std::string record;
    const std::optional<Failure> why = fuzz::refusal([&] { record = serialize_session(session); });
    if (why) {
        MUST(why->reason == Reason::token_malformed || why->reason == Reason::session_too_large);
        return;
    }
    MUST(record.size() <= 64 * 1024);

    const SessionView view(record);
    MUST(view && view.binding() == 42 && view.times().created == 1 && view.times().access_issued == 4);
    for (const auto& [name, text] : {std::pair(entry_name::id_token, &session.id_token),
                                     {entry_name::access_token, &session.access_token},
                                     {entry_name::refresh_token, &session.refresh_token},
                                     {entry_name::scope, &session.scope}}) {
        MUST(view.internal(name) == *text && fuzz::is_header_safe(*text));
    }
    check_claims(view, session.id_claims, EntrySource::id_token);
    check_claims(view, session.userinfo, EntrySource::userinfo);

    // Who somebody is, and how they logged in, the ID token alone says.
    for (const char* name : {"sub", "acr", "iss", "sid"})
        MUST(view.claim(name).has_value() == text_of(session.id_claims, name).has_value());
    const Json meant = Json::parse(claims_json(view, std::nullopt));
    MUST(meant.at("sub").dump() == (text_of(session.id_claims, "sub") ? session.id_claims.at("sub").dump() : ""));

    // A record that is cut is read no further than it goes.
    check_view(std::string_view(record).substr(0, record.size() / 2), "sub");
}

}  // namespace

FUZZ_TARGET(input)
{
    if (!input.starts_with('r')) return check_round_trip(input);
    input.remove_prefix(1);
    const std::string_view name = fuzz::next_piece(input);
    check_view(input, name);
    check_view(concat({magic(), input}), name);
}
