//===- Shards.cpp - Which rank keeps which part of a block ----------------===//

#include "runtime/train/Shards.h"

#include <algorithm>
#include <cassert>

namespace decay::runtime {

Shards::Shards(int64_t floats, int64_t ranks, int64_t rank,
               int64_t bucketFloats) {
  const int64_t step = multiple(ranks);
  assert(floats % step == 0 && rank >= 0 && rank < ranks);
  int64_t size = std::max(step, bucketFloats / step * step);
  if (ranks == 1)
    size = floats;
  for (int64_t begin = 0; begin < floats; begin += size) {
    BlockRange bucket{begin, std::min(size, floats - begin)};
    const int64_t count = bucket.count / ranks;
    parts.push_back({{begin + rank * count, count}, packed});
    packed += count;
    all.push_back(bucket);
  }
}

} // namespace decay::runtime
