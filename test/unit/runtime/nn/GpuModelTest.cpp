//===- GpuModelTest.cpp - The model on memory that is not the host's ------===//
//
// A device whose memory the host must not touch and whose activations are fp32
// or bf16, with the GPU's own native kernels run on the host, against the
// default device.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/nn/GradientCheck.h"

#include "runtime/device/HostArray.h"
#include "runtime/kernels/native/cuda/CudaKernels.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/optim/Clipping.h"
#include "test/support/gpu/HostLauncher.h"

#include <cstring>

using namespace decay::runtime;
using namespace decay::runtime::test;
using decay::runtime::Numbers;

namespace {

/// The default device in a GPU's clothes.
class FarDevice final : public Device {
public:
  FarDevice(std::unique_ptr<Device> host, NumberType type)
      : host(std::move(host)), type(type) {}

  std::string describe() const override { return "far"; }
  int64_t workers() const override { return host->workers(); }
  std::string_view target() const override { return host->target(); }
  NumberType activationType() const override { return type; }
  ChunkLimits chunkLimits() const override { return {int64_t{1} << 12, 16}; }
  bool isHostMemory() const override { return false; }
  void *allocate(size_t bytes) override { return host->allocate(bytes); }
  void release(void *memory) override { host->release(memory); }
  void parallelFor(int64_t count,
                   const std::function<void(int64_t, int64_t)> &task) override {
    host->parallelFor(count, task);
  }
  void multiply(const MatrixProduct &p) override {
    MatrixProduct product = p;
    int64_t rowsA = p.transposeA ? p.K : p.M, rowsB = p.transposeB ? p.N : p.K;
    std::vector<float> a = read(p.a, rowsA, p.transposeA ? p.M : p.K, p.lda);
    std::vector<float> b = read(p.b, rowsB, p.transposeB ? p.K : p.N, p.ldb);
    std::vector<float> c =
        read(p.source ? p.source : ConstNumbers(p.c), p.M, p.N, p.ldc);
    product.a = a.data(), product.lda = p.transposeA ? p.M : p.K;
    product.b = b.data(), product.ldb = p.transposeB ? p.K : p.N;
    product.c = c.data(), product.ldc = p.N, product.source = {};
    host->multiply(product);
    for (int64_t i = 0; i < p.M * p.N; ++i) {
      int64_t at = i / p.N * p.ldc + i % p.N;
      float value = c[static_cast<size_t>(i)];
      if (p.c.type() == NumberType::F32)
        p.c.floats()[at] = value;
      else
        static_cast<gpu::Bf16 *>(p.c.data())[at] = gpu::Bf16(value);
    }
  }
  void *stream() override { return host->stream(); }

private:
  static std::vector<float> read(ConstNumbers from, int64_t rows,
                                 int64_t columns, int64_t stride) {
    std::vector<float> values;
    for (int64_t i = 0; i < rows * columns; ++i) {
      int64_t at = i / columns * stride + i % columns;
      values.push_back(from.type() == NumberType::F32
                           ? from.floats()[at]
                           : static_cast<const gpu::Bf16 *>(from.data())[at]);
    }
    return values;
  }

  std::unique_ptr<Device> host;
  NumberType type;
};

struct Trained {
  std::vector<double> losses, norms;
  Values gradients, weights, logits;
};

struct Said {
  Values logits, lambda;
};

class GpuModel : public ::testing::TestWithParam<NumberType> {
protected:
  void SetUp() override {
    auto loaded = KernelLibrary::load(DECAY_TEST_PACKAGE);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    library = std::make_unique<KernelLibrary>(*loaded);
    config.vocabulary = 50;
    config.width = 32, config.layers = 2, config.heads = 4;
    config.gluWidth = 48, config.gateRank = 8;
  }

  /// A few updates from the same start on the same tokens.
  Trained train(Device &device, NativeKernels &kernels,
                bool recompute = false) {
    Backend backend{device, kernels};
    RunShape shape{2, 9, true};
    shape.recompute = recompute;
    auto made = LanguageModel::create(backend, config, {*library}, shape);
    EXPECT_TRUE(made.ok()) << made.status().message();
    LanguageModel &model = **made;
    EXPECT_TRUE(model.initialise(42).ok());
    const int64_t floats = model.parameters().blockFloats();
    stir(device, model);

    Arena moments;
    Arena::Region first = moments.planFloats("m", "m", floats);
    Arena::Region second = moments.planFloats("m", "v", floats);
    EXPECT_TRUE(moments.allocate(device).ok());
    std::vector<Parameter> list;
    for (const ParameterInfo &info : model.parameters().infos())
      list.push_back(
          {info.name, model.weights() + info.offset,
           model.gradients() + info.offset, moments.floats(first) + info.offset,
           moments.floats(second) + info.offset,
           model.weightCopy() ? model.weightCopy() + info.offset : Numbers{},
           info.count, info.weightDecay, /*sharesBlock=*/true});
    AdamW optimizer(std::move(list), {});

    Trained result;
    std::vector<int32_t> tokens(18), targets(18);
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<int32_t>(i * i % 50);
      targets[i] = i == 5 ? -1 : static_cast<int32_t>((i * 7 + 3) % 50);
    }
    for (int step = 0; step < 4; ++step) {
      model.beginGradients();
      EXPECT_TRUE(model.forward({tokens.data(), 2, 9, false, {}}).ok());
      result.losses.push_back(model.loss(targets.data(), 1.0f / 18));
      EXPECT_EQ(model.tokenLosses()[5], 0);
      EXPECT_TRUE(model.backward().ok());
      EXPECT_TRUE(model.readFaults().ok());
      result.norms.push_back(gradientNorm(kernels, optimizer.parameters()));
      if (step == 0)
        result.gradients = read(device, model.gradients(), floats);
      optimizer.step(kernels, 1e-3, clippingFactor(result.norms.back(), 1));
    }
    std::span<const float> logits = model.logits(3);
    result.logits.assign(logits.begin(), logits.end());
    result.weights = read(device, model.weights(), floats);
    infos = model.parameters().infos();
    return result;
  }

  /// Logits after some tokens at once and each of some more, and λ.
  Said say(Device &device, NativeKernels &kernels) {
    Backend backend{device, kernels};
    RunShape shape{1, 9};
    shape.states = shape.lambda = true;
    auto made = LanguageModel::create(backend, config, {*library}, shape);
    EXPECT_TRUE(made.ok()) << made.status().message();
    LanguageModel &model = **made;
    EXPECT_TRUE(model.initialise(42).ok());
    stir(device, model);
    const int32_t tokens[] = {3, 14, 15, 9, 26, 5, 35, 8, 9};
    Said said;
    auto call = [&](int64_t first, int64_t count) {
      EXPECT_TRUE(model.forward({tokens + first, 1, count, true, {}}).ok());
      EXPECT_TRUE(model.readFaults().ok());
      std::span<const float> logits = model.logits(count - 1);
      said.logits.insert(said.logits.end(), logits.begin(), logits.end());
    };
    call(0, 4);
    for (int64_t t = 4; t < 9; ++t)
      call(t, 1);
    EXPECT_TRUE(model.canObserve());
    ForwardCall look{tokens, 1, 9, false, {}};
    look.observe = [&](int64_t, std::span<const float> lambda) {
      said.lambda.insert(said.lambda.end(), lambda.begin(), lambda.end());
    };
    EXPECT_TRUE(model.forward(look).ok());
    return said;
  }

  static Values read(Device &device, float *there, int64_t count) {
    HostArray array(device, there, count);
    EXPECT_TRUE(array.read().ok());
    return Values(array.data(), array.data() + count);
  }
  /// W3 starts at zero and the rest small: make every branch speak.
  static void stir(Device &device, LanguageModel &model) {
    HostArray weights(device, model.weights(),
                      model.parameters().blockFloats());
    EXPECT_TRUE(weights.read().ok());
    for (const ParameterInfo &info : model.parameters().infos()) {
      bool learned = info.fill == Fill::Design;
      Values noise = draw(static_cast<size_t>(info.count), 900 + info.offset,
                          learned ? 0.0f : 0.1f, learned ? 0.4f : 0.0f);
      for (int64_t i = 0; i < info.count; ++i)
        weights.data()[info.offset + i] += noise[i];
    }
    EXPECT_TRUE(weights.write().ok());
    model.refreshWeights();
  }

  /// |a - b| / |a|
  static double distance(const Values &a, const Values &b) {
    double difference = 0;
    for (size_t i = 0; i < a.size(); ++i)
      difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    return std::sqrt(difference / dot(a, a));
  }

  std::unique_ptr<KernelLibrary> library;
  ModelConfig config;
  std::vector<ParameterInfo> infos;
};

} // namespace

TEST_P(GpuModel, TrainsAsOnTheDefaultDevice) {
  bool rounded = GetParam() == NumberType::BF16;
  Machine machine;
  Trained expected = train(*machine.device, *machine.kernels);
  FarDevice far(std::move(*createDevice("")), GetParam());
  auto kernels =
      CudaKernels::create(far, std::make_unique<gpu::HostLauncher>());
  ASSERT_TRUE(kernels.ok());
  Trained found = train(far, **kernels);
  for (size_t step = 0; step < expected.losses.size(); ++step) {
    EXPECT_NEAR(found.losses[step] / expected.losses[step], 1,
                rounded ? 3e-3 : 1e-5)
        << step;
    EXPECT_NEAR(found.norms[step] / expected.norms[step], 1,
                rounded ? 3e-2 : 1e-4)
        << step;
  }
  EXPECT_LT(expected.losses.back(), expected.losses.front());
  for (const ParameterInfo &info : infos) {
    auto part = [&](const Values &all) {
      return Values(all.begin() + info.offset,
                    all.begin() + info.offset + info.count);
    };
    EXPECT_LT(distance(part(expected.gradients), part(found.gradients)),
              rounded ? 3e-2 : 2e-5)
        << info.name;
  }
  EXPECT_LT(distance(expected.weights, found.weights), rounded ? 3e-2 : 1e-3);
  EXPECT_LT(distance(expected.logits, found.logits), rounded ? 3e-2 : 1e-3);
}

TEST_P(GpuModel, SameBitsTwice) {
  std::vector<Trained> runs;
  for (int run = 0; run < 2; ++run) {
    FarDevice far(std::move(*createDevice("")), GetParam());
    auto kernels =
        CudaKernels::create(far, std::make_unique<gpu::HostLauncher>());
    ASSERT_TRUE(kernels.ok());
    runs.push_back(train(far, **kernels));
  }
  EXPECT_EQ(runs[0].losses, runs[1].losses);
  EXPECT_EQ(runs[0].norms, runs[1].norms);
  EXPECT_EQ(runs[0].weights, runs[1].weights);
}

TEST_P(GpuModel, StepsAndShowsLambdaAsOnTheDefaultDevice) {
  bool rounded = GetParam() == NumberType::BF16;
  Machine machine;
  Said expected = say(*machine.device, *machine.kernels);
  FarDevice far(std::move(*createDevice("")), GetParam());
  auto kernels =
      CudaKernels::create(far, std::make_unique<gpu::HostLauncher>());
  ASSERT_TRUE(kernels.ok());
  Said found = say(far, **kernels);
  EXPECT_LT(distance(expected.logits, found.logits), rounded ? 2e-2 : 1e-5);
  EXPECT_LT(distance(expected.lambda, found.lambda), rounded ? 2e-2 : 1e-5);
}

TEST_P(GpuModel, LayersMadeAgainHaveTheSameBits) {
  std::vector<Trained> runs;
  for (bool recompute : {false, true}) {
    FarDevice far(std::move(*createDevice("")), GetParam());
    auto kernels =
        CudaKernels::create(far, std::make_unique<gpu::HostLauncher>());
    ASSERT_TRUE(kernels.ok());
    runs.push_back(train(far, **kernels, recompute));
  }
  EXPECT_EQ(runs[0].losses, runs[1].losses);
  EXPECT_EQ(runs[0].norms, runs[1].norms);
  EXPECT_EQ(runs[0].weights, runs[1].weights);
}

INSTANTIATE_TEST_SUITE_P(Types, GpuModel,
                         ::testing::Values(NumberType::F32, NumberType::BF16),
                         [](const auto &info) {
                           return info.param == NumberType::F32 ? "F32"
                                                                : "BF16";
                         });
