//===- AdamWTest.cpp ------------------------------------------------------===//

#include "runtime/optim/AdamW.h"

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"

#include <cmath>
#include <gtest/gtest.h>
#include <memory>

using namespace decay::runtime;

namespace {
/// One tensor with room for everything the optimiser keeps.
struct Tensor {
  std::vector<float> value, gradient, first, second;

  Tensor(size_t size, uint64_t stream)
      : value(size), gradient(size), first(size), second(size) {
    Philox random(5, stream);
    for (size_t i = 0; i < size; ++i)
      value[i] = static_cast<float>(random.normal(i));
  }
  void drawGradient(uint64_t stream, double scale) {
    Philox random(6, stream);
    for (size_t i = 0; i < gradient.size(); ++i)
      gradient[i] = static_cast<float>(random.normal(i) * scale);
  }
  Parameter parameter(const char *name, bool weightDecay) {
    return {name,
            value.data(),
            gradient.data(),
            first.data(),
            second.data(),
            {},
            static_cast<int64_t>(value.size()),
            weightDecay};
  }
};

/// Kernels with the device that they run on.
struct Machine {
  explicit Machine(int64_t workers) {
    auto created = createDevice("", {.workers = workers});
    EXPECT_TRUE(created.ok()) << created.status().message();
    device = std::move(*created);
    auto made = createNativeKernels(deviceNames().front(), *device);
    EXPECT_TRUE(made.ok());
    kernels = std::move(*made);
  }
  NativeKernels &operator*() const { return *kernels; }
  std::unique_ptr<Device> device;
  std::unique_ptr<NativeKernels> kernels;
};

Machine device(int64_t workers) { return Machine(workers); }

double ulps(float found, double expected) {
  float rounded = static_cast<float>(expected);
  double unit = std::nextafter(std::fabs(rounded), INFINITY) -
                std::fabs(static_cast<double>(rounded));
  return std::fabs(found - expected) / unit;
}
} // namespace

TEST(AdamW, SaysWhichValuesAreYetToCome) {
  auto cpu = device(1);
  Tensor first(100, 1), second(37, 2);
  AdamW optimizer(
      {first.parameter("first", true), second.parameter("second", false)}, {});
  std::vector<const float *> next;
  optimizer.step(*cpu, 1e-3, 1,
                 [&](const float *value) { next.push_back(value); });
  EXPECT_EQ(next, (std::vector<const float *>{second.value.data(), nullptr}));
}

TEST(AdamW, EachStepIsTheFormulaRoundedOnce) {
  auto cpu = device(2);
  Tensor decayed(1000, 1), free(37, 2);
  AdamWOptions options{.beta1 = 0.9, .beta2 = 0.95, .weightDecay = 0.1};
  AdamW optimizer({decayed.parameter("a", true), free.parameter("b", false)},
                  options);
  for (int64_t n = 1; n <= 20; ++n) {
    double rate = 1e-2 / static_cast<double>(n), scale = n % 2 ? 1 : 0.3;
    for (Tensor *tensor : {&decayed, &free})
      tensor->drawGradient(static_cast<uint64_t>(n), n == 7 ? 1e-6 : 1);
    std::vector<Tensor> before = {decayed, free};
    optimizer.step(*cpu, rate, scale);
    for (size_t t = 0; t < 2; ++t) {
      const Tensor &old = before[t];
      const Tensor &now = t == 0 ? decayed : free;
      double weightDecay = t == 0 ? options.weightDecay : 0;
      for (size_t i = 0; i < old.value.size(); ++i) {
        double g = old.gradient[i] * scale;
        double m = 0.9 * old.first[i] + 0.1 * g;
        double v = 0.95 * old.second[i] + 0.05 * g * g;
        double change = m / (1 - std::pow(0.9, n)) /
                        (std::sqrt(v / (1 - std::pow(0.95, n))) + 1e-8);
        double w = old.value[i] - rate * (change + weightDecay * old.value[i]);
        ASSERT_LE(ulps(now.value[i], w), 0.5001) << n << " " << t << " " << i;
        ASSERT_LE(ulps(now.first[i], m), 0.5001);
        ASSERT_LE(ulps(now.second[i], v), 0.5001);
      }
    }
  }
  EXPECT_EQ(optimizer.steps(), 20);
}

TEST(AdamW, SameBitsForAnyNumberOfWorkers) {
  std::vector<std::vector<float>> results;
  for (int64_t workers : {1, 2, 3}) {
    auto cpu = device(workers);
    Tensor large(100000, 1), small(3, 2);
    AdamW optimizer({large.parameter("a", true), small.parameter("b", true)},
                    {});
    for (uint64_t n = 0; n < 3; ++n) {
      large.drawGradient(n, 1);
      small.drawGradient(n, 1);
      optimizer.step(*cpu, 1e-3);
    }
    results.push_back(large.value);
    results.back().insert(results.back().end(), small.value.begin(),
                          small.value.end());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(AdamW, ResumesWithMomentsAndStepCount) {
  auto cpu = device(1);
  Tensor straight(50, 1), resumed(50, 1);
  AdamW whole({straight.parameter("a", true)}, {});
  auto half = std::make_unique<AdamW>(std::vector{resumed.parameter("a", true)},
                                      AdamWOptions{});
  for (uint64_t n = 0; n < 6; ++n) {
    straight.drawGradient(n, 1), resumed.drawGradient(n, 1);
    whole.step(*cpu, 1e-3);
    half->step(*cpu, 1e-3);
    if (n == 2) {
      half = std::make_unique<AdamW>(std::vector{resumed.parameter("a", true)},
                                     AdamWOptions{});
      half->setSteps(3);
    }
  }
  EXPECT_EQ(straight.value, resumed.value);
}

TEST(AdamW, NeighboursOfABlockAreUpdatedAsIfAlone) {
  Machine cpu(2);
  constexpr int64_t sizes[] = {37, 1, 500, 64};
  std::vector<float> together, alone;
  for (bool sharesBlock : {false, true}) {
    Tensor block(1000, 1);
    block.drawGradient(1, 1);
    std::vector<Parameter> parameters;
    int64_t at = 0, index = 0;
    for (int64_t size : sizes) {
      parameters.push_back({"a",
                            block.value.data() + at,
                            block.gradient.data() + at,
                            block.first.data() + at,
                            block.second.data() + at,
                            {},
                            size,
                            /*weightDecay=*/index++ != 2,
                            sharesBlock});
      int64_t next = (at + size + 15) / 16 * 16;
      for (int64_t gap = at + size; gap < next; ++gap)
        block.value[static_cast<size_t>(gap)] =
            block.gradient[static_cast<size_t>(gap)] = 0;
      at = next;
    }
    AdamW optimizer(parameters, {});
    for (int n = 0; n < 3; ++n)
      optimizer.step(*cpu, 1e-2);
    (sharesBlock ? together : alone) = block.value;
  }
  EXPECT_EQ(together, alone);
}

TEST(AdamW, ClearsGradients) {
  auto cpu = device(2);
  Tensor tensor(40000, 1);
  tensor.drawGradient(1, 1);
  Parameter parameter = tensor.parameter("a", true);
  clearGradients(*cpu, {&parameter, 1});
  EXPECT_EQ(tensor.gradient, std::vector<float>(40000, 0.0f));
}
