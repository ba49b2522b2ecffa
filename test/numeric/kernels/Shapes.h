//===- Shapes.h - The sizes that kernels are tested with -------*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_KERNELS_SHAPES_H
#define DECAY_TEST_NUMERIC_KERNELS_SHAPES_H

#include "test/numeric/kernels/KernelOracle.h"

namespace decay::test {

/// Every T, K, V, packed or not, state in or not, state out or not.
std::vector<CallShape> allShapes();

/// `count` of them by lot, of `shortest` to `longest` tokens; over many draws
/// each value of each axis comes up.
std::vector<CallShape> someShapes(int64_t count, int64_t shortest,
                                  int64_t longest, Random &random);

/// One by lot with sizes from wider sets, as random designs are given.
CallShape anyShape(Random &random);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_KERNELS_SHAPES_H
