//===- Shrinker.h - The least design that still fails ----------*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_RANDOM_SHRINKER_H
#define DECAY_TEST_NUMERIC_RANDOM_SHRINKER_H

#include "test/numeric/random/RandomDesign.h"

#include <functional>

namespace decay::test {

/// What is wrong with a design that the checker accepts; nothing if it passes.
using Judge = std::function<std::optional<std::string>(const RandomDesign &)>;

/// Cuts the design down while the judge still finds a fault: leaves out lines
/// and settings, puts an operand or a number in a formula's place.
/// Stops after `judgements` calls.
RandomDesign shrink(RandomDesign design, const Judge &judge,
                    int64_t judgements = 2000);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_RANDOM_SHRINKER_H
