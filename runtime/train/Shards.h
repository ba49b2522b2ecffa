//===- Shards.h - Which rank keeps which part of a block -------*- C++ -*-===//
//
// A block of a model's numbers is cut into buckets, which become final one
// after the other in a backward pass and are summed while the pass goes on.
// Each rank keeps an equal part of every bucket: it updates those weights, and
// has the optimiser's state of those alone, packed one part behind the other.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_SHARDS_H
#define DECAY_RUNTIME_TRAIN_SHARDS_H

#include <cstdint>
#include <vector>

namespace decay::runtime {

/// Some floats of a block.
struct BlockRange {
  int64_t begin = 0, count = 0;
  int64_t end() const { return begin + count; }
};

class Shards {
public:
  /// Of a block of `floats`, a multiple of multiple(ranks). Buckets have about
  /// `bucketFloats`; one rank alone has one bucket.
  Shards(int64_t floats, int64_t ranks, int64_t rank,
         int64_t bucketFloats = int64_t{8} << 20);

  /// What a block's size must be a multiple of: equal parts of whole cache
  /// lines.
  static int64_t multiple(int64_t ranks) { return 16 * ranks; }

  const std::vector<BlockRange> &buckets() const { return all; }

  /// This rank's part of a bucket.
  struct Part {
    BlockRange range;
    int64_t place = 0; ///< of its first float among this rank's own
  };
  const std::vector<Part> &own() const { return parts; }
  int64_t ownFloats() const { return packed; }

private:
  std::vector<BlockRange> all;
  std::vector<Part> parts;
  int64_t packed = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_SHARDS_H
