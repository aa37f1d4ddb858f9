// Logout tokens (Back-Channel Logout 1.0), and the front channel's query. One piece is a form or a query as it comes;
// two are a header and the claims of a token that the provider signs.
#include "fuzz.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/journey/provider_logout.hpp"
#include "oidc/ports/session_record.hpp"
#include "provider.hpp"
#include "tokens.hpp"

using namespace oidc;

namespace {

struct Person {
    std::string sub, sid;
};
const Person people[] = {{"alice", "s1"}, {"alice", "s2"}, {"bob", "s3"}, {"carol", ""}};

Digest key_of(const Person& person) { return sha256(concat({person.sub, person.sid})); }

void log_in_all(fuzz::Site& site)
{
    for (const Person& person : people) {
        NewSession session;
        session.binding = site.provider.binding;
        session.id_claims = Json::object({{"sub", person.sub}});
        if (!person.sid.empty()) session.id_claims.set("sid", person.sid);
        site.sessions.sessions[key_of(person)] = serialize_session(session);
    }
}

// Back-Channel Logout 2.6: what the token must have said.
void check_accepted(fuzz::Site& site, const Json& claims)
{
    constexpr const char* event = "http://schemas.openid.net/event/backchannel-logout";
    const std::string sub = claims.text("sub"), sid = claims.text("sid");
    const std::int64_t now = site.request.now, skew = site.provider.clock_skew;
    MUST(claims.text("iss") == site.provider.issuer && contains(claims.strings("aud"), site.provider.client_id));
    MUST(claims.integer("exp").value_or(0) > now - skew && claims.integer("iat").value_or(now * 2) <= now + skew);
    MUST(claims.at("events").at(event).is_object() && !claims.has("nonce") && !claims.text("jti").empty());
    MUST(!sub.empty() || !sid.empty());
    for (const Person& person : people) {
        const bool same_sub = sub.empty() || sub == person.sub;
        const bool same_sid = person.sid.empty() ? !sub.empty() : sid.empty() || sid == person.sid;
        MUST(site.sessions.sessions.contains(key_of(person)) == !(same_sub && same_sid));
    }
}

void check_front_channel(std::string_view query)
{
    fuzz::Site site;
    log_in_all(site);
    site.request.query = query;
    site.run(frontchannel_logout(site.context(), SessionView()));
    if (site.failure) MUST(site.failure->reason == Reason::logout_refused);
    const std::vector<Param> params = parse_query(query).value_or(std::vector<Param>());
    for (const Person& person : people) {
        const bool named = site.reply && !person.sid.empty() && last_value(params, "sid") == person.sid &&
                           last_value(params, "iss") == site.provider.issuer;
        MUST(site.sessions.sessions.contains(key_of(person)) == !named);
    }
}

}  // namespace

FUZZ_TARGET(input)
{
    const std::string header(fuzz::next_piece(input));
    fuzz::Site site;
    log_in_all(site);
    std::string token;
    if (input.empty()) {
        check_front_channel(header);
        site.request.form = header;
    } else {
        token = tokens::sign("HS256", std::string(64, 's'), header, input);
        site.request.form = concat({"logout_token=", token});
    }

    site.run(backchannel_logout(site.context()));
    if (site.failure) {
        MUST(name_of(site.failure->reason).starts_with("logout_token_"));
        MUST(site.sessions.sessions.size() == std::size(people));
        return;
    }
    MUST(!token.empty());  // nobody signed another
    MUST(site.reply->status == 200 && site.reply->set_cookies.empty());
    check_accepted(site, Json::parse(input));

    site.run(backchannel_logout(site.context()));
    MUST(site.failure && site.failure->reason == Reason::logout_token_replayed);
}
