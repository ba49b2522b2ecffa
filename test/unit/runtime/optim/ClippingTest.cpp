//===- ClippingTest.cpp ---------------------------------------------------===//

#include "runtime/optim/Clipping.h"

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
struct Gradients {
  std::vector<float> a, b;
  std::vector<Parameter> parameters;

  Gradients() : a(70001), b(9) {
    Philox random(3, 0);
    for (size_t i = 0; i < a.size(); ++i)
      a[i] = static_cast<float>(random.normal(i));
    for (size_t i = 0; i < b.size(); ++i)
      b[i] = static_cast<float>(random.normal(i + a.size()) * 1e3);
    parameters.resize(2);
    parameters[0] = {.name = "a",
                     .gradient = a.data(),
                     .size = static_cast<int64_t>(a.size())};
    parameters[1] = {.name = "b",
                     .gradient = b.data(),
                     .size = static_cast<int64_t>(b.size())};
  }
};

double norm(const Gradients &gradients, int64_t workers) {
  auto device = createDevice("", {.workers = workers});
  EXPECT_TRUE(device.ok());
  auto kernels = createNativeKernels(deviceNames().front(), **device);
  EXPECT_TRUE(kernels.ok());
  return gradientNorm(**kernels, gradients.parameters);
}
} // namespace

TEST(Clipping, NormIsTheFormulasForAnyNumberOfWorkers) {
  Gradients gradients;
  long double sum = 0;
  for (const std::vector<float> *part : {&gradients.a, &gradients.b})
    for (float g : *part)
      sum += static_cast<long double>(g) * g;
  double expected = static_cast<double>(std::sqrt(sum));
  double one = norm(gradients, 1);
  EXPECT_NEAR(one / expected, 1, 1e-14);
  EXPECT_EQ(one, norm(gradients, 2));
  EXPECT_EQ(one, norm(gradients, 5));
}

TEST(Clipping, FiniteExactlyWhenEveryGradientIs) {
  auto cpu = createDevice("");
  ASSERT_TRUE(cpu.ok());
  Gradients gradients;
  gradients.a[12345] = 3e38f;
  gradients.a[12346] = -3e38f;
  EXPECT_TRUE(std::isfinite(norm(gradients, 2)));
  EXPECT_EQ(firstNonFinite(**cpu, gradients.parameters), "");
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    gradients.b[8] = bad;
    EXPECT_FALSE(std::isfinite(norm(gradients, 2)));
  }
  EXPECT_EQ(firstNonFinite(**cpu, gradients.parameters), "b[8] = -inf");
}

TEST(Clipping, FactorOnlyShrinks) {
  EXPECT_EQ(clippingFactor(0.5, 1), 1);
  EXPECT_EQ(clippingFactor(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clippingFactor(0, 1), 1);
  EXPECT_EQ(clippingFactor(100, 0), 1);
}
