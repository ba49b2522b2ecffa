//===- RandomSeries.h - A judge over many random designs -------*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_RANDOM_RANDOMSERIES_H
#define DECAY_TEST_NUMERIC_RANDOM_RANDOMSERIES_H

#include "test/numeric/random/Shrinker.h"

namespace decay::test {

/// Designs number `first` and following of a fixed list, one in ten of the
/// fresh seed.
struct RandomSeries {
  std::string program; ///< for the lines that it prints
  int64_t count, first;
  uint64_t fresh;
  int64_t refused = 0; ///< by the checker, on the way to these

  /// "[count] [first] [seed]" of a command line.
  RandomSeries(std::string program, int argumentCount, char **arguments,
               int64_t usualCount);
  /// Prints the least failing form of each design that fails, found within so
  /// many judgements; returns how many fail.
  int64_t run(const Judge &judge, int64_t judgements = 60);
};

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_RANDOM_RANDOMSERIES_H
