#include <gtest/gtest.h>

#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/provider.hpp"

using namespace oidc;

namespace {

NewSession sample()
{
    NewSession session;
    session.times = {100, 200, 160};
    session.binding = 42;
    session.id_claims = Json::parse(R"({"sub":"s","iss":"i","acr":"eidas2","email":"id@x","exp":123,"only_id":"o"})");
    session.userinfo = Json::parse(
        R"({"sub":"s","acr":"eidas3","iss":"evil","email":"user@x","given_name":"Éléonore","roles":["a","b"],"custom":{"k":[1,2.5]},)"
        R"("chorusdt:matricule":"m1","empty":"","gone":null,"yes":true,"n":12345678901234,"evil":"a\r\nb"})");
    session.id_token = "jws";
    session.access_token = "at";
    session.return_path = "/back";
    return session;
}

std::string text(const SessionView& view, std::string_view claim)
{
    std::optional<Entry> found = view.claim(claim);
    return found ? std::string(found->value) : "(none)";
}

}  // namespace

TEST(Session, ShowsClaimsAsTheTextOfVariables)
{
    std::string record = serialize_session(sample());
    SessionView view(record);
    ASSERT_TRUE(view);
    EXPECT_EQ(view.binding(), 42u);
    EXPECT_EQ(view.times().access_expires, 160);
    EXPECT_EQ(text(view, "given_name"), "Éléonore");
    EXPECT_EQ(text(view, "roles"), R"(["a","b"])");
    EXPECT_EQ(text(view, "custom"), R"({"k":[1,2.5]})");
    EXPECT_EQ(text(view, "chorusdt:matricule"), "m1");
    EXPECT_EQ(text(view, "yes"), "true");
    EXPECT_EQ(text(view, "n"), "12345678901234");
    EXPECT_EQ(text(view, "only_id"), "o");
    EXPECT_EQ(text(view, "empty"), "");
    EXPECT_EQ(view.internal(entry_name::access_token), "at");
    EXPECT_EQ(view.internal(entry_name::return_path), "/back");
}

TEST(Session, UserinfoNeverOverridesAProtocolClaim)
{
    std::string record = serialize_session(sample());
    SessionView view(record);
    EXPECT_EQ(text(view, "acr"), "eidas2");
    EXPECT_EQ(text(view, "iss"), "i");
    EXPECT_EQ(text(view, "email"), "user@x");
    EXPECT_EQ(view.find("email", EntrySource::id_token)->value, "id@x");
}

TEST(Session, ANullClaimIsAbsentAndAValueWithALineBreakIsNeverEmitted)
{
    std::string record = serialize_session(sample());
    SessionView view(record);
    EXPECT_EQ(text(view, "gone"), "(none)");
    EXPECT_EQ(text(view, "evil"), "(none)");
    EXPECT_EQ(text(view, "id_token"), "(none)");  // internal entries are no claims
}

TEST(Session, UserinfoAloneNamesNoProtocolClaimAndItsNullLeavesThatOfTheIdToken)
{
    NewSession session = sample();
    session.id_claims = Json::parse(R"({"sub":"s","email":"id@x","name":"id"})");
    session.userinfo = Json::parse(R"({"acr":"eidas3","email":null,"name":"user"})");
    std::string record = serialize_session(session);
    SessionView view(record);
    EXPECT_EQ(text(view, "acr"), "(none)");
    EXPECT_EQ(view.find("acr", EntrySource::userinfo)->value, "eidas3");
    EXPECT_EQ(text(view, "email"), "id@x");
    EXPECT_EQ(claims_json(view, std::nullopt), R"({"name":"user","sub":"s","email":"id@x"})");
    EXPECT_EQ(claims_json(view, EntrySource::id_token), R"({"sub":"s","email":"id@x","name":"id"})");
}

TEST(Session, MergesClaimsIntoJson)
{
    std::string record = serialize_session(sample());
    Json merged = Json::parse(claims_json(SessionView(record), std::nullopt));
    EXPECT_EQ(merged.string("email"), "user@x");
    EXPECT_EQ(merged.string("acr"), "eidas2");
    EXPECT_EQ(merged.at("roles").dump(), R"(["a","b"])");
    Json userinfo = Json::parse(claims_json(SessionView(record), EntrySource::userinfo));
    EXPECT_EQ(userinfo.string("acr"), "eidas3");
    EXPECT_FALSE(userinfo.has("only_id"));
}

TEST(Session, BytesThatAreNoRecordAreNoSession)
{
    std::string record = serialize_session(sample());
    EXPECT_FALSE(SessionView(""));
    EXPECT_FALSE(SessionView(std::string_view(record).substr(0, 20)));
    for (std::size_t cut = 0; cut < record.size();
         ++cut) {  // exactly as long as its bytes, so that a sanitizer sees a read behind them
        std::string part = record.substr(0, cut);
        SessionView view(part);
        EXPECT_FALSE(view && view.claim("roles") && view.claim("roles")->value == "neither here nor there");
    }
    record[0] = 'x';
    EXPECT_FALSE(SessionView(record));
}

TEST(Session, TooManyClaimsFailVisibly)
{
    NewSession session = sample();
    session.access_token = std::string(70'000, 'a');
    try {
        serialize_session(session);
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.reason, Reason::session_too_large);
    }
}

TEST(Session, HoldsNoTokenThatAHeaderCannotCarry)
{
    for (char bad : std::string_view("\r\n\0\t\x1b\x7f\xe9", 7)) {
        NewSession session = sample();
        session.access_token += bad;
        try {
            serialize_session(session);
            ADD_FAILURE() << int(bad);
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.reason, Reason::token_malformed);
        }
    }
}

TEST(Session, BelongsToOneProviderIssuerAndClient)
{
    Provider a;
    a.name = "a";
    a.issuer = "https://x";
    a.client_id = "c";
    std::uint64_t binding = session_binding(a);
    a.client_id = "d";
    EXPECT_NE(binding, session_binding(a));
}
