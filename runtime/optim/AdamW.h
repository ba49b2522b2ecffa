//===- AdamW.h - Adam with decoupled weight decay --------------*- C++ -*-===//
//
// Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019,
// with bias correction. For step n = 1, 2, ... and gradient g:
//
//   m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
//   w <- w - rate (m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon)
//                  + weightDecay w)
//
// Computed in float64 from fp32 numbers and rounded once, so that each stored
// number is the formula's to the last bit but one.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_OPTIM_ADAMW_H
#define DECAY_RUNTIME_OPTIM_ADAMW_H

#include "runtime/core/Status.h"
#include "runtime/kernels/native/NativeKernels.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace decay::runtime {

/// One tensor that is trained. All arrays have `size` elements, lie in the
/// device's memory and belong to the caller.
struct Parameter {
  std::string name;
  float *value = nullptr;
  float *gradient = nullptr;
  float *firstMoment = nullptr;
  float *secondMoment = nullptr;
  Numbers copy = {}; ///< of the value, for matrix products; null: none
  int64_t size = 0;
  bool weightDecay = true;
  /// With the parameter before, all arrays alike: numbers between them are
  /// unused zeros, and one update may take both.
  bool sharesBlock = false;
  int64_t first = 0; ///< place of value[0], where this is a part of a tensor
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95;
  double epsilon = 1e-8;
  double weightDecay = 0.1;
};

class AdamW {
public:
  AdamW(std::vector<Parameter> parameters, AdamWOptions options);

  /// One update with gradients multiplied by `gradientScale` (clipping,
  /// averages). The same bits for any number of workers. `begun` is told, each
  /// time that some are on their way, the first value that is not; null: none.
  void step(NativeKernels &kernels, double rate, double gradientScale = 1,
            const std::function<void(const float *next)> &begun = {});

  std::span<const Parameter> parameters() const { return all; }

  /// Updates made so far: part of the state, with the moments.
  int64_t steps() const { return stepCount; }
  void setSteps(int64_t steps) { stepCount = steps; }

private:
  std::vector<Parameter> all;
  std::vector<Parameter> runs; ///< neighbours that are updated alike
  AdamWOptions options;
  int64_t stepCount = 0;
};

/// Sets every gradient to zero.
void clearGradients(NativeKernels &kernels,
                    std::span<const Parameter> parameters);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_OPTIM_ADAMW_H
