#include <gtest/gtest.h>

#include <string_view>

#include "oidc/base/text.hpp"

using namespace oidc;
using namespace std::string_view_literals;

TEST(EqualNoCase, ComparesEveryByteAndFoldsLettersOfAsciiAlone)
{
    EXPECT_TRUE(equal_no_case("", ""));
    EXPECT_TRUE(equal_no_case("Bearer", "bEARER"));
    EXPECT_FALSE(equal_no_case("Bearer", "Bearer "));
    EXPECT_FALSE(equal_no_case("[", "{"));
    EXPECT_FALSE(equal_no_case("\xc9", "\xe9"));
    EXPECT_TRUE(equal_no_case("\0A"sv, "\0a"sv));
    EXPECT_FALSE(equal_no_case("\0a"sv, "\0b"sv));
}
