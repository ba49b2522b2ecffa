//===- LanguageModelTest.cpp - The whole model around a package -*- C++ -*-===//
#include "test/unit/runtime/nn/GradientCheck.h"

#include "runtime/nn/models/LanguageModel.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

using namespace decay::runtime;
using namespace decay::runtime::test;

namespace {

/// λ = f² + delta, written by hand: see test/support/package.
const std::string packagePath = DECAY_TEST_PACKAGE;

ModelConfig smallConfig() {
  ModelConfig config;
  config.vocabulary = 50;
  config.width = 32;
  config.layers = 2;
  config.heads = 4;
  config.gluWidth = 48;
  config.gateRank = 8;
  return config;
}

std::vector<int32_t> drawTokens(size_t count, uint64_t stream) {
  Philox random(3, stream);
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>(random.words(i)[0] % 50);
  return tokens;
}

class Model : public ::testing::Test {
protected:
  void SetUp() override {
    auto loaded = KernelLibrary::load(packagePath);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    library = std::make_unique<KernelLibrary>(*loaded);
  }
  std::unique_ptr<LanguageModel> make(Machine &machine, RunShape shape,
                                      ModelConfig config = smallConfig()) {
    auto made =
        LanguageModel::create(machine.backend(), config, {*library}, shape);
    EXPECT_TRUE(made.ok()) << made.status().message();
    EXPECT_TRUE((*made)->initialise(42).ok());
    return std::move(*made);
  }
  /// W3 starts at zero and the rest small: make every branch speak.
  static void stir(LanguageModel &model) {
    for (const ParameterInfo &info : model.parameters().infos()) {
      // δ of the package begins at 0, where λ = f² + δ cannot be varied.
      bool learned = info.fill == Fill::Design;
      Values noise = draw(static_cast<size_t>(info.count), 900 + info.offset,
                          learned ? 0.0f : 0.1f, learned ? 0.4f : 0.0f);
      for (int64_t i = 0; i < info.count; ++i)
        model.weights()[info.offset + i] += noise[i];
    }
  }
  static void forward(LanguageModel &model, const ForwardCall &call) {
    Status status = model.forward(call);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  std::unique_ptr<KernelLibrary> library;
};

TEST_F(Model, gradientsOfEveryParameter) {
  Machine machine;
  auto model = make(machine, {3, 7, true});
  stir(*model);
  std::vector<int32_t> tokens = drawTokens(21, 1), targets = drawTokens(21, 2);
  targets[5] = -1;
  auto value = [&] {
    forward(*model, {tokens.data(), 3, 7, false, {}});
    return model->loss(targets.data(), 0);
  };
  forward(*model, {tokens.data(), 3, 7, false, {}});
  model->loss(targets.data(), 1.0f);
  ASSERT_TRUE(model->backward().ok());
  for (const ParameterInfo &info : model->parameters().infos()) {
    float *at = model->weights() + info.offset;
    Values point(at, at + info.count);
    const float *gradientAt = model->gradients() + info.offset;
    Values gradient(gradientAt, gradientAt + info.count);
    expectGradient(
        info.name, point, gradient,
        [&] {
          std::copy(point.begin(), point.end(), at);
          return value();
        },
        2e-2);
    std::copy(point.begin(), point.end(), at);
  }
}

TEST_F(Model, gradientsAreFinalFromWhereTheObserverIsTold) {
  Machine machine;
  auto model = make(machine, {2, 5, true});
  stir(*model);
  std::vector<int32_t> tokens = drawTokens(10, 1), targets = drawTokens(10, 2);
  forward(*model, {tokens.data(), 2, 5, false, {}});
  model->loss(targets.data(), 0.5f);
  std::vector<std::pair<int64_t, Values>> told;
  float *end = model->gradients() + model->blockFloats();
  Status status = model->backward([&](int64_t offset) {
    told.emplace_back(offset, Values(model->gradients() + offset, end));
    return Status();
  });
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_GE(told.size(), 3u);
  for (size_t i = 1; i < told.size(); ++i)
    EXPECT_LT(told[i].first, told[i - 1].first);
  EXPECT_EQ(told.back().first, 0);
  for (const auto &[offset, gradients] : told)
    EXPECT_EQ(gradients, Values(model->gradients() + offset, end)) << offset;
  status = model->backward([](int64_t) { return Status::world("lost"); });
  EXPECT_EQ(status.message(), "lost");
}

TEST_F(Model, gradientsAddUpOverCalls) {
  Machine machine;
  auto model = make(machine, {2, 5, true});
  stir(*model);
  std::vector<int32_t> tokens = drawTokens(10, 1), targets = drawTokens(10, 2);
  auto pass = [&] {
    forward(*model, {tokens.data(), 2, 5, false, {}});
    model->loss(targets.data(), 0.5f);
    ASSERT_TRUE(model->backward().ok());
  };
  pass();
  Values once(model->gradients(),
              model->gradients() + model->parameters().blockFloats());
  pass();
  for (size_t i = 0; i < once.size(); ++i)
    EXPECT_NEAR(model->gradients()[i], 2 * once[i],
                1e-5 + 1e-4 * std::abs(once[i]));
}

TEST_F(Model, layersMadeAgainHaveTheSameBitsInLessMemory) {
  Machine machine;
  std::vector<int32_t> tokens = drawTokens(21, 1), targets = drawTokens(21, 2);
  std::vector<Values> gradients;
  std::vector<size_t> bytes;
  for (bool recompute : {false, true}) {
    RunShape shape{3, 7, true};
    shape.recompute = recompute;
    auto model = make(machine, shape);
    stir(*model);
    for (int pass = 0; pass < 2; ++pass) {
      forward(*model, {tokens.data(), 3, 7, false, {}});
      model->loss(targets.data(), 1.0f);
      ASSERT_TRUE(model->backward().ok());
    }
    const float *at = model->gradients();
    gradients.emplace_back(at, at + model->parameters().blockFloats());
    bytes.push_back(model->plannedBytes());
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  EXPECT_LT(bytes[1], bytes[0]);
}

TEST_F(Model, gradientsBeginAnewWhateverWasThere) {
  // More rows than the head takes at a time.
  constexpr int64_t B = 40, T = 60;
  std::vector<int32_t> tokens = drawTokens(B * T, 1),
                       targets = drawTokens(B * T, 2);
  Machine machine;
  auto model = make(machine, {B, T, true});
  stir(*model);
  auto pass = [&] {
    forward(*model, {tokens.data(), B, T, false, {}});
    model->loss(targets.data(), 1.0f);
    ASSERT_TRUE(model->backward().ok());
  };
  const int64_t floats = model->blockFloats();
  auto gradients = [&] {
    return Values(model->gradients(), model->gradients() + floats);
  };
  std::vector<Values> passes;
  for (float before : {0.0f, std::numeric_limits<float>::quiet_NaN()}) {
    std::fill_n(model->gradients(), floats, before);
    if (before != 0)
      model->beginGradients();
    for (int count = 0; count < 2; ++count) {
      pass();
      passes.push_back(gradients());
    }
  }
  EXPECT_EQ(passes[2], passes[0]) << "the first pass";
  EXPECT_EQ(passes[3], passes[1]) << "another one adds to it";
  EXPECT_NE(passes[1], passes[0]);
}

TEST_F(Model, weightsAreToldBeforeTheyAreRead) {
  Machine machine;
  auto model = make(machine, {2, 5, true});
  stir(*model);
  std::vector<int32_t> tokens = drawTokens(10, 1), targets = drawTokens(10, 2);
  auto lossOf = [&](const WeightObserver &needed) {
    ForwardCall call{tokens.data(), 2, 5, false, {}};
    call.weightsNeeded = needed;
    forward(*model, call);
    return model->loss(targets.data(), 0);
  };
  const double expected = lossOf({});
  Values weights(model->weights(), model->weights() + model->blockFloats());
  // What was not told yet is not there.
  std::fill_n(model->weights(), model->blockFloats(),
              std::numeric_limits<float>::quiet_NaN());
  int64_t there = 0;
  EXPECT_EQ(lossOf([&](int64_t offset) {
              EXPECT_GT(offset, there);
              std::copy(weights.begin() + there, weights.begin() + offset,
                        model->weights() + there);
              there = offset;
              return Status();
            }),
            expected);
  EXPECT_EQ(there, model->blockFloats());
}

TEST_F(Model, sameBitsForOneAndManyWorkers) {
  std::vector<int32_t> tokens = drawTokens(4 * 33, 1),
                       targets = drawTokens(4 * 33, 2);
  std::vector<Values> results;
  for (int64_t workers : {1, 2, 3}) {
    Machine machine(workers);
    auto model = make(machine, {4, 33, true});
    stir(*model);
    forward(*model, {tokens.data(), 4, 33, false, {}});
    model->loss(targets.data(), 1.0f);
    ASSERT_TRUE(model->backward().ok());
    results.emplace_back(model->gradients(),
                         model->gradients() +
                             model->parameters().blockFloats());
  }
  for (const Values &result : results)
    EXPECT_EQ(std::memcmp(result.data(), results[0].data(),
                          result.size() * sizeof(float)),
              0);
}

TEST_F(Model, stepsEqualOneCall) {
  Machine machine;
  auto whole = make(machine, {1, 9});
  auto stepping = make(machine, {1, 9, false, /*states=*/true});
  stir(*whole);
  stir(*stepping);
  std::vector<int32_t> tokens = drawTokens(9, 4);
  forward(*whole, {tokens.data(), 1, 9, false, {}});
  stepping->resetStates();
  // Four tokens at once, then one by one.
  forward(*stepping, {tokens.data(), 1, 4, true, {}});
  for (int64_t t = 4; t < 9; ++t) {
    forward(*stepping, {tokens.data() + t, 1, 1, true, {}});
    std::span<const float> logits = stepping->logits(0);
    Values got(logits.begin(), logits.end());
    std::span<const float> expected = whole->logits(t);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], expected[i], 2e-5)
          << "token " << t << ", class " << i;
  }
  EXPECT_EQ(stepping->position(), 9);
}

TEST_F(Model, inferenceAndTrainingAgree) {
  Machine machine;
  auto training = make(machine, {2, 6, true});
  auto inference = make(machine, {2, 6});
  std::vector<int32_t> tokens = drawTokens(12, 1), targets = drawTokens(12, 2);
  double losses[2];
  int i = 0;
  for (LanguageModel *model : {training.get(), inference.get()}) {
    stir(*model);
    forward(*model, {tokens.data(), 2, 6, false, {}});
    losses[i++] = model->loss(targets.data(), 0);
  }
  EXPECT_EQ(losses[0], losses[1]);
}

TEST_F(Model, startsAsPublished) {
  Machine machine;
  auto model = make(machine, {1, 1});
  std::set<std::string> names;
  for (const ParameterInfo &info : model->parameters().infos()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    const float *begin = model->weights() + info.offset,
                *end = begin + info.count;
    float most = std::max(std::abs(*std::max_element(begin, end)),
                          std::abs(*std::min_element(begin, end)));
    if (info.name.ends_with("w3.weight")) {
      EXPECT_EQ(most, 0) << info.name;
    } else if (info.name.ends_with("norm.weight")) {
      EXPECT_TRUE(std::all_of(begin, end, [](float w) { return w == 1; }))
          << info.name;
    } else if (info.fill == Fill::TruncatedNormal) {
      EXPECT_LE(most, 0.06f) << info.name;
      EXPECT_GT(most, 0.03f) << info.name;
    }
  }
  EXPECT_TRUE(names.contains("layers.1.mixer.delta"));
  EXPECT_TRUE(names.contains("layers.0.mixer.f.1.weight"));
  EXPECT_TRUE(names.contains("layers.0.mixer.gate.0.weight"));
}

TEST_F(Model, huggingFaceStartSilencesTheMixer) {
  Machine machine;
  ModelConfig config = smallConfig();
  config.initialisation = Initialisation::HuggingFace;
  auto model = make(machine, {1, 1}, config);
  for (const ParameterInfo &info : model->parameters().infos()) {
    const float *begin = model->weights() + info.offset,
                *end = begin + info.count;
    float most = *std::max_element(begin, end);
    if (info.name.ends_with("mixer.output.weight"))
      EXPECT_EQ(most, 0);
    if (info.name.ends_with("mixer.q.weight")) {
      double bound = 0.01 * std::sqrt(6.0 / 64);
      EXPECT_LE(most, bound);
      EXPECT_GT(most, 0.9 * bound);
    }
  }
}

TEST_F(Model, refusesSizesThatDoNotFit) {
  Machine machine;
  ModelConfig config = smallConfig();
  config.heads = 5;
  auto made =
      LanguageModel::create(machine.backend(), config, {*library}, {1, 1});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), StatusCode::User);
  EXPECT_NE(made.status().message().find(
                "hidden_size 32 is not a multiple of num_heads 5"),
            std::string::npos);
}

TEST_F(Model, configurationSurvivesJson) {
  ModelConfig config = smallConfig();
  config.norm = {1e-6f, EpsilonPlace::Mean};
  auto read = ModelConfig::fromJson(config.toJson(), "config.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->toJson(), config.toJson());
  Json broken = config.toJson();
  broken["num_heads"] = 0;
  EXPECT_FALSE(ModelConfig::fromJson(broken, "config.json").ok());
}

} // namespace
