//===- Reduction.h - Sums of gradients beside the backward pass -*- C++ -*-===//
#ifndef DECAY_RUNTIME_TRAIN_REDUCTION_H
#define DECAY_RUNTIME_TRAIN_REDUCTION_H

#include "runtime/communication/Communicator.h"
#include "runtime/train/Shards.h"

namespace decay::runtime {

/// One pass's sums of a block of gradients over all ranks: begun bucket by
/// bucket, from the end of the block, as soon as a bucket is final.
class Reduction {
public:
  Reduction(Communicator &communicator, const Shards &shards, float *block)
      : communicator(communicator), shards(shards), block(block),
        left(shards.buckets().size()) {}

  /// From the float at `offset` on all gradients are final. Errors: the
  /// communicator's.
  Status finalFrom(int64_t offset) {
    while (left > 0 && shards.buckets()[left - 1].begin >= offset) {
      const BlockRange &bucket = shards.buckets()[--left];
      DECAY_RETURN_IF_ERROR(
          communicator.reduceScatter(block + bucket.begin, bucket.count));
    }
    return left > 0 ? Status() : communicator.join();
  }

private:
  Communicator &communicator;
  const Shards &shards;
  float *block;
  size_t left;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_REDUCTION_H
