// Logout that the provider tells of, without nginx: what is wrong with a logout token, which sessions end.

#include "fakes.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/task.hpp"
#include "oidc/journey/provider_logout.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"
#include "tokens.hpp"

using namespace oidc;

namespace {

constexpr std::int64_t now = 1'800'000'000;
const std::string secret(64, 's');
const std::string event = R"({"http://schemas.openid.net/event/backchannel-logout":{}})";

using Changes = std::vector<std::pair<std::string, std::string>>;

// The claims of a right token; an empty text removes one.
std::string claims(const Changes& changes = {})
{
    Changes all{{"iss", R"("https://op.example")"},
                {"aud", R"("client")"},
                {"iat", std::to_string(now)},
                {"exp", std::to_string(now + 120)},
                {"jti", R"("j1")"},
                {"events", event},
                {"sub", R"("alice")"},
                {"sid", R"("s1")"}};
    for (const auto& [name, value] : changes) {
        std::erase_if(all, [&, &removed = name](const auto& claim) { return claim.first == removed; });
        if (!value.empty()) all.emplace_back(name, value);
    }
    std::string text;
    for (const auto& [name, value] : all) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
    return text + "}";
}

std::string token(const Changes& changes = {}, std::string_view header = R"({"alg":"HS256","typ":"logout+jwt"})")
{
    return tokens::sign("HS256", secret, header, claims(changes));
}

class LogoutToken : public ::testing::Test {
protected:
    Provider provider;
    ScriptedHttp http;
    MapSessions sessions;
    FixedDocuments documents;
    std::vector<Secret> keys{Secret(std::string(32, 'k'))};
    Ports ports{http, sessions, documents, system_random, keys};
    Request request;

    LogoutToken()
    {
        provider.name = "p";
        provider.profile = find_profile("generic");
        provider.issuer = "https://op.example";
        provider.client_id = "client";
        provider.client_secret = Secret(secret);
        provider.id_token_algs = {"HS256"};
        provider.binding = session_binding(provider);
        provider.cookie.name = "session";
        request.base_url = "http://rp.example";
        request.now = now;
    }

    void add(const std::string& cookie, const std::string& id_claims, std::uint64_t binding)
    {
        NewSession session;
        session.times = {now, now + 60, 0, now};
        session.binding = binding;
        session.id_claims = Json::parse(id_claims);
        session.userinfo = Json::parse(R"({"sub":"bob","sid":"s9"})");
        sessions.sessions[sha256(cookie)] = serialize_session(session);
    }

    void fill()
    {
        add("alice 1", R"({"sub":"alice","sid":"s1"})", provider.binding);
        add("alice 2", R"({"sub":"alice","sid":"s2"})", provider.binding);
        add("alice without sid", R"({"sub":"alice"})", provider.binding);
        add("carol", R"({"sub":"carol","sid":"s3"})", provider.binding);
        add("elsewhere", R"({"sub":"alice","sid":"s1"})", provider.binding + 1);
        sessions.sessions[sha256("broken")] = "no record";
    }

    std::string left() const
    {
        std::string names;
        for (const char* name : {"alice 1", "alice 2", "alice without sid", "carol", "elsewhere", "broken"})
            if (sessions.sessions.contains(sha256(name))) names += (names.empty() ? "" : ", ") + std::string(name);
        return names;
    }

    template <class T>
    std::string outcome(Task<T> task)
    {
        std::optional<T> result;
        std::optional<Failure> failure;
        Root root = drive(std::move(task), result, failure);
        root.start();
        reply = result.value_or(Reply());
        return failure ? std::string(name_of(failure->reason)) : "accepted";
    }

    std::string post(const std::string& form)
    {
        request.form = form;
        return outcome(backchannel_logout(Context{provider, ports, request}));
    }
    std::string tell(const Changes& changes = {}) { return post("logout_token=" + token(changes)); }

    std::string frame(const std::string& query, const std::string& cookie = {})
    {
        std::string line = "session=" + cookie;
        request.cookies = line;
        request.query = query;
        auto found = sessions.sessions.find(sha256(cookie));
        std::string record = found == sessions.sessions.end() ? "" : found->second;
        return outcome(frontchannel_logout(Context{provider, ports, request}, SessionView(record)));
    }

    Reply reply;
};

TEST_F(LogoutToken, WrongClaims)
{
    const std::string past = std::to_string(now - 61), old = std::to_string(now - 661),
                      future = std::to_string(now + 61);
    const struct {
        Changes changes;
        std::string reason;
    } table[] = {
        {{{"iss", ""}}, "logout_token_issuer"},
        {{{"iss", R"("https://op.example1")"}}, "logout_token_issuer"},
        {{{"aud", ""}}, "logout_token_audience"},
        {{{"aud", R"("other")"}}, "logout_token_audience"},
        {{{"aud", R"(["client","other"])"}}, "logout_token_audience"},
        {{{"aud", R"(["client",7])"}}, "logout_token_audience"},
        {{{"exp", ""}}, "logout_token_expired"},
        {{{"exp", past}}, "logout_token_expired"},
        {{{"exp", R"("soon")"}}, "logout_token_expired"},
        {{{"nbf", future}}, "logout_token_expired"},
        {{{"iat", ""}}, "logout_token_iat"},
        {{{"iat", "null"}}, "logout_token_iat"},
        {{{"iat", old}}, "logout_token_iat"},
        {{{"iat", future}}, "logout_token_iat"},
        {{{"jti", ""}}, "logout_token_replayed"},
        {{{"jti", R"("")"}}, "logout_token_replayed"},
        {{{"jti", "7"}}, "logout_token_replayed"},
        {{{"events", ""}}, "logout_token_event"},
        {{{"events", "{}"}}, "logout_token_event"},
        {{{"events", R"(["http://schemas.openid.net/event/backchannel-logout"])"}}, "logout_token_event"},
        {{{"events", R"("http://schemas.openid.net/event/backchannel-logout")"}}, "logout_token_event"},
        {{{"events", R"({"http://schemas.openid.net/event/backchannel-logout":true})"}}, "logout_token_event"},
        {{{"events", R"({"http://schemas.openid.net/event/foo":{}})"}}, "logout_token_event"},
        {{{"nonce", R"("n")"}}, "logout_token_type"},
        {{{"nonce", "null"}}, "logout_token_type"},
        {{{"sub", ""}, {"sid", ""}}, "logout_token_subject"},
        {{{"sub", ""}, {"sid", R"("")"}}, "logout_token_subject"},
        {{{"sid", "7"}}, "logout_token_subject"},
        {{{"sid", "null"}}, "logout_token_subject"},
        {{{"sub", R"("")"}}, "logout_token_subject"},
        {{{"sub", "null"}}, "logout_token_subject"},
        {{{"sub", "\"" + std::string(256, 'x') + "\""}}, "logout_token_subject"},
        {{{"more", "7"}, {"azp", R"("client")"}}, "accepted"},
        {{{"jti", R"("j2")"}, {"aud", R"(["client"])"}}, "accepted"},
        {{{"jti", R"("j3")"}, {"iat", std::to_string(now - 660)}, {"exp", std::to_string(now - 59)}}, "accepted"},
    };
    fill();
    const std::string all = left();
    for (const auto& [changes, reason] : table) {
        if (reason != "accepted") {
            EXPECT_EQ(left(), all);
        }
        EXPECT_EQ(tell(changes), reason) << claims(changes);
    }
}

TEST_F(LogoutToken, WrongForms)
{
    const std::string right = token();
    const auto header = [](std::string_view text) { return "logout_token=" + token({}, text); };
    const std::pair<std::string, std::string> table[] = {
        {"", "logout_token_missing"},
        {"logout_token=", "logout_token_missing"},
        {"other=" + right, "logout_token_missing"},
        {"logout_token=" + right + "&logout_token=" + right, "logout_token_missing"},
        {"logout_token=" + right + "&logout_token=", "logout_token_missing"},
        {"logout_token=%zz", "logout_token_missing"},
        {"logout_token=x", "logout_token_malformed"},
        {"logout_token=" + right + "&more=%zz", "logout_token_missing"},
        {"logout_token=" + right.substr(0, right.rfind('.') + 1), "logout_token_signature"},
        {"logout_token=" + tokens::flip(right, 2, 5), "logout_token_signature"},
        {"logout_token=" + tokens::flip(right, 1, 50), "logout_token_signature"},
        {header(R"({"alg":"none"})"), "logout_token_algorithm"},
        {header(R"({"alg":"HS512"})"), "logout_token_algorithm"},
        {header(R"({"alg":"HS256","crit":["x"]})"), "logout_token_malformed"},
        {header(R"({"alg":"HS256","typ":"at+jwt"})"), "logout_token_type"},
        {"logout_token=a.b.c.d.e", "logout_token_encryption"},
        {header(R"({"alg":"HS256"})"), "accepted"},
    };
    for (const auto& [form, reason] : table) EXPECT_EQ(post(form), reason) << form;
    provider.id_token_encryption.required = true;
    EXPECT_EQ(tell(), "logout_token_encryption");
}

TEST_F(LogoutToken, TheTypesOfALogoutToken)
{
    for (const std::string type : {"JWT", "jwt", "logout+jwt", "application/logout+jwt"}) {
        const std::string header = R"({"alg":"HS256","typ":")" + type + "\"}";
        EXPECT_EQ(post("logout_token=" + token({{"jti", "\"" + type + "\""}}, header)), "accepted") << type;
    }
}

TEST_F(LogoutToken, IsGoodOnce)
{
    EXPECT_EQ(tell(), "accepted");
    EXPECT_EQ(tell(), "logout_token_replayed");
    EXPECT_EQ(tell({{"sid", R"("s2")"}}), "logout_token_replayed");
    EXPECT_EQ(tell({{"jti", R"("j2")"}}), "accepted");
    // as long as the first could be accepted: iat a skew ahead, 10 minutes, and a skew
    for (const auto& [state, end] : sessions.states) EXPECT_GT(end, now + 60 + 600 + 60);
}

TEST_F(LogoutToken, WhichSessionsEnd)
{
    const struct {
        Changes changes;
        std::string left;
    } table[] = {
        {{}, "alice 2, carol, elsewhere, broken"},
        {{{"sub", ""}}, "alice 2, alice without sid, carol, elsewhere, broken"},
        {{{"sid", ""}}, "carol, elsewhere, broken"},
        {{{"sub", R"("carol")"}}, "alice 1, alice 2, alice without sid, carol, elsewhere, broken"},
        {{{"sub", R"("bob")"}, {"sid", ""}}, "alice 1, alice 2, alice without sid, carol, elsewhere, broken"},
        {{{"sub", ""}, {"sid", R"("s9")"}}, "alice 1, alice 2, alice without sid, carol, elsewhere, broken"},
    };
    for (const auto& [changes, expected] : table) {
        fill();
        sessions.states.clear();
        EXPECT_EQ(tell(changes), "accepted");
        EXPECT_EQ(left(), expected) << claims(changes);
        EXPECT_EQ(reply.status, 200);
    }
}

TEST_F(LogoutToken, ProviderDown)
{
    documents.down = true;
    EXPECT_EQ(tell(), "provider_unreachable");
    EXPECT_TRUE(sessions.states.empty());
}

TEST_F(LogoutToken, FrontChannel)
{
    const std::string iss = "iss=https%3A%2F%2Fop.example",
                      all = "alice 1, alice 2, alice without sid, carol, elsewhere, broken";
    const std::string mine = "alice 2, alice without sid, carol, elsewhere, broken";
    const struct {
        std::string query, cookie, outcome, left;
        int sweeps;
    } table[] = {
        {"", "", "accepted", all, 0},
        {"", "alice 1", "accepted", mine, 0},
        {iss + "&sid=s1", "alice 1", "accepted", mine, 0},
        {iss + "&sid=s1", "", "accepted", mine, 1},
        {iss + "&sid=s2", "alice 1", "accepted", "alice 1, alice without sid, carol, elsewhere, broken", 1},
        {iss + "&sid=s9", "", "accepted", all, 1},
        {iss + "&sid=s9", "alice without sid", "accepted", "alice 1, alice 2, carol, elsewhere, broken", 0},
        {iss, "alice 1", "logout_refused", all, 0},
        {"sid=s1", "alice 1", "logout_refused", all, 0},
        {"iss=https%3A%2F%2Fop.example1&sid=s1", "alice 1", "logout_refused", all, 0},
        {iss + "&sid=s1&sid=s1", "alice 1", "logout_refused", all, 0},
        {iss + "&sid=", "", "logout_refused", all, 0},
        {iss + "&sid=%zz", "", "accepted", all, 0},
    };
    for (const auto& [query, cookie, expected, rest, sweeps] : table) {
        fill();
        sessions.states.clear();
        sessions.sweeps = 0;
        EXPECT_EQ(frame(query, cookie), expected) << query;
        EXPECT_EQ(left(), rest) << query << " by " << cookie;
        EXPECT_EQ(sessions.sweeps, sweeps) << query;
        EXPECT_EQ(reply.set_cookies.size(), left() != all && sweeps == 0 ? 1U : 0U) << query;
    }
    EXPECT_EQ(frame(iss + "&sid=s1"), "accepted");
    fill();
    EXPECT_EQ(frame(iss + "&sid=s1"), "accepted");
    EXPECT_EQ(left(), mine) << "a session that came afterwards";
    EXPECT_TRUE(sessions.states.empty()) << "a stranger writes nothing";
}

}  // namespace
