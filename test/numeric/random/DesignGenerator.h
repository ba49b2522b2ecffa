//===- DesignGenerator.h - Designs over the whole grammar ------*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_RANDOM_DESIGNGENERATOR_H
#define DECAY_TEST_NUMERIC_RANDOM_DESIGNGENERATOR_H

#include "test/numeric/random/RandomDesign.h"

namespace decay::test {

/// The design of a seed: projections of every form, learned parameters of every
/// shape with every initialiser, settings of its own, carries, definitions, λ
/// or log λ by one of many forms, k, q and v, and a choice of the common
/// settings. Most are right; the checker refuses the others.
RandomDesign generateDesign(uint64_t seed);

/// The first design that the checker accepts among the seeds that `seed` leads
/// to; `refused` counts the others.
RandomDesign generateAcceptedDesign(uint64_t seed, int64_t &refused);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_RANDOM_DESIGNGENERATOR_H
