//===- SamplerTest.cpp - The next token -------------------------*- C++ -*-===//
#include "runtime/eval/Sampler.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

using namespace decay::runtime;

namespace {

const std::vector<float> logits{0, 2, 1, 2, 9};

std::vector<int> countTokens(SamplingOptions options, int64_t allowed,
                             int draws) {
  std::vector<int> counts(logits.size());
  for (int64_t position = 0; position < draws; ++position)
    ++counts[sampleToken(logits, allowed, options, position)];
  return counts;
}

TEST(Sampler, greedyTakesTheFirstOfTheBest) {
  SamplingOptions options;
  options.temperature = 0;
  EXPECT_EQ(sampleToken(logits, 4, options, 0), 1);
  EXPECT_EQ(sampleToken(logits, 5, options, 0), 4);
}

TEST(Sampler, frequenciesAreTheProbabilities) {
  SamplingOptions options;
  options.temperature = 2;
  const int draws = 20000;
  std::vector<int> counts = countTokens(options, 4, draws);
  double sum = 1 + std::exp(1.0) * 2 + std::exp(0.5);
  EXPECT_NEAR(counts[0], draws / sum, 300);
  EXPECT_NEAR(counts[1], draws * std::exp(1.0) / sum, 300);
  EXPECT_NEAR(counts[2], draws * std::exp(0.5) / sum, 300);
  EXPECT_EQ(counts[4], 0) << "a token beyond the vocabulary";
}

TEST(Sampler, topKAndTopPCutTheTail) {
  SamplingOptions options;
  options.topK = 2;
  std::vector<int> counts = countTokens(options, 4, 500);
  EXPECT_EQ(counts[0] + counts[2], 0);
  EXPECT_GT(counts[1], 0);
  EXPECT_GT(counts[3], 0);
  options.topK = 0;
  options.topP = 0.3; // the first token alone has more
  counts = countTokens(options, 4, 500);
  EXPECT_EQ(counts[1], 500);
}

TEST(Sampler, sameSeedAndPositionSameToken) {
  SamplingOptions options, other;
  other.seed = 43;
  int differences = 0;
  for (int64_t position = 0; position < 200; ++position) {
    int32_t token = sampleToken(logits, 4, options, position);
    EXPECT_EQ(token, sampleToken(logits, 4, options, position));
    differences += token != sampleToken(logits, 4, other, position);
  }
  EXPECT_GT(differences, 50);
}

TEST(Sampler, optionsOutOfRangeAreRefused) {
  SamplingOptions options;
  options.temperature = -1;
  EXPECT_FALSE(options.check().ok());
  options = {};
  options.topP = 0;
  EXPECT_FALSE(options.check().ok());
  options = {};
  options.topK = -1;
  EXPECT_FALSE(options.check().ok());
  EXPECT_TRUE(SamplingOptions().check().ok());
}

} // namespace
