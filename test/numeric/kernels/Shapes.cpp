//===- Shapes.cpp - The sizes that kernels are tested with ----------------===//
#include "test/numeric/kernels/Shapes.h"

namespace decay::test {
namespace {

const std::vector<int64_t> lengths{1,  2,  15,  16,   17,  63,
                                   64, 65, 500, 1000, 4097};
const std::vector<int64_t> widths{16, 60, 64, 100, 128};

/// Cuts T tokens into up to five sequences of at least one.
std::vector<int64_t> cut(int64_t T, Random &random) {
  std::vector<int64_t> ends{0, T};
  for (int64_t n = integer(random, 1, 4); n > 0 && T > 1; --n)
    ends.push_back(integer(random, 1, T - 1));
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

CallShape make(int64_t T, int64_t K, int64_t V, bool packed, bool in, bool out,
               Random &random) {
  CallShape shape;
  Sizes &sizes = shape.sizes;
  sizes.T = T;
  sizes.K = K;
  sizes.V = V;
  // Long calls would take the oracle long.
  sizes.B = packed || T > 100 ? 1 : 2;
  sizes.H = T > 500 ? 1 : 2;
  sizes.layers = 4;
  sizes.layer = integer(random, 0, 3);
  sizes.position = integer(random, 0, 1) * 37;
  sizes.seed = random();
  if (packed)
    sizes.cuSeqlens = cut(T, random);
  shape.stateIn = in;
  shape.stateOut = out;
  shape.layout = {integer(random, 0, 1) * 13, integer(random, 0, 1)};
  shape.workers = integer(random, 1, 2);
  return shape;
}

} // namespace

std::vector<CallShape> allShapes() {
  std::vector<CallShape> shapes;
  Random random(11);
  for (int64_t T : lengths)
    for (int64_t K : widths)
      for (int64_t V : widths)
        for (int64_t flags = 0; flags < 8; ++flags)
          shapes.push_back(
              make(T, K, V, flags & 1, flags & 2, flags & 4, random));
  return shapes;
}

std::vector<CallShape> someShapes(int64_t count, int64_t shortest,
                                  int64_t longest, Random &random) {
  std::vector<CallShape> shapes;
  auto pick = [&](const std::vector<int64_t> &from) {
    return from[integer(random, 0, static_cast<int64_t>(from.size()) - 1)];
  };
  while (static_cast<int64_t>(shapes.size()) < count) {
    int64_t T = pick(lengths);
    if (T >= shortest && T <= longest)
      shapes.push_back(make(T, pick(widths), pick(widths), random() & 1,
                            random() & 1, random() & 1, random));
  }
  return shapes;
}

CallShape anyShape(Random &random) {
  // K is even, as rope asks; odd and small widths are those of no library.
  int64_t T = integer(random, 1, 150), K = 2 * integer(random, 1, 24);
  return make(T, K, integer(random, 1, 48), random() & 1, random() & 1,
              random() & 1, random);
}

} // namespace decay::test
