#include <gtest/gtest.h>

#include "oidc/base/json.hpp"

namespace oidc {
namespace {

using namespace std::string_literals;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonParse, RefusesWhatIsNotExactlyOneDocument)
{
    const std::string bad[] = {
        "",
        " ",
        "{",
        "}",
        "nul",
        "{}x",
        "{} {}",
        "{}\0"s,
        "\xEF\xBB\xBF{}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "// c\n{}",
        "{/**/}",
        "{\"a\":NaN}",
        "{\"a\":1e400}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\n\"}",
        "\"text\"",
        "1",
    };
    for (const std::string& text : bad) EXPECT_FALSE(Json::parse(text)) << text;
    EXPECT_TRUE(Json::parse(" {} \n"));
    EXPECT_TRUE(Json::parse("[]").is_array());
}

TEST(JsonParse, RefusesARepeatedMemberAtAnyLevelAndInAnySpelling)
{
    EXPECT_FALSE(Json::parse(R"({"alg":"none","alg":"RS256"})"));
    EXPECT_FALSE(Json::parse(R"({"alg":"none","\u0061lg":"RS256"})"));
    EXPECT_FALSE(Json::parse(R"({"a":[{"b":1,"b":1}]})"));
}

TEST(JsonParse, RefusesNestingAboveItsLimitWithoutDescending)
{
    EXPECT_TRUE(Json::parse(nested(64)));
    EXPECT_FALSE(Json::parse(nested(65)));
    EXPECT_FALSE(Json::parse(nested(1'000'000)));
    EXPECT_TRUE(Json::parse(nested(8), 8));
    EXPECT_FALSE(Json::parse(nested(9), 8));
    EXPECT_FALSE(Json::parse(std::string(5000, '[')));
}

TEST(JsonParse, CountsNoBracketInsideAString)
{
    EXPECT_TRUE(Json::parse(R"({"a":"[[[[[[\"[[[[\\","b":"]]"})", 1));
    EXPECT_FALSE(Json::parse(R"({"a":"\\","b":[]})", 1));
}

TEST(JsonAccess, AnAbsentOrForeignMemberIsNoValue)
{
    const Json json = Json::parse(R"({"s":"x","n":1,"z":null,"o":{},"t":true})");
    EXPECT_EQ(json.string("n"), std::nullopt);
    EXPECT_EQ(json.string("absent"), std::nullopt);
    EXPECT_EQ(json.integer("s"), std::nullopt);
    EXPECT_FALSE(json.is_true("n"));
    EXPECT_TRUE(json.is_true("t"));
    EXPECT_TRUE(json.has("z"));
    EXPECT_TRUE(json.at("z").is_null());
    EXPECT_FALSE(json.at("absent"));
    EXPECT_FALSE(json.at("absent").at("deeper").has("x"));
    EXPECT_EQ(Json{}.string("a"), std::nullopt);
    EXPECT_TRUE(Json{}.names().empty());
    EXPECT_EQ(Json{}.dump(), "");
}

TEST(JsonAccess, IntegersAreExactWithinTwoToThe53)
{
    const std::pair<const char*, std::optional<std::int64_t>> rows[] = {
        {"0", 0},
        {"-1", -1},
        {"1511306400", 1511306400},
        {"1.0", 1},
        {"1.6e9", 1600000000},
        {"-0.0", 0},
        {"9007199254740992", 9007199254740992},
        {"9007199254740993", std::nullopt},
        {"-9007199254740993", std::nullopt},
        {"9223372036854775807", std::nullopt},
        {"1e300", std::nullopt},
        {"-1e300", std::nullopt},
        {"1.5", std::nullopt},
        {"\"1\"", std::nullopt},
        {"null", std::nullopt},
        {"[1]", std::nullopt},
        {"true", std::nullopt},
    };
    for (const auto& [text, expected] : rows)
        EXPECT_EQ(Json::parse("{\"n\":"s + text + "}").integer("n"), expected) << text;
}

TEST(JsonAccess, AStringKeepsItsNul)
{
    EXPECT_EQ(Json::parse(R"({"a":"x\u0000y"})").string("a"), "x\0y"s);
    EXPECT_FALSE(Json::parse(R"({"a\u0000":1})"));
}

TEST(JsonAccess, StringsOfAnArrayOrOfOneString)
{
    const Json json = Json::parse(R"({"a":["x",1,"y"],"s":"z","o":{}})");
    EXPECT_EQ(json.strings("a"), (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(json.strings("s"), std::vector<std::string>{"z"});
    EXPECT_TRUE(json.strings("o").empty());
    EXPECT_EQ(json.at("a").elements().size(), 3U);
    EXPECT_EQ(json.names(), (std::vector<std::string>{"a", "s", "o"}));
}

TEST(JsonDump, IsCompactAndKeepsOrderTextAndNumbers)
{
    const std::string text = R"({"z":1,"a":[true,null,{"é":"\"\\\n"}],"f":0.1,"big":9007199254740993})";
    EXPECT_EQ(Json::parse(text).dump(), text);
    EXPECT_EQ(Json::parse(R"({"a":"x"})").at("a").dump(), "\"x\"");
    EXPECT_EQ(Json::parse(R"({"a":false})").at("a").dump(), "false");
}

TEST(JsonDump, NumbersAreAsTheyWereWritten)
{
    const char* const numbers[] = {"0",
                                   "-1",
                                   "1.10",
                                   "-0.0",
                                   "1e3",
                                   "1.5E-7",
                                   "0.1",
                                   "12345678901234567.25",
                                   "999999999999999999",
                                   "9223372036854775807",
                                   "9223372036854775808",
                                   "-9223372036854775809",
                                   "123456789012345678901234567890"};
    for (const std::string text : numbers) {
        const Json json = Json::parse("{ \"n\" : " + text + " , \"a\": [" + text + ",[ " + text + "]]}");
        EXPECT_EQ(json.dump(), "{\"n\":" + text + ",\"a\":[" + text + ",[" + text + "]]}");
        EXPECT_EQ(json.at("n").dump(), text);
        EXPECT_FALSE(json.at("n").is_string()) << text;
        EXPECT_EQ(json.string("n"), std::nullopt) << text;
        EXPECT_EQ(json.at("n").text(), "") << text;
        EXPECT_TRUE(json.strings("a").empty()) << text;
    }
    for (const std::string text :
         {"1.", ".5", "01.5", "+1.5", "1.5.2", "1e", "--1.5", "1.5x", "1.5\"a\"", "\"a\"1.5", "1e400"})
        EXPECT_FALSE(Json::parse("[" + text + "]")) << text;
    EXPECT_FALSE(Json::parse("{1.5:1}"));
}

TEST(JsonDump, NoTextBecomesMarkup)
{
    for (const std::string text :
         {R"("\u0000")", R"("\u00001.5,1")", R"("\u0000\",\"admin")", R"("\u0000true")", R"("x\u00001.5")",
          R"("\"\u00001.5\"")", R"("\\\"\u00001.5")", R"("\u0000x\"\u00001.5")", R"("\\")", R"("1.5 \\\" 2.50")"})
        EXPECT_EQ(Json::parse("[" + text + ",2.50]").dump(), "[" + text + ",2.50]");
}

TEST(JsonSet, ChangesItsOwnValueOnly)
{
    Json original = Json::object();
    original.set("a", "1");
    Json copy = original;
    copy.set("a", "2");
    copy.set("self", copy);
    EXPECT_EQ(original.dump(), R"({"a":"1"})");
    EXPECT_EQ(copy.dump(), R"({"a":"2","self":{"a":"2"}})");
}

TEST(JsonSet, StoresNothingThatIsNotUtf8)
{
    Json json = Json::object();
    json.set("a", "\xff");
    EXPECT_EQ(json.dump(), "{}");
}

}  // namespace
}  // namespace oidc
