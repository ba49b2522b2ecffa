//===- WeightGather.h - New weights on their way to all ranks --*- C++ -*-===//
#ifndef DECAY_RUNTIME_TRAIN_WEIGHTGATHER_H
#define DECAY_RUNTIME_TRAIN_WEIGHTGATHER_H

#include "runtime/communication/Communicator.h"
#include "runtime/train/Shards.h"

#include <cassert>
#include <functional>
#include <utility>

namespace decay::runtime {

/// After an update every rank has new weights of its own parts alone. Those of
/// a bucket set out as soon as they are updated, and are awaited before the
/// next forward pass reads them: the rest goes on beside it.
class WeightGather {
public:
  /// `arrived` is told each range of the block `weights` that is there.
  WeightGather(Communicator &communicator, const Shards &shards, float *weights,
               std::function<void(const BlockRange &)> arrived)
      : communicator(communicator), shards(shards), weights(weights),
        arrived(std::move(arrived)) {}

  /// Own weights before the float at `offset` of the block are updated. Errors:
  /// the communicator's.
  Status updatedTo(int64_t offset) {
    const auto &buckets = shards.buckets();
    assert(here == 0 && "the last update's are awaited before the next");
    while (begun < buckets.size() &&
           shards.own()[begun].range.end() <= offset) {
      DECAY_RETURN_IF_ERROR(communicator.allGather(
          weights + buckets[begun].begin, buckets[begun].count));
      ++begun;
    }
    return {};
  }

  /// Of those that set out, weights before the float at `offset` are there for
  /// all work that the device is given from now on.
  Status await(int64_t offset) {
    const size_t before = here;
    while (here < begun && shards.buckets()[here].begin < offset)
      ++here;
    if (here == before)
      return {};
    DECAY_RETURN_IF_ERROR(here < begun ? communicator.joinFirst(int64_t(here))
                                       : communicator.join());
    const int64_t from = shards.buckets()[before].begin;
    arrived({from, shards.buckets()[here - 1].end() - from});
    if (here == begun)
      begun = here = 0;
    return {};
  }

private:
  Communicator &communicator;
  const Shards &shards;
  float *weights;
  std::function<void(const BlockRange &)> arrived;
  size_t begun = 0, here = 0; ///< buckets
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_WEIGHTGATHER_H
