//===- ModelEvalTest.cpp - Scoring and generating with a model -*- C++ -*-===//
#include "test/unit/runtime/nn/GradientCheck.h"

#include "runtime/eval/Generator.h"
#include "runtime/eval/Inspect.h"
#include "runtime/eval/Perplexity.h"

#include <numbers>

using namespace decay::runtime;
using namespace decay::runtime::test;

namespace {

class ModelEval : public ::testing::Test {
protected:
  void SetUp() override {
    auto loaded = KernelLibrary::load(DECAY_TEST_PACKAGE);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    library = std::make_unique<KernelLibrary>(*loaded);
    config.vocabulary = tokenizer.vocabularySize() + 3; // padded
    config.width = 32;
    config.layers = 2;
    config.heads = 4;
    config.gluWidth = 48;
    config.gateRank = 8;
  }
  std::unique_ptr<LanguageModel> make(RunShape shape) {
    auto made =
        LanguageModel::create(machine.backend(), config, {*library}, shape);
    EXPECT_TRUE(made.ok()) << made.status().message();
    EXPECT_TRUE((*made)->initialise(5).ok());
    return std::move(*made);
  }
  TokenSequence sequence(const std::string &text) {
    std::vector<uint16_t> tokens{static_cast<uint16_t>(tokenizer.endOfText())};
    for (Token token : tokenizer.encode(text))
      tokens.push_back(static_cast<uint16_t>(token));
    tokens.push_back(static_cast<uint16_t>(tokenizer.endOfText()));
    return TokenSequence::of(std::move(tokens));
  }

  Machine machine;
  Tokenizer tokenizer; // bytes only
  ModelConfig config;
  std::unique_ptr<KernelLibrary> library;
};

TEST_F(ModelEval, everyByteOfTheTextIsPaidOnce) {
  std::string text = "It was the best of times, it was the worst of times.";
  auto model = make({3, 8});
  ScoreOptions options;
  options.B = 3, options.T = 8;
  auto score = scoreText(*model, sequence(text), tokenizer, options);
  ASSERT_TRUE(score.ok()) << score.status().message();
  EXPECT_EQ(score->bytes, int64_t(text.size()));
  EXPECT_EQ(score->tokens, int64_t(text.size()))
      << "the end of the text does not count";
  // At the start all classes are about equally probable.
  EXPECT_NEAR(score->nats / double(score->tokens),
              std::log(double(config.vocabulary)), 0.05);
  EXPECT_NEAR(score->bitsPerByte(),
              score->nats / std::numbers::ln2 / double(text.size()), 1e-12);
  EXPECT_NEAR(score->perplexity(), std::exp(score->nats / double(text.size())),
              1e-9);
}

TEST_F(ModelEval, batchesAndPaddingChangeNothing) {
  TokenSequence text =
      sequence("Call me Ishmael. Some years ago, never mind how long.");
  double nats[3];
  int64_t sizes[3] = {1, 2, 5};
  for (int i = 0; i < 3; ++i) {
    auto model = make({sizes[i], 7});
    ScoreOptions options;
    options.B = sizes[i], options.T = 7;
    auto score = scoreText(*model, text, tokenizer, options);
    ASSERT_TRUE(score.ok());
    nats[i] = score->nats;
  }
  EXPECT_NEAR(nats[1], nats[0], 1e-4);
  EXPECT_NEAR(nats[2], nats[0], 1e-4);
}

TEST_F(ModelEval, generationIsAFunctionOfTheSeed) {
  GenerationOptions options;
  options.tokens = 20;
  auto model = make({1, 4, false, /*states=*/true});
  auto first =
      generateText(*model, tokenizer, "A prompt longer than four", options);
  auto again =
      generateText(*model, tokenizer, "A prompt longer than four", options);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  auto longer = make({1, 64, false, true});
  auto whole =
      generateText(*longer, tokenizer, "A prompt longer than four", options);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(*first, *whole) << "how the prompt is cut must not matter";
}

TEST_F(ModelEval, stopWordsEndTheTextAndStayOut) {
  GenerationOptions options;
  options.tokens = 60;
  auto model = make({1, 8, false, true});
  auto free = generateText(*model, tokenizer, "", options);
  ASSERT_TRUE(free.ok());
  ASSERT_GT(free->size(), 20u);
  options.stops = {free->substr(10, 3)};
  std::string pieces;
  options.piece = [&](std::string_view piece) { pieces += piece; };
  auto cut = generateText(*model, tokenizer, "", options);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(*cut, free->substr(0, free->find(options.stops[0])));
  EXPECT_EQ(pieces, *cut);
}

TEST_F(ModelEval, inspectionSummarisesEachLayer) {
  RunShape shape{1, 4};
  shape.lambda = true;
  auto model = make(shape);
  std::vector<int32_t> tokens{1, 2, 3, 4};
  auto layers = inspectLambda(*model, tokens);
  ASSERT_TRUE(layers.ok()) << layers.status().message();
  ASSERT_EQ(layers->size(), 2u);
  for (const LambdaSummary &layer : *layers) {
    EXPECT_GT(layer.least, 0);
    EXPECT_LE(layer.least, layer.low);
    EXPECT_LE(layer.low, layer.median);
    EXPECT_LE(layer.median, layer.high);
    EXPECT_LE(layer.high, layer.most);
    EXPECT_LT(layer.most, 1);
    EXPECT_GT(layer.deviation, 0) << "λ follows its input";
  }
}

TEST_F(ModelEval, tableShowsEachLayer) {
  LambdaSummary layer;
  layer.median = 0.8125;
  std::vector<LambdaSummary> layers{layer, layer};
  std::string table = lambdaTable(layers);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
  EXPECT_NE(table.find("0.81250"), std::string::npos);
  EXPECT_EQ(lambdaJson(layers)[1]["median"], 0.8125);
}

} // namespace
