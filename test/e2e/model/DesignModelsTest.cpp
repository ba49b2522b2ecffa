//===- DesignModelsTest.cpp - Models of all designs ------------*- C++ -*-===//
//
// Each design of the library is compiled and put into a small model: the
// gradient of every parameter against differences, prompt and steps against one
// call, one worker against three.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/nn/GradientCheck.h"

#include "compiler/driver/Compile.h"
#include "runtime/nn/models/LanguageModel.h"

#include <cstring>
#include <filesystem>
#include <set>

using namespace decay::runtime;
using namespace decay::runtime::test;

namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Case {
  std::string design;
  Settings settings;
  std::string name() const {
    std::string text = design;
    for (const auto &[key, value] : settings)
      text += "_" + value;
    return text;
  }
};

/// All designs as they are, and some along each axis.
std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const std::string &design : decay::libraryDesigns())
    if (design != "tpe")
      cases.push_back({design, {}});
  cases.push_back({"simple_decay", {{"granularity", "scalar"}}});
  cases.push_back({"simple_decay", {{"sharing", "on"}}});
  cases.push_back({"simple_decay", {{"position", "rope"}}});
  cases.push_back({"hgrn2", {{"granularity", "scalar"}}});
  cases.push_back({"hgrn2", {{"sharing", "on"}}});
  cases.push_back({"lightnet", {{"position", "lrpe_cosine"}}});
  cases.push_back({"mamba2", {{"granularity", "scalar"}, {"position", "tpe"}}});
  return cases;
}

ModelConfig smallConfig() {
  ModelConfig config;
  config.vocabulary = 40;
  config.width = 32;
  config.layers = 2;
  config.heads = 2;
  config.gluWidth = 32;
  config.gateRank = 8;
  return config;
}

std::vector<int32_t> drawTokens(size_t count, uint64_t stream) {
  Philox random(3, stream);
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>(random.words(i)[0] % 40);
  return tokens;
}

class DesignModels : public ::testing::TestWithParam<Case> {
protected:
  static void SetUpTestSuite() {
    std::string pattern = ::testing::TempDir() + "decay-designs-XXXXXX";
    folder() = mkdtemp(pattern.data());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }
  static std::filesystem::path &folder() {
    static std::filesystem::path path;
    return path;
  }

  static std::unique_ptr<KernelLibrary> compile(const std::string &design,
                                                const Settings &settings) {
    decay::CompileRequest request;
    request.design = design;
    request.settings = settings;
    request.outputDirectory = (folder() / Case{design, settings}.name());
    decay::CompileOutcome outcome = decay::compileDesign(request);
    EXPECT_EQ(outcome.exitCode, 0) << outcome.diagnostics;
    auto loaded = KernelLibrary::load(outcome.packagePath);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return std::make_unique<KernelLibrary>(*loaded);
  }

  void SetUp() override {
    library = compile(GetParam().design, GetParam().settings);
    if (library->manifest().position == Position::Tpe)
      tpe = compile("tpe", {});
  }

  std::unique_ptr<LanguageModel> make(Machine &machine, RunShape shape) {
    auto made = LanguageModel::create(machine.backend(), smallConfig(),
                                      {*library, tpe.get()}, shape);
    EXPECT_TRUE(made.ok()) << made.status().message();
    Status status = (*made)->initialise(42);
    EXPECT_TRUE(status.ok()) << status.message();
    // Away from the published start, where W3 is silent, tnl_l has λ = 1 and
    // some branches are nearly so.
    for (const ParameterInfo &info : (*made)->parameters().infos()) {
      bool learned = info.fill == Fill::Design;
      Values noise = draw(static_cast<size_t>(info.count), 900 + info.offset,
                          learned ? 0.05f : 0.15f, learned ? -0.3f : 0.0f);
      for (int64_t i = 0; i < info.count; ++i)
        (*made)->weights()[info.offset + i] += noise[i];
    }
    return std::move(*made);
  }

  static void forward(LanguageModel &model, const ForwardCall &call) {
    Status status = model.forward(call);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  std::unique_ptr<KernelLibrary> library, tpe;
};

TEST_P(DesignModels, gradientsOfEveryParameter) {
  Machine machine;
  auto model = make(machine, {2, 19, true});
  std::vector<int32_t> tokens = drawTokens(38, 1), targets = drawTokens(38, 2);
  auto value = [&] {
    forward(*model, {tokens.data(), 2, 19, false, {}});
    return model->loss(targets.data(), 0);
  };
  forward(*model, {tokens.data(), 2, 19, false, {}});
  model->loss(targets.data(), 1.0f);
  Status status = model->backward();
  ASSERT_TRUE(status.ok()) << status.message();
  for (const ParameterInfo &info : model->parameters().infos()) {
    float *at = model->weights() + info.offset;
    Values point(at, at + info.count);
    const float *from = model->gradients() + info.offset;
    expectGradient(
        info.name, point, Values(from, from + info.count),
        [&] {
          std::copy(point.begin(), point.end(), at);
          return value();
        },
        2e-2);
    std::copy(point.begin(), point.end(), at);
  }
}

TEST_P(DesignModels, promptAndStepsEqualOneCall) {
  Machine machine;
  auto whole = make(machine, {1, 24});
  auto stepping = make(machine, {1, 24, false, /*states=*/true});
  std::vector<int32_t> tokens = drawTokens(24, 4);
  forward(*whole, {tokens.data(), 1, 24, false, {}});
  stepping->resetStates();
  forward(*stepping, {tokens.data(), 1, 17, true, {}});
  for (int64_t t = 17; t < 24; ++t) {
    forward(*stepping, {tokens.data() + t, 1, 1, true, {}});
    std::span<const float> logits = stepping->logits(0);
    Values got(logits.begin(), logits.end());
    std::span<const float> expected = whole->logits(t);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected[i], 1e-4) << "token " << t << " class " << i;
  }
}

TEST_P(DesignModels, sameBitsForOneAndManyWorkers) {
  std::vector<int32_t> tokens = drawTokens(3 * 70, 1);
  std::vector<Values> results;
  for (int64_t workers : {1, 3}) {
    Machine machine(workers);
    auto model = make(machine, {3, 70, true});
    forward(*model, {tokens.data(), 3, 70, false, {}});
    model->loss(tokens.data(), 1.0f);
    ASSERT_TRUE(model->backward().ok());
    results.emplace_back(model->gradients(),
                         model->gradients() +
                             model->parameters().blockFloats());
  }
  EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(),
                        results[0].size() * sizeof(float)),
            0);
}

TEST_P(DesignModels, lambdaOfEveryLayerLiesInItsRange) {
  Machine machine;
  RunShape shape{1, 20};
  shape.lambda = true;
  auto model = make(machine, shape);
  ASSERT_TRUE(model->canObserve());
  std::vector<int32_t> tokens = drawTokens(20, 1);
  std::set<int64_t> layers;
  ForwardCall call{tokens.data(), 1, 20, false, {}};
  call.observe = [&](int64_t layer, std::span<const float> lambda) {
    layers.insert(layer);
    bool scalar = library->manifest().granularity == Granularity::Scalar;
    EXPECT_EQ(lambda.size(), size_t(20 * (scalar ? 2 : 32)));
    for (float value : lambda)
      EXPECT_TRUE(value >= 0 && value <= 1) << value;
  };
  forward(*model, call);
  EXPECT_EQ(layers.size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Library, DesignModels, ::testing::ValuesIn(allCases()),
                         [](const auto &info) { return info.param.name(); });

} // namespace
