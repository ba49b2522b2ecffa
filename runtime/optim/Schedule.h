//===- Schedule.h - Warm-up, stable, decay ---------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_OPTIM_SCHEDULE_H
#define DECAY_RUNTIME_OPTIM_SCHEDULE_H

#include "runtime/core/Status.h"

#include <cstdint>

namespace decay::runtime {

/// The learning rate's factor by step. Three parts:
///
///   warm-up   [0, warmup)              step / warmup, so that step 0 has rate
///   0 stable    until steps - decaySteps 1 decay     [steps - decaySteps,
///   steps)
///             floor + (1 - floor) (1 - sqrt(progress)),
///             progress = (step - (steps - decaySteps)) / decaySteps
///
/// and `floor` from `steps` on.
struct WsdSchedule {
  int64_t steps = 0, warmup = 0, decaySteps = 0;
  double floor = 0.1;

  /// Stable to 90 % of the steps, whatever the warm-up.
  /// User error unless 0 <= warmup <= 0.9 steps.
  static Result<WsdSchedule> create(int64_t steps, int64_t warmup,
                                    double floor = 0.1);

  /// The paper's: 0.9 steps of stable part come after the warm-up, so that the
  /// decay has 0.1 steps - warmup steps. User error when the warm-up takes all
  /// of that.
  static Result<WsdSchedule> published(int64_t steps, int64_t warmup,
                                       double floor = 0.1);

  double factor(int64_t step) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_OPTIM_SCHEDULE_H
