//===- SpikeGuard.h - Updates that are far from those before ---*- C++ -*-===//
#ifndef DECAY_RUNTIME_TRAIN_SPIKEGUARD_H
#define DECAY_RUNTIME_TRAIN_SPIKEGUARD_H

#include "runtime/core/Json.h"

#include <string>
#include <vector>

namespace decay::runtime {

/// Calls an update a spike when its gradient norm or its loss is more than
/// `factor` times the median of the last `window` updates that were made. It
/// judges nothing before half a window of updates.
class SpikeGuard {
public:
  /// A factor of 0 never finds one.
  SpikeGuard(double factor, int64_t window) : factor(factor), window(window) {}

  /// "gradient norm 8.1 is 5.2 times the median of the last 100 updates", or ""
  /// for an update that may be made.
  std::string judge(double loss, double gradientNorm) const;
  /// The update was made.
  void remember(double loss, double gradientNorm);

  /// What a run that goes on needs: the same judgements follow.
  Json state() const;
  /// User error for what `state` never made, with the file's name.
  Status restore(const Json &state, const std::string &file);

private:
  std::string judgeOne(const char *what, double value,
                       const std::vector<double> &before) const;

  double factor;
  int64_t window;
  std::vector<double> losses, norms; ///< oldest first
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_SPIKEGUARD_H
