//===- Schedule.cpp - Warm-up, stable, decay ------------------------------===//

#include "runtime/optim/Schedule.h"

#include <cassert>
#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
int64_t tenth(int64_t steps) { return (steps + 5) / 10; }
} // namespace

Result<WsdSchedule> WsdSchedule::create(int64_t steps, int64_t warmup,
                                        double floor) {
  if (steps < 1 || warmup < 0 || warmup > steps - tenth(steps))
    return Status::user(
        fmt::format("a schedule of {} steps decays over the last {}: expected "
                    "a warm-up of 0 to {} steps, found {}",
                    steps, tenth(steps), steps - tenth(steps), warmup));
  return WsdSchedule{steps, warmup, tenth(steps), floor};
}

Result<WsdSchedule> WsdSchedule::published(int64_t steps, int64_t warmup,
                                           double floor) {
  if (steps < 1 || warmup < 0 || warmup >= tenth(steps))
    return Status::user(
        fmt::format("the published schedule of {} steps is stable for 90 % of "
                    "them: expected a warm-up under {} steps, found {}",
                    steps, tenth(steps), warmup));
  return WsdSchedule{steps, warmup, tenth(steps) - warmup, floor};
}

double WsdSchedule::factor(int64_t step) const {
  assert(step >= 0 && steps > 0);
  if (step < warmup)
    return static_cast<double>(step) / static_cast<double>(warmup);
  int64_t into = step - (steps - decaySteps);
  if (into < 0)
    return 1;
  if (into >= decaySteps)
    return floor;
  double progress = static_cast<double>(into) / static_cast<double>(decaySteps);
  return floor + (1 - floor) * (1 - std::sqrt(progress));
}

} // namespace decay::runtime
