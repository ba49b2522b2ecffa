//===- Sampler.h - From logits to the next token ---------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_EVAL_SAMPLER_H
#define DECAY_RUNTIME_EVAL_SAMPLER_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <span>

namespace decay::runtime {

struct SamplingOptions {
  double temperature = 1; ///< 0: always the most probable token
  int64_t topK = 0;       ///< only the k most probable; 0: all
  double topP =
      1; ///< only the fewest tokens that together have this probability
  uint64_t seed = 42;

  /// A user error for values out of range.
  Status check() const;
};

/// The token for `position`: a function of logits, options and position alone.
/// Tokens from `allowed` on (a padded vocabulary) are never chosen.
int32_t sampleToken(std::span<const float> logits, int64_t allowed,
                    const SamplingOptions &options, int64_t position);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_SAMPLER_H
