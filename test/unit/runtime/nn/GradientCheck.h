//===- GradientCheck.h - Gradients against differences ---------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_RUNTIME_NN_GRADIENTCHECK_H
#define DECAY_TEST_UNIT_RUNTIME_NN_GRADIENTCHECK_H

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"
#include "runtime/nn/layers/Backend.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace decay::runtime::test {

using Values = std::vector<float>;

/// Normal numbers times `scale`, the same for the same stream.
inline Values draw(size_t count, uint64_t stream, float scale = 1,
                   float mean = 0) {
  Philox random(7, stream);
  Values values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = mean + scale * static_cast<float>(random.normal(i));
  return values;
}

inline double dot(const Values &a, const Values &b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += double(a[i]) * b[i];
  return sum;
}

/// Checks a gradient along random directions: for each one, `gradient` ·
/// direction must be the central difference of `function` at `point`, which is
/// fp32 and so leaves about 1e-3.
inline void expectGradient(const std::string &what, Values &point,
                           const Values &gradient,
                           const std::function<double()> &function,
                           double tolerance = 4e-3) {
  ASSERT_EQ(point.size(), gradient.size()) << what;
  double norm = std::sqrt(dot(gradient, gradient));
  ASSERT_GT(norm, 0) << what << ": a gradient of zeros proves nothing";
  const Values origin = point;
  const float step = 2e-3f;
  for (uint64_t trial = 0; trial < 4; ++trial) {
    // Half random, half along the gradient, so that the derivative is never
    // tiny.
    Values direction = draw(point.size(), 1000 + trial);
    double length = std::sqrt(dot(direction, direction));
    for (size_t i = 0; i < direction.size(); ++i)
      direction[i] =
          static_cast<float>(direction[i] / length + gradient[i] / norm);
    auto shifted = [&](float by) {
      for (size_t i = 0; i < point.size(); ++i)
        point[i] = origin[i] + by * direction[i];
      double value = function();
      point = origin;
      return value;
    };
    auto central = [&](float by) {
      return (shifted(by) - shifted(-by)) / (2.0 * by);
    };
    // Extrapolated to step 0, since norms of small rows curve strongly.
    double difference = (4 * central(step / 2) - central(step)) / 3;
    double expected = dot(gradient, direction);
    EXPECT_NEAR(difference, expected, tolerance * (norm + std::abs(expected)))
        << what << ", direction " << trial;
  }
}

/// A device with so many workers, and its kernels.
struct Machine {
  explicit Machine(int64_t workers = 2) {
    auto made = createDevice("", DeviceOptions{workers});
    EXPECT_TRUE(made.ok()) << made.status().message();
    device = std::move(*made);
    auto rows = createNativeKernels(deviceNames().front(), *device);
    EXPECT_TRUE(rows.ok());
    kernels = std::move(*rows);
  }
  Backend backend() { return {*device, *kernels}; }
  std::unique_ptr<Device> device;
  std::unique_ptr<NativeKernels> kernels;
};

} // namespace decay::runtime::test

#endif // DECAY_TEST_UNIT_RUNTIME_NN_GRADIENTCHECK_H
