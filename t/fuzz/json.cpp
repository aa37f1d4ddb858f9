// JSON (RFC 8259), and what is read of it: a provider's metadata, and its error responses.
#include "oidc/base/json.hpp"
#include "fuzz.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/protocol/error_response.hpp"
#include "oidc/provider/metadata.hpp"
#include "oidc/provider/provider.hpp"

using namespace oidc;

namespace {

// Every accessor, on every member; how deep it nests.
std::size_t walk(const Json& json)
{
    constexpr std::int64_t limit = std::int64_t{1} << 53;
    std::size_t below = 0;
    for (const std::string& name : json.names()) {
        MUST(json.has(name));
        const std::optional<std::int64_t> number = json.integer(name);
        if (number) MUST(*number >= -limit && *number <= limit);
        if (const std::optional<std::string> text = json.string(name)) MUST(json.text(name) == *text && !number);
        json.strings(name);
        json.is_true(name);
        below = std::max(below, walk(json.at(name)));
    }
    for (const Json& element : json.elements()) below = std::max(below, walk(element));
    return json.is_object() || json.is_array() ? below + 1 : 0;
}

void check_json(std::string_view text)
{
    const Json json = Json::parse(text);
    const Json shallow = Json::parse(text, 8);
    if (!json) return;
    const std::size_t depth = walk(json);
    MUST(depth <= 64 && bool(shallow) == (depth <= 8));

    // As it was written: read again, it says the same.
    const std::string dump = json.dump();
    const Json again = Json::parse(dump);
    MUST(again && again.dump() == dump);

    Json changed = json;
    changed.set("a", "b");
    MUST(json.dump() == dump);
}

// Numbers come back as they came.
void check_number(std::string_view text)
{
    const bool digits = !text.empty() && text.find_first_not_of("0123456789+-.eE") == text.npos;
    const Json json = digits ? Json::parse(concat({"[", text, "]"})) : Json();
    if (json && text != "-0") MUST(json.dump() == concat({"[", text, "]"}));
}

void check_text(std::string_view text)
{
    const Json json = Json::of(text);
    if (!json || text.starts_with('\0')) return;
    const Json read = Json::parse(concat({"{\"a\":", json_quoted(text), "}"}));
    MUST(read.string("a") == text);
}

void check_metadata(const Provider& provider, std::string_view text)
{
    Endpoints endpoints;
    const std::optional<Failure> why = fuzz::refusal([&] { endpoints = parse_metadata(provider, text); });
    if (why) {
        MUST(name_of(why->reason).starts_with("metadata_"));
        return;
    }
    MUST(Json::parse(text).string("issuer") == provider.issuer);
    const bool local = is_loopback(parse_url(provider.issuer)->host);
    for (const std::string* each : {&endpoints.authorization, &endpoints.token, &endpoints.userinfo, &endpoints.jwks,
                                    &endpoints.end_session, &endpoints.revocation, &endpoints.par}) {
        const std::optional<Url> url = parse_url(*each);
        MUST(each->empty() || (url && (url->scheme == "https" || local)));
    }
    MUST(!endpoints.authorization.empty() && !endpoints.token.empty() && !endpoints.jwks.empty());
}

void check_error(std::string_view text)
{
    HttpResponse response;
    response.status = 400;
    response.body = text;
    const Failure failure = error_response(response);
    MUST(failure.reason == Reason::client_refused || failure.reason == Reason::token_refused);
    MUST(failure.support_id.size() <= 64 && is_visible(failure.support_id) &&
         failure.support_id.find_first_of("<>\"'&") == std::string::npos);
}

}  // namespace

FUZZ_TARGET(input)
{
    const fuzz::Exact copy(input);
    const std::string_view text = copy.view();
    check_json(text);
    check_number(text);
    check_text(text);
    check_error(text);

    Provider provider;
    provider.name = "p";
    provider.issuer = "https://op.example";
    check_metadata(provider, text);
    provider.http.certificate = "certificate";
    provider.overrides.jwks = "https://op.example/jwks";
    check_metadata(provider, text);
    provider.issuer = "http://localhost:8080";
    check_metadata(provider, text);
}
