//===- JsonTest.cpp -------------------------------------------------------===//

#include "runtime/core/Json.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
std::string refusal(std::string_view text, JsonLimits limits = {}) {
  auto parsed = parseJson(text, "a.json", limits);
  if (parsed.ok())
    return "accepted";
  EXPECT_EQ(parsed.status().code(), StatusCode::User);
  return parsed.status().message();
}
} // namespace

TEST(Json, ReadsEveryKindOfValue) {
  auto parsed = parseJson(
      R"({"a": [1, -2, 3.5, "x", true, null, {}], "b": {"c": []}})", "a.json");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->dump(),
            R"({"a":[1,-2,3.5,"x",true,null,{}],"b":{"c":[]}})");
}

TEST(Json, LocatesSyntaxErrors) {
  std::string message = refusal("{\n  \"a\": 1,\n  \"b\": x\n}");
  EXPECT_TRUE(message.starts_with("a.json:3:8: error: syntax error"))
      << message;
  EXPECT_NE(message.find("  3 |   \"b\": x\n    |        ^"), std::string::npos)
      << message;
}

TEST(Json, RefusesWhatIsDangerous) {
  EXPECT_EQ(refusal(R"({"a": 1, "a": 2})"),
            "a.json: error: the key 'a' occurs twice");
  EXPECT_EQ(refusal("[[[[1]]]]", {.depth = 3}),
            "a.json: error: nested more than 3 deep");
  EXPECT_NE(refusal("[1] 2").find("syntax error"), std::string::npos);
  EXPECT_NE(refusal("").find("syntax error"), std::string::npos);
  EXPECT_NE(refusal("\"\xff\"").find("UTF-8"), std::string::npos);
  EXPECT_NE(refusal("[1, 2]", {.bytes = 3}).find("at most 3"),
            std::string::npos);
  EXPECT_EQ(refusal("1e999").find("accepted"), std::string::npos);
  EXPECT_NE(refusal(std::string(100000, '[')), "accepted");
}

TEST(Json, TypedMembersNameFileAndKey) {
  Json object = {{"n", 5}, {"s", "x"}, {"big", UINT64_MAX}, {"f", 0.5}};
  EXPECT_EQ(*jsonInteger(object, "n", "c.json"), 5);
  EXPECT_EQ(*jsonUnsigned(object, "big", "c.json"), UINT64_MAX);
  EXPECT_EQ(*jsonNumber(object, "f", "c.json"), 0.5);
  EXPECT_EQ(*jsonString(object, "s", "c.json"), "x");
  EXPECT_EQ(jsonInteger(object, "n", "c.json", 6, 9).status().message(),
            "c.json: 'n': expected an integer from 6 to 9, found 5");
  EXPECT_EQ(jsonInteger(object, "big", "c.json").status().message(),
            "c.json: 'big': expected an integer, found 18446744073709551615");
  EXPECT_EQ(jsonInteger(object, "x", "c.json").status().message(),
            "c.json: 'x' is missing");
  EXPECT_EQ(jsonInteger(Json(1), "x", "c.json").status().message(),
            "c.json: expected an object");
  EXPECT_FALSE(jsonBool(object, "n", "c.json").ok());
  EXPECT_FALSE(jsonNumber(object, "s", "c.json").ok());
  EXPECT_EQ(jsonArray(object, "n", "c.json").status().message(),
            "c.json: 'n': expected an array, found 5");
  EXPECT_FALSE(jsonObject(object, "n", "c.json").ok());
}
