//===- RandomDesignsTest.cpp - The generator's reach, the shrinker's work
//--===//
#include "test/numeric/random/DesignGenerator.h"
#include "test/numeric/random/Shrinker.h"

#include "gtest/gtest.h"

namespace decay::test {
namespace {

TEST(DesignGenerator, aSeedIsADesign) {
  EXPECT_EQ(generateDesign(17).str(), generateDesign(17).str());
  EXPECT_NE(generateDesign(17).text(), generateDesign(18).text());
}

TEST(DesignGenerator, reachesTheWholeGrammar) {
  std::string all;
  int64_t refused = 0;
  for (uint64_t seed = 0; seed < 300; ++seed)
    all += generateAcceptedDesign(seed, refused).str();
  EXPECT_LT(refused, 300);
  for (const char *word : {"exp(",
                           "log(",
                           "log1p(",
                           "expm1(",
                           "sigmoid(",
                           "logsigmoid(",
                           "softplus(",
                           "silu(",
                           "tanh(",
                           "sqrt(",
                           "pow(",
                           "min(",
                           "max(",
                           "clamp(",
                           "logaddexp(",
                           "logcumsumexp(",
                           "cumsum(",
                           "latest(",
                           "prev(",
                           "softmax(",
                           "geometric(",
                           "log λ",
                           "per_head",
                           "lowrank(3)",
                           "bias",
                           "[layers]",
                           "no_weight_decay",
                           "set p",
                           "sharing=on",
                           "position=rope",
                           "position=lrpe_cosine",
                           "position=tpe",
                           "granularity=scalar",
                           "compat=authors",
                           "head",
                           "layer",
                           "v = ",
                           "q = ",
                           "k = "})
    EXPECT_NE(all.find(word), std::string::npos) << word;
}

TEST(Shrinker, leavesOnlyWhatFails) {
  Judge judge = [](const RandomDesign &design) -> std::optional<std::string> {
    if (design.text().find("tanh(") == std::string::npos)
      return std::nullopt;
    return "it holds a tanh";
  };
  int64_t refused = 0, shrunk = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RandomDesign design = generateAcceptedDesign(seed, refused);
    if (!judge(design))
      continue;
    RandomDesign least = shrink(design, judge);
    EXPECT_TRUE(judge(least)) << least.str();
    EXPECT_TRUE(check(least)) << least.str();
    EXPECT_LT(least.text().size(), 140u) << least.str();
    ++shrunk;
  }
  EXPECT_GT(shrunk, 3);
}

} // namespace
} // namespace decay::test
