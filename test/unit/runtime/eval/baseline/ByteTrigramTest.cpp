//===- ByteTrigramTest.cpp ------------------------------------------------===//
#include "runtime/eval/baseline/ByteTrigram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

using namespace decay::runtime;

namespace {

TEST(ByteTrigram, withoutTextEveryByteCostsWhatTheUniformPartGives) {
  ByteTrigram model;
  // Only the uniform part of the four equal ones says anything: 1/4 of 1/256.
  EXPECT_NEAR(model.bits("abc"), 3 * 10.0, 1e-12);
  EXPECT_EQ(model.bits(""), 0);
}

TEST(ByteTrigram, matchesACountByHand) {
  ByteTrigram model;
  model.count("abab");
  // After "ab" comes 'a' once of once; after 'b', 'a' once of once; 'a' is 2 of
  // 4 bytes.
  const double mixture = 0.25 * (1 / 256.0 + 0.5 + 1 + 1);
  EXPECT_NEAR(model.bits("aba") - model.bits("ab"), -std::log2(mixture), 1e-12);
}

TEST(ByteTrigram, aTextKnowsNothingOfTheTextBeforeIt) {
  ByteTrigram together, apart;
  together.count("xyxy");
  apart.count("xy");
  apart.count("xy");
  EXPECT_LT(together.bits("yx"), apart.bits("yx"));
}

TEST(ByteTrigram, fittingPutsTheWeightWhereItPays) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += i % 3 == 0 ? "the cat sat. " : "a dog ran on. ";
  ByteTrigram model;
  model.count(text);
  const double before = model.bits("the cat ran on. a dog sat.");
  const std::string_view held = "the cat ran on. a dog sat. the cat sat. ";
  model.fitWeights({&held, 1});
  EXPECT_LT(model.bits("the cat ran on. a dog sat."), before);
  double sum = 0;
  for (double weight : model.weights())
    sum += weight;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_GT(model.weights()[3], model.weights()[1]);
}

TEST(ByteTrigram, aByteNeverSeenStaysPossible) {
  ByteTrigram model;
  model.count("aaaa");
  const std::string_view held = "aaaa";
  model.fitWeights({&held, 1});
  EXPECT_TRUE(std::isfinite(model.bits("z")));
}

} // namespace
