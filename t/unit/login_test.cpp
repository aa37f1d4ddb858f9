// The whole journey without nginx: a scripted provider, a browser that is a string of cookies.
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/random.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/task.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/begin_login.hpp"
#include "oidc/journey/finish_login.hpp"
#include "oidc/journey/logout.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/protocol/callback.hpp"
#include "oidc/provider/provider.hpp"

using namespace oidc;

namespace {

class Login : public ::testing::Test {
protected:
    Provider provider;
    ScriptedHttp http;
    MapSessions sessions;
    FixedDocuments documents;
    std::vector<Secret> keys;
    Ports ports{http, sessions, documents, system_random, keys};
    Request request;
    std::string cookies, query;
    std::optional<Reply> reply;
    std::optional<Failure> failure;

    Login()
    {
        keys.emplace_back(std::string(32, 'k'));
        provider.name = "p";
        provider.issuer = "https://op.example";
        provider.client_id = "client";
        provider.client_secret = Secret(std::string(64, 's'));
        provider.id_token_algs = {"HS256"};
        provider.binding = session_binding(provider);
        provider.cookie.name = "NGX_OIDC_SESSION";
        documents.known.authorization = "https://op.example/authorize";
        documents.known.token = "https://op.example/token";
        documents.known.end_session = "https://op.example/end";
        request.base_url = "https://rp.example";
        request.https = true;
        request.now = 1'800'000'000;
        request.target = "/page?a=1&b=%C3%A9";
    }

    void run(Task<Reply> task)
    {
        reply.reset();
        failure.reset();
        Root root = drive(std::move(task), reply, failure);
        root.start();
        ASSERT_TRUE(reply || failure);
    }

    // A browser: keeps what Set-Cookie says.
    void keep(const std::vector<std::string>& lines)
    {
        for (const std::string& line : lines) {
            std::string pair = line.substr(0, line.find(';'));
            std::string name = pair.substr(0, pair.find('='));
            IsOurs same = [](const void* wanted, std::string_view found) {
                return found == *static_cast<const std::string*>(wanted);
            };
            std::string kept(cookies.size(), '?');
            cookies = strip_cookies(cookies, kept.data(), same, &name).value_or(cookies);
            if (line.find("Max-Age=0") == std::string::npos) cookies += (cookies.empty() ? "" : "; ") + pair;
        }
        request.cookies = cookies;
    }

    std::string begin(std::uint8_t restarts = 0)
    {
        LoginTarget here{return_path(request.target), restarts};
        Reply sent = login_without_wait({provider, ports, request}, here).value();
        keep(sent.set_cookies);
        return sent.location;
    }

    static std::string param(const std::string& url, const std::string& name)
    {
        std::vector<Param> params = parse_query(std::string_view(url).substr(url.find('?') + 1)).value();
        for (const Param& p : params) {
            if (p.name == name) return p.value;
        }
        return {};
    }

    void answer(const std::string& nonce, const std::string& sub = "alice", const std::string& access_token = "at")
    {
        std::string claims = R"({"iss":"https://op.example","aud":"client","sub":")" + sub +
                             R"(","iat":1800000000,"exp":1800000060,"nonce":")" + nonce + R"("})";
        std::string token = hs256(claims);
        HttpResponse response;
        response.status = 200;
        response.body = R"({"access_token":")" + access_token +
                        R"(","token_type":"bearer","expires_in":60,"id_token":")" + token + R"("})";
        http.replies.push_back(std::move(response));
    }

    void call_back(const std::string& with)
    {
        query = with;
        request.query = query;
        run(finish_login({provider, ports, request}, SessionView()));
    }
};

}  // namespace

TEST_F(Login, ComesBackToThePageThatWasAskedForWithASession)
{
    std::string url = begin();
    answer(param(url, "nonce"));
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->location, "https://rp.example/page?a=1&b=%C3%A9");
    EXPECT_EQ(sessions.sessions.size(), 1u);
    ASSERT_TRUE(reply->set_cookies.at(0).starts_with("__Host-NGX_OIDC_SESSION="));
    EXPECT_NE(reply->set_cookies.at(0).find("; Path=/; Secure; HttpOnly; SameSite=Lax"), std::string::npos);
    EXPECT_EQ(reply->set_cookies.at(0).find("Max-Age"), std::string::npos);
    EXPECT_EQ(SessionView(sessions.sessions.begin()->second).claim("sub")->value, "alice");
}

TEST_F(Login, StateNonceAndVerifierAre43LettersAndDigits)
{
    std::string url = begin();
    for (const char* name : {"state", "nonce"}) {
        std::string value = param(url, name);
        EXPECT_EQ(value.size(), 43u);
        EXPECT_EQ(value.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
                  std::string::npos);
    }
    EXPECT_NE(param(url, "state"), param(url, "nonce"));
}

TEST_F(Login, ACallbackWithoutTheCookieAsksNothingOfTheProvider)
{
    std::string url = begin();
    request.cookies = {};
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::state_unknown);
    EXPECT_TRUE(http.requests.empty());
}

// The code left, and nobody knows whether it was used: it is not sent again, the person is not failed for it.
TEST_F(Login, ACodeThatGotNoAnswerBeginsTheLoginAgainOnce)
{
    const auto lose = [&](std::uint8_t restarts) {
        std::string url = begin(restarts);
        HttpResponse lost;
        lost.transport = Transport::unanswered;
        http.replies.push_back(lost);
        call_back("code=c1&state=" + param(url, "state"));
    };
    lose(0);
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->location.starts_with("https://op.example/authorize?"));
    ASSERT_TRUE(reply->why);
    EXPECT_EQ(reply->why->reason, Reason::provider_unreachable);
    EXPECT_TRUE(reply->why->detail.ends_with("; the login begins again"));
    EXPECT_EQ(http.requests.size(), 1u);
    lose(1);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::provider_unreachable);
    EXPECT_EQ(http.requests.size(), 2u);
}

// Whoever would have to authenticate again is told first.
TEST_F(Login, ACodeThatGotNoAnswerIsAPageWhereThePersonWouldAuthenticateAgain)
{
    const auto lose = [&] {
        std::string url = begin();
        HttpResponse lost;
        lost.transport = Transport::unanswered;
        http.replies.push_back(lost);
        call_back("code=c1&state=" + param(url, "state"));
        return failure.has_value();
    };
    request.args = {{"prompt", "login consent"}};
    EXPECT_TRUE(lose());
    request.args = {{"prompt", "consent"}};
    EXPECT_FALSE(lose());
    provider.max_age = 600;
    EXPECT_TRUE(lose());
}

TEST_F(Login, ASealedCookieOfAnotherSiteIsNoCookie)
{
    std::string url = begin();
    request.base_url = "https://other.example";
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::state_unknown);
}

TEST_F(Login, AReplayedStateBeginsAgainOnceAndThenStops)
{
    std::string url = begin();
    std::string saved = cookies;
    answer("another nonce");
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::id_token_nonce);
    request.cookies = saved;
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->location.starts_with("https://op.example/authorize?"));
    ASSERT_TRUE(reply->why);
    EXPECT_EQ(reply->why->reason, Reason::state_replayed);
    EXPECT_EQ(http.requests.size(), 1u);  // the code left once

    cookies.clear();
    url = begin();
    request.now += provider.state_timeout;
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(reply);
    ASSERT_TRUE(reply->why);
    EXPECT_EQ(reply->why->reason, Reason::state_expired);

    cookies.clear();
    url = begin(2);
    request.now += provider.state_timeout;
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::login_loop);
}

TEST_F(Login, ARefusedCodeLeavesNoStateBehind)
{
    std::string url = begin();
    HttpResponse refused;
    refused.status = 400;
    refused.body = R"({"error":"invalid_grant","error_uri":"https://docs.example/?code=Y049E20B&id=abc-123"})";
    http.replies.push_back(std::move(refused));
    call_back("code=c1&state=" + param(url, "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::token_refused);
    EXPECT_EQ(failure->support_id, "abc-123");
    EXPECT_TRUE(sessions.states.empty());
}

TEST_F(Login, ATokenThatNoHeaderCanHoldIsRefused)
{
    provider.userinfo = true;
    for (const char* token : {R"(a\r\nX: y)", R"(a\nb)", R"(a\u0000b)", "a b", R"(a\u007f)", "\u00e9"}) {
        cookies.clear();
        std::string url = begin();
        answer(param(url, "nonce"), "alice", token);
        call_back("code=c1&state=" + param(url, "state"));
        ASSERT_TRUE(failure) << token;
        EXPECT_EQ(failure->reason, Reason::token_malformed) << token;
    }
    EXPECT_EQ(http.requests.size(), 6u);  // never to UserInfo
}

TEST_F(Login, WhatAProviderSaysOfAnErrorHoldsNoControlCharacter)
{
    for (const char* id : {"a%0d%0ab", "a%00", "%3cb%3e", ""}) {
        cookies.clear();
        std::string url = begin();
        HttpResponse refused;
        refused.status = 400;
        refused.body = R"({"error":"invalid_grant","error_uri":"https://docs.example/?id=)" + std::string(id) + R"("})";
        http.replies.push_back(std::move(refused));
        call_back("code=c1&state=" + param(url, "state"));
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->support_id, "") << id;
    }
    call_back("error=server_error&error_description=a%0d%0ab%00c%7f+d&state=" + param(begin(), "state"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->description, "a  b c  d");
}

TEST_F(Login, AnAnswerAboveHttpMaxResponseIsMalformed)
{
    provider.userinfo = true;
    documents.known.userinfo = "https://op.example/userinfo";
    HttpResponse large;
    large.transport = Transport::too_large;
    for (Reason reason : {Reason::token_malformed, Reason::userinfo_malformed}) {
        cookies.clear();
        std::string url = begin();
        if (reason == Reason::userinfo_malformed) answer(param(url, "nonce"));
        http.replies.push_back(large);
        call_back("code=c1&state=" + param(url, "state"));
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->reason, reason);
    }
}

TEST_F(Login, OfTooManyAttemptsTheOldestAreDropped)
{
    provider.state_limit = 3;
    for (int i = 0; i < 10; ++i) begin();
    EXPECT_EQ(cookies_with_prefix(cookies, "__Host-NGX_OIDC_LOGIN_").size(), 3u);
}

TEST_F(Login, TwoTabsEndInEitherOrder)
{
    std::string first = begin();
    std::string second = begin();
    for (const std::string& url : {second, first}) {
        answer(param(url, "nonce"));
        call_back("code=c&state=" + param(url, "state"));
        ASSERT_TRUE(reply);
        keep(reply->set_cookies);
    }
    EXPECT_EQ(sessions.sessions.size(), 1u);  // the second login replaced the first one's session
}

struct BadCallback {
    const char* query;
    Reason reason;
};

class BadCallbacks : public Login, public ::testing::WithParamInterface<BadCallback> {};

TEST_P(BadCallbacks, AreRefusedBeforeAnyCall)
{
    std::string url = begin();
    std::string text = GetParam().query;
    if (std::size_t at = text.find('$'); at != std::string::npos) text.replace(at, 1, param(url, "state"));
    call_back(text);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, GetParam().reason) << name_of(failure->reason);
    EXPECT_TRUE(http.requests.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Callback, BadCallbacks,
    ::testing::Values(BadCallback{"", Reason::state_missing}, BadCallback{"&&", Reason::state_missing},
                      BadCallback{"code=c", Reason::state_missing}, BadCallback{"state=$", Reason::callback_malformed},
                      BadCallback{"state=undefined&error=access_denied", Reason::state_unknown},
                      BadCallback{"code=a&code=b&state=$", Reason::callback_malformed},
                      BadCallback{"code=a&state=$&state=x", Reason::callback_malformed},
                      BadCallback{"code=a&error=e&state=$", Reason::callback_malformed},
                      BadCallback{"code=%zz&state=$", Reason::callback_malformed},
                      BadCallback{"code=a&state=short", Reason::state_unknown},
                      BadCallback{"code=a&state=$&iss=https%3A%2F%2Fevil.example", Reason::callback_issuer},
                      BadCallback{"error=access_denied&state=$", Reason::login_cancelled},
                      BadCallback{"error=login_required&state=$", Reason::login_required},
                      BadCallback{"error=idp_hint_not_found&state=$", Reason::provider_error}));

TEST_F(Login, LogoutEndsTheSessionFirstEvenWhenTheProviderIsDown)
{
    std::string url = begin();
    answer(param(url, "nonce"));
    call_back("code=c1&state=" + param(url, "state"));
    keep(reply->set_cookies);
    documents.down = true;
    provider.post_logout_uri = "/bye";
    run(logout({provider, ports, request}));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->location, "https://rp.example/bye");
    EXPECT_TRUE(sessions.sessions.empty());
}

TEST_F(Login, LogoutReturnsWithTheStateItLeftWithOnce)
{
    provider.logout_state = provider.logout_token_hint = true;
    provider.post_logout_uri = "/bye";
    provider.logged_out_uri = "/home";
    std::string login = begin();
    answer(param(login, "nonce"));
    call_back("code=c1&state=" + param(login, "state"));
    keep(reply->set_cookies);
    run(logout({provider, ports, request}));
    std::string url = reply->location;
    keep(reply->set_cookies);
    EXPECT_TRUE(sessions.sessions.empty());
    EXPECT_FALSE(param(url, "id_token_hint").empty());
    EXPECT_EQ(param(url, "client_id"), "");
    query = "state=" + param(url, "state");
    request.query = query;
    run(finish_logout({provider, ports, request}));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->location, "https://rp.example/home");
    run(finish_logout({provider, ports, request}));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::logout_state);
}

TEST_F(Login, ALoginStateIsNoLogoutState)
{
    std::string url = begin();
    query = "state=" + param(url, "state");
    request.query = query;
    run(finish_logout({provider, ports, request}));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, Reason::logout_state);
}
