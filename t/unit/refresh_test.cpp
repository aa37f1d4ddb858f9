// Refresh without nginx: when it is due, what becomes of the session; and the purposes of an attempt.
#include <gtest/gtest.h>

#include <map>

#include "fakes.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/task.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/journey/refresh.hpp"
#include "oidc/journey/session_times.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/protocol/token_endpoint.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

using namespace oidc;

namespace {

constexpr std::int64_t now = 1'800'000'000;

class Refresh : public ::testing::Test {
protected:
    Provider provider;
    ScriptedHttp http;
    MapSessions sessions;
    FixedDocuments documents;
    std::vector<Secret> keys;
    Ports ports{http, sessions, documents, system_random, keys};
    Request request;
    SessionKey key = sha256("the cookie");
    std::optional<bool> renewed;
    std::optional<Failure> failure;

    Refresh()
    {
        keys.emplace_back(std::string(32, 'k'));
        provider.name = "p";
        provider.profile = find_profile("generic");
        provider.issuer = "https://op.example";
        provider.client_id = "client";
        provider.client_secret = Secret(std::string(64, 's'));
        provider.id_token_algs = {"HS256"};
        provider.binding = session_binding(provider);
        provider.cookie.name = "NGX_OIDC_SESSION";
        documents.known.token = "https://op.example/token";
        documents.known.revocation = "https://op.example/revoke";
        request.base_url = "https://rp.example";
        request.https = true;
        request.now = now;
    }

    NewSession old_session(std::int64_t access_expires = now + 10) const
    {
        NewSession session;
        session.times = {now - 3000, now - 600 + provider.session_timeout, access_expires, now - 600};
        session.binding = provider.binding;
        session.id_claims = Json::parse(
            R"({"iss":"https://op.example","aud":"client","sub":"alice","nonce":"n1","acr":"eidas2","amr":["pwd"],)"
            R"("auth_time":17,"sid":"s1","exp":5,"department":"old"})");
        session.userinfo = Json::parse(R"({"sub":"alice","given_name":"Éléonore","roles":["a"]})");
        session.id_token = "old.id.token";
        session.access_token = "at1";
        session.refresh_token = "rt1";
        session.scope = "openid email";
        session.return_path = "/page";
        session.state_hash = "hash";
        return session;
    }

    void put(const NewSession& session) { sessions.sessions[key] = serialize_session(session); }
    SessionView stored_session() const { return SessionView(sessions.sessions.at(key)); }
    std::string claim(std::string_view name) const
    {
        return std::string(stored_session().claim(name).value_or(Entry()).value);
    }

    void answer(const std::string& body, long status = 200)
    {
        HttpResponse response;
        response.status = status;
        response.body = body;
        http.replies.push_back(std::move(response));
    }

    void answer_with(const std::string& claims, const std::string& more = {})
    {
        const std::string token = claims.empty() ? "" : R"(,"id_token":")" + hs256(claims) + R"(")";
        answer(R"({"access_token":"at2","token_type":"Bearer","expires_in":60)" + token + more + "}");
    }

    // The claims of a token that renews the old one.
    static std::string claims(const std::string& more = {})
    {
        return R"({"iss":"https://op.example","aud":"client","sub":"alice","iat":1800000000,"exp":1800000060)" + more +
               "}";
    }

    void run()
    {
        renewed.reset();
        failure.reset();
        Root root = drive(refresh({provider, ports, request}, key), renewed, failure);
        root.start();
        ASSERT_TRUE(renewed || failure);
    }
};

Tokens lasting(std::optional<std::int64_t> seconds)
{
    Tokens tokens;
    tokens.expires_in = seconds;
    return tokens;
}

bool due(const Provider& provider, const NewSession& session, std::int64_t at)
{
    const std::string record = serialize_session(session);
    return refresh_due(provider, SessionView(record), at);
}

}  // namespace

TEST_F(Refresh, TimesCountFromNowAndNeverBeyondTheMaximum)
{
    SessionTimes times = session_times(provider, lasting(60), now - 100, now);
    EXPECT_EQ(times.created, now - 100);
    EXPECT_EQ(times.expires, now + 8 * 3600);
    EXPECT_EQ(times.access_expires, now + 60);
    provider.session_max_lifetime = 9000;
    EXPECT_EQ(session_times(provider, lasting(60), now - 100, now).expires, now + 8900);
    EXPECT_EQ(session_times(provider, lasting(60), now - 9000, now).expires, now);
    provider.session_timeout = 50;
    EXPECT_EQ(session_times(provider, lasting(60), now - 100, now).expires, now + 50);
}

TEST_F(Refresh, AnAccessTokensLifeIsWhatAClockCanHold)
{
    EXPECT_EQ(session_times(provider, lasting(std::nullopt), now, now).access_expires, 0);
    EXPECT_EQ(session_times(provider, lasting(0), now, now).access_expires, now);
    EXPECT_EQ(session_times(provider, lasting(-5), now, now).access_expires, now);
    EXPECT_EQ(session_times(provider, lasting(INT64_MAX), now, now).access_expires, now + 315360000);
    EXPECT_EQ(session_times(provider, lasting(INT64_MIN), now, now).access_expires, now);
}

TEST_F(Refresh, IsDueBeforeTheEndOfTheAccessToken)
{
    const NewSession session = old_session(now + 1000);
    EXPECT_FALSE(due(provider, session, now));
    EXPECT_FALSE(due(provider, session, now + 969));
    EXPECT_TRUE(due(provider, session, now + 970));
    EXPECT_TRUE(due(provider, session, now + 2000));
    provider.refresh_before = 0;
    EXPECT_FALSE(due(provider, session, now + 999));
    EXPECT_TRUE(due(provider, session, now + 1000));
}

TEST_F(Refresh, OfATokenThatLivesShortIsDueAtHalfOfItsLife)
{
    NewSession session = old_session();
    session.times = session_times(provider, lasting(20), now - 50, now);
    EXPECT_FALSE(due(provider, session, now));
    EXPECT_FALSE(due(provider, session, now + 9));
    EXPECT_TRUE(due(provider, session, now + 10));
    session.times = session_times(provider, lasting(0), now, now);
    EXPECT_TRUE(due(provider, session, now));
    session.times = session_times(provider, lasting(20), now - 50, now);
    provider.session_timeout += 3600;  // a reload: a token's half-life does not depend on the session's end
    EXPECT_FALSE(due(provider, session, now + 9));
    provider.session_timeout = 60;
    EXPECT_FALSE(due(provider, session, now + 9));
    EXPECT_TRUE(due(provider, session, now + 10));
}

TEST_F(Refresh, IsNeverDueWithoutWhatItNeeds)
{
    NewSession session = old_session(now - 5);
    EXPECT_TRUE(due(provider, session, now));
    session.refresh_token.clear();
    EXPECT_FALSE(due(provider, session, now));
    session = old_session(0);  // nobody said when it ends
    EXPECT_FALSE(due(provider, session, now));
    provider.session_refresh = false;
    EXPECT_FALSE(due(provider, old_session(now - 5), now));
    EXPECT_FALSE(refresh_due(provider, SessionView(), now));
}

TEST_F(Refresh, CarriesOverWhatTheAnswerDoesNotSay)
{
    put(old_session());
    answer_with({});
    run();
    ASSERT_TRUE(renewed);
    EXPECT_TRUE(*renewed);
    SessionView session = stored_session();
    EXPECT_EQ(session.binding(), provider.binding);
    EXPECT_EQ(session.times().created, now - 3000);
    EXPECT_EQ(session.times().expires, now + provider.session_timeout);
    EXPECT_EQ(sessions.expires, now + provider.session_timeout);
    EXPECT_EQ(session.times().access_expires, now + 60);
    EXPECT_EQ(session.internal(entry_name::access_token), "at2");
    EXPECT_EQ(session.internal(entry_name::refresh_token), "rt1");
    EXPECT_EQ(session.internal(entry_name::id_token), "old.id.token");
    EXPECT_EQ(session.internal(entry_name::scope), "openid email");
    EXPECT_EQ(session.internal(entry_name::return_path), "/page");
    EXPECT_EQ(session.internal(entry_name::state_hash), "hash");
    EXPECT_EQ(claim("given_name"), "Éléonore");
    EXPECT_EQ(claim("roles"), R"(["a"])");
    EXPECT_EQ(claim("acr"), "eidas2");
    EXPECT_EQ(claim("department"), "old");
    ASSERT_EQ(http.requests.size(), 1u);
    EXPECT_NE(http.requests[0].form->find("grant_type=refresh_token&refresh_token=rt1"), std::string::npos);
}

TEST_F(Refresh, TakesTheNewRefreshTokenScopeAndClaims)
{
    put(old_session());
    answer_with(claims(R"(,"acr":"eidas3","department":"new")"), R"(,"refresh_token":"rt2","scope":"openid")");
    run();
    ASSERT_TRUE(renewed);
    SessionView session = stored_session();
    EXPECT_EQ(session.internal(entry_name::refresh_token), "rt2");
    EXPECT_EQ(session.internal(entry_name::scope), "openid");
    EXPECT_NE(session.internal(entry_name::id_token), "old.id.token");
    EXPECT_EQ(claim("acr"), "eidas3");
    EXPECT_EQ(claim("department"), "new");
    EXPECT_EQ(claim("given_name"), "Éléonore");
    EXPECT_EQ(claim("exp"), "1800000060");
    EXPECT_EQ(claim("amr"), R"(["pwd"])");
}

TEST_F(Refresh, HowThePersonLoggedInStaysKnownOverSeveral)
{
    put(old_session());
    for (const char* nonce : {"", "", R"(,"nonce":"n1")"}) {
        answer_with(claims(nonce));
        run();
        ASSERT_TRUE(renewed) << failure->detail;
        EXPECT_EQ(claim("acr"), "eidas2");
        EXPECT_EQ(claim("amr"), R"(["pwd"])");
        EXPECT_EQ(claim("auth_time"), "17");
        EXPECT_EQ(claim("nonce"), "n1");
        EXPECT_EQ(claim("sid"), "s1");
        request.now += 50;
    }
}

TEST_F(Refresh, DoesNothingWhereAnotherWorkerWasQuicker)
{
    run();  // no session
    ASSERT_TRUE(renewed);
    EXPECT_FALSE(*renewed);
    put(old_session(now + 5000));
    run();
    ASSERT_TRUE(renewed);
    EXPECT_FALSE(*renewed);
    EXPECT_TRUE(http.requests.empty());
}

TEST_F(Refresh, OfASessionThatEndedMeanwhileBringsNothingBack)
{
    put(old_session());
    http.meanwhile = [this] { sessions.sessions.clear(); };
    answer_with({}, R"(,"refresh_token":"rt2")");
    run();
    ASSERT_TRUE(renewed);
    EXPECT_FALSE(*renewed);
    EXPECT_TRUE(sessions.sessions.empty());
    EXPECT_EQ(http.requests.size(), 1u);

    provider.revoke_on_logout = true;
    http.meanwhile = [] {};
    put(old_session());
    http.meanwhile = [this] { sessions.sessions.clear(); };
    answer_with({}, R"(,"refresh_token":"rt2")");
    answer("{}");
    answer("{}");
    run();
    ASSERT_TRUE(renewed);
    ASSERT_EQ(http.requests.size(), 4u);  // the new tokens are taken back, too
    EXPECT_EQ(http.requests[2].url, documents.known.revocation);
    EXPECT_NE(http.requests[2].form->find("token=rt2"), std::string::npos);
    EXPECT_NE(http.requests[3].form->find("token=at2"), std::string::npos);
}

struct Verdict {
    const char* body;
    long status;
    Reason reason;
    bool ends;
};

class Refusals : public Refresh, public ::testing::WithParamInterface<Verdict> {};

TEST_P(Refusals, EndTheSessionOrNot)
{
    put(old_session());
    answer(GetParam().body, GetParam().status);
    run();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, GetParam().reason) << name_of(failure->reason);
    EXPECT_EQ(sessions.sessions.empty(), GetParam().ends);
}

INSTANTIATE_TEST_SUITE_P(Token, Refusals,
                         ::testing::Values(Verdict{R"({"error":"invalid_grant"})", 400, Reason::refresh_refused, true},
                                           Verdict{R"({"error":"invalid_scope"})", 400, Reason::refresh_refused, true},
                                           Verdict{R"({"error":"invalid_grant"})", 500, Reason::token_refused, false},
                                           Verdict{R"({"error":"slow_down"})", 429, Reason::token_refused, false},
                                           Verdict{"<html>blocked</html>", 400, Reason::token_refused, false},
                                           Verdict{"", 503, Reason::token_refused, false},
                                           Verdict{R"({"error":"invalid_client"})", 401, Reason::client_refused, false},
                                           Verdict{"[]", 200, Reason::token_malformed, false},
                                           Verdict{"{}", 200, Reason::token_malformed, false}));

TEST_F(Refresh, AnUnreachableProviderEndsNothing)
{
    put(old_session());
    run();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::provider_unreachable);
    EXPECT_EQ(stored_session().internal(entry_name::access_token), "at1");
}

TEST_F(Refresh, AnIdTokenThatIsNotTheSamePersonsEndsTheSession)
{
    const std::pair<std::string, Reason> cases[] = {
        {R"({"iss":"https://op.example","aud":"client","sub":"bob","iat":1800000000,"exp":1800000060})",
         Reason::subject_changed},
        {R"({"iss":"https://evil.example","aud":"client","sub":"alice","iat":1800000000,"exp":1800000060})",
         Reason::id_token_issuer},
        {R"({"iss":"https://op.example","aud":"other","sub":"alice","iat":1800000000,"exp":1800000060})",
         Reason::id_token_audience},
        {R"({"iss":"https://op.example","aud":"client","sub":"alice","iat":1700000000,"exp":1700000060})",
         Reason::id_token_expired},
        {claims(R"(,"nonce":"n2")"), Reason::id_token_nonce},
        {claims(R"(,"at_hash":"AAAAAAAAAAAAAAAAAAAAAA")"), Reason::id_token_at_hash},
    };
    for (const auto& [text, reason] : cases) {
        put(old_session());
        answer_with(text);
        run();
        ASSERT_TRUE(failure) << text;
        EXPECT_EQ(failure->reason, reason) << name_of(failure->reason);
        EXPECT_TRUE(sessions.sessions.empty()) << text;
    }
    put(old_session());
    answer(R"({"access_token":"at2","token_type":"Bearer","id_token":")" + hs256(claims()) + R"(x"})");
    run();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::id_token_signature);
    EXPECT_TRUE(sessions.sessions.empty());
}

// ---- Attempts: what a browser's return may answer to

namespace {

class Purposes : public Refresh {
protected:
    std::optional<std::optional<Failure>> used;
    std::string cookies;

    PendingRequest kept(Purpose purpose)
    {
        PendingRequest attempt = new_pending_request(purpose, provider, request, 3, system_random);
        attempt.return_path = "/deep?x=1";
        attempt.acr = "eidas2 eidas3";
        attempt.scope = "openid email";
        Reply reply;
        keep_pending_request(reply, attempt, provider, request, keys.front(), system_random);
        cookies = reply.set_cookies.back();
        cookies.resize(cookies.find(';'));
        request.cookies = cookies;
        return attempt;
    }

    std::optional<Reason> refusal(std::span<const Purpose> purposes, const std::optional<PendingRequest>& attempt)
    {
        Root root = drive(use_pending_request({provider, ports, request}, purposes, attempt), used, failure);
        root.start();
        return *used ? std::optional((*used)->reason) : std::nullopt;
    }
};

}  // namespace

TEST_F(Purposes, AnAttemptForMoreComesBackAsItWas)
{
    const PendingRequest attempt = kept(Purpose::step_up);
    const std::optional<PendingRequest> opened = open_pending_request(attempt.state(), request, keys);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->purpose, Purpose::step_up);
    EXPECT_EQ(opened->acr, "eidas2 eidas3");
    EXPECT_EQ(opened->scope, "openid email");
    EXPECT_EQ(opened->return_path, "/deep?x=1");
    EXPECT_EQ(opened->nonce(), attempt.nonce());
    EXPECT_EQ(opened->verifier(), attempt.verifier());
}

TEST_F(Purposes, AnAttemptOpensToItsOwnStateAlone)
{
    std::string state(kept(Purpose::login).state());
    for (const std::size_t letter : {state.size() - 1, std::size_t{8}}) {  // the cookie's name holds the first eight
        std::string other = state;
        other[letter] = other[letter] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(open_pending_request(other, request, keys)) << letter;
    }
    EXPECT_FALSE(open_pending_request(state.substr(0, 42), request, keys));
    EXPECT_FALSE(open_pending_request(state + 'A', request, keys));
    EXPECT_TRUE(open_pending_request(state, request, keys));
}

TEST_F(Purposes, SecretsAreLettersAndDigitsAndAsManyAsAskedFor)
{
    std::map<char, int> seen;
    for (int i = 0; i < 1000; ++i) {
        const PendingRequest one = new_pending_request(Purpose::logout, provider, request, 1, system_random);
        const PendingRequest two = new_pending_request(Purpose::login, provider, request, 2, system_random);
        const PendingRequest three = new_pending_request(Purpose::login, provider, request, 3, system_random);
        EXPECT_EQ(one.state().size() + two.nonce().size() + three.verifier().size(), 3U * PendingRequest::length);
        EXPECT_EQ(std::string(one.nonce()) + std::string(two.verifier()), "");
        for (const std::string_view secret : {three.state(), three.nonce(), three.verifier()})
            for (const char letter : secret) ++seen[letter];
    }
    EXPECT_EQ(seen.size(), 62U);
    for (const auto& [letter, times] : seen) {
        EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(letter))) << letter;
        EXPECT_NEAR(times, 129'000 / 62, 300) << letter;  // six standard deviations
    }
}

TEST_F(Purposes, EachAnswersItsOwnKindOfReturn)
{
    for (Purpose purpose : {Purpose::login, Purpose::step_up, Purpose::logout, Purpose::tampered_login}) {
        const std::optional<PendingRequest> attempt = kept(purpose);
        const bool login = purpose == Purpose::login || purpose == Purpose::step_up;
        EXPECT_EQ(refusal(login ? std::span(logout_purposes) : std::span(login_purposes), attempt),
                  Reason::state_unknown);
        EXPECT_EQ(refusal(login ? std::span(login_purposes) : std::span(logout_purposes), attempt), std::nullopt);
        EXPECT_EQ(refusal(login ? std::span(login_purposes) : std::span(logout_purposes), attempt),
                  Reason::state_replayed);
    }
}

TEST_F(Purposes, AnAttemptForMoreEndsLikeAnyOther)
{
    const std::optional<PendingRequest> attempt = kept(Purpose::step_up);
    EXPECT_EQ(refusal(login_purposes, std::nullopt), Reason::state_unknown);
    request.now += provider.state_timeout;
    EXPECT_EQ(refusal(login_purposes, attempt), Reason::state_expired);
    request.now = now;
    provider.name = "q";
    EXPECT_EQ(refusal(login_purposes, attempt), Reason::state_unknown);
}
