//===- Gradcheck.h - Derived gradients against differences -----*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_SUPPORT_GRADCHECK_H
#define DECAY_TEST_NUMERIC_SUPPORT_GRADCHECK_H

#include "test/numeric/support/Inputs.h"

namespace decay::test {

/// The relative error that a gradient may have, and the absolute error that it
/// may always have.
inline constexpr double gradcheckTolerance = 1e-6;
inline constexpr double gradcheckFloor = 1e-8;

struct GradcheckReport {
  /// max over all elements of max(0, |derived - measured| - floor) /
  /// |measured|.
  double worstError = 0;
  std::string worstName; ///< "delta[3]"
  double derived = 0, measured = 0;
  int64_t elements = 0;
  /// Results of @forward or @backward that are no finite numbers.
  int64_t notFinite = 0;

  bool passed() const {
    return notFinite == 0 && worstError <= gradcheckTolerance;
  }
  std::string str() const;
};

/// Checks each element of each argument of @forward. The loss is the sum of all
/// results with the weights `d_<result>` of `inputs`. Differences are central,
/// extrapolated (Richardson), with the step whose own error estimate is least.
GradcheckReport gradcheck(mlir::ModuleOp module, const Sizes &sizes,
                          const NamedFields &inputs);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_SUPPORT_GRADCHECK_H
