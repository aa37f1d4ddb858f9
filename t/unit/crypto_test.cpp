#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <openssl/err.h>

#include "oidc/base/aes_gcm.hpp"
#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/random.hpp"

namespace oidc {
namespace {

using namespace std::string_literals;

std::string hex(std::string_view bytes)
{
    std::string out;
    for (const char byte : bytes) {
        out += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
        out += "0123456789abcdef"[static_cast<unsigned char>(byte) & 15];
    }
    return out;
}

void fixed_random(std::span<unsigned char> out) { std::fill(out.begin(), out.end(), static_cast<unsigned char>(0x5a)); }

const std::string key(32, 'k');

TEST(Sha256, AnswersFips180)
{
    EXPECT_EQ(hex(view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(view(sha256(""))), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, KnowsThreeAlgorithmsAndNoOther)
{
    EXPECT_EQ(hex(hash("SHA256", "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(hash("SHA384", "abc")).substr(0, 32), "cb00753f45a35e8bb5a03d699ac65007");
    EXPECT_EQ(hex(hash("SHA512", "abc")).substr(0, 32), "ddaf35a193617abacc417349ae204131");
    EXPECT_THROW(hash("MD5", "abc"), std::invalid_argument);
}

TEST(Sha256, OfPartsIsThatOfTheirSum)
{
    EXPECT_EQ(sha256({"a", "", "bc"}), sha256("abc"));
    EXPECT_EQ(sha256({}), sha256(""));
}

TEST(Hmac, AnswersRfc4231)
{
    EXPECT_EQ(hex(hmac("HS256", std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hex(hmac("HS256", "Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hex(hmac("HS256", std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(SystemRandom, DoesNotRepeat)
{
    std::set<std::array<unsigned char, 16>> seen;
    for (int i = 0; i < 100; ++i) {
        std::array<unsigned char, 16> bytes{};
        system_random(bytes);
        seen.insert(bytes);
    }
    EXPECT_EQ(seen.size(), 100U);
}

TEST(Base64, AnswersRfc4648)
{
    const std::pair<const char*, const char*> rows[] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : rows) EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(base64("\xfb\xff"), "+/8=");
    EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

TEST(Base64url, GivesBackEveryByteString)
{
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(base64url_decode(base64url(bytes)), bytes);
        bytes += static_cast<char>(i * 37);
    }
}

TEST(Base64url, HasOneSpellingOnly)
{
    const std::string bad[] = {"A",     "AAAAA",  "Zg==",    "Zg=",     "Zh",    "Zm9",  "Zm-/", "Zm 9v",
                               " Zm9v", "Zm9v\n", "Zm9v\0"s, "Zm9\xc3", "Zm9v.", "+_8A", "*AAA"};
    for (const std::string& text : bad) EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
    EXPECT_EQ(base64url_decode("Zg"), "f");
    EXPECT_EQ(base64url_decode(""), "");
}

TEST(Seal, OpensWithTheSameKeyAndContextOnly)
{
    for (const std::string& text : {""s, "x"s, std::string(3000, 'p'), "\0\xff"s}) {
        const std::string sealed = seal(key, "context", text, system_random);
        EXPECT_EQ(unseal(key, "context", sealed), text);
        EXPECT_EQ(unseal(key, "Context", sealed), std::nullopt);
        EXPECT_EQ(unseal(std::string(32, 'K'), "context", sealed), std::nullopt);
    }
}

TEST(Seal, IsNeverTwiceTheSame)
{
    EXPECT_NE(seal(key, "", "text", system_random), seal(key, "", "text", system_random));
}

TEST(Seal, DrawsASaltForEachKeyAndCounts)
{
    const std::string first = *base64url_decode(seal("one key", "a", "text", fixed_random)), salt(16, '\x5a');
    const std::string second = *base64url_decode(seal("one key", "a", "text", system_random));
    EXPECT_EQ(first.substr(0, 16), salt);
    EXPECT_EQ(second.substr(0, 16), salt) << "nothing is drawn again";
    EXPECT_NE(first.substr(16, 12), second.substr(16, 12));
    EXPECT_NE(base64url_decode(seal("another key", "a", "text", system_random))->substr(0, 16), salt);
    EXPECT_EQ(unseal("one key", "a", base64url(first)), "text");
}

TEST(Seal, ShowsNothingOfItsText)
{
    const std::string sealed = seal(key, "", std::string(64, 'A'), fixed_random);
    EXPECT_EQ(base64url_decode(sealed)->find("AAAA"), std::string::npos);
}

TEST(Unseal, RefusesEveryFlippedBitAndEveryOtherLength)
{
    const std::string bytes = *base64url_decode(seal(key, "context", "plaintext", system_random));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        std::string changed = bytes;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        EXPECT_EQ(unseal(key, "context", base64url(changed)), std::nullopt) << bit;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_EQ(unseal(key, "context", base64url(bytes.substr(0, size))), std::nullopt) << size;
    EXPECT_EQ(unseal(key, "context", base64url(bytes + "x")), std::nullopt);
    EXPECT_EQ(unseal(key, "context", "not base64url!"), std::nullopt);
    EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(OpenGcm, RefusesEveryWrongLength)
{
    const std::string text(20, 'c'), iv(12, 'i'), tag(16, 't');
    for (const std::size_t size : {0, 1, 11, 13, 15, 17, 31, 33}) {
        const std::string other(size, 'o');
        EXPECT_EQ(open_gcm({other, iv, "", text, tag}), std::nullopt) << size;
        EXPECT_EQ(open_gcm({key, other, "", text, tag}), std::nullopt) << size;
        EXPECT_EQ(open_gcm({key, iv, "", text, other}), std::nullopt) << size;
    }
}

}  // namespace
}  // namespace oidc
