//===- Compare.h - A float32 result against the oracle ---------*- C++ -*-===//
#ifndef DECAY_COMPILER_INTERPRETER_COMPARE_H
#define DECAY_COMPILER_INTERPRETER_COMPARE_H

#include "compiler/interpreter/Field.h"

#include <span>
#include <string>

namespace decay {

/// c of the acceptance |kernel - oracle| <= c u bound + tiny. Published; never
/// raised for a test's sake.
inline constexpr double acceptanceFactor = 4;
inline constexpr double unitRoundoff = 0x1p-24;
inline constexpr double tinyDifference = 1e-30;

struct Comparison {
  /// The largest (|kernel - oracle| - tiny) / (u bound); infinite for a NaN.
  double worstRatio = 0;
  int64_t worstIndex = -1;
  double worstGot = 0, worstWanted = 0;
  /// RMS(kernel - oracle) / RMS(oracle), over the elements with a finite bound;
  /// of each difference, what exceeds tiny counts.
  double rmsRatio = 0;
  /// Elements whose bound is infinite: float32 itself overflows there.
  int64_t unbounded = 0;

  bool accepted() const { return worstRatio <= acceptanceFactor; }
  /// One line for people.
  std::string str() const;
};

/// `got` has the oracle's layout. The oracle must have bounds.
Comparison compareWithOracle(const Field &oracle, std::span<const float> got);

} // namespace decay

#endif // DECAY_COMPILER_INTERPRETER_COMPARE_H
