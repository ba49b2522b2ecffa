//===- RandomDesign.h - A design as a tree that can be cut -----*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_RANDOM_RANDOMDESIGN_H
#define DECAY_TEST_NUMERIC_RANDOM_RANDOMDESIGN_H

#include "dsl/check/Check.h"

#include <optional>
#include <string>
#include <vector>

namespace decay::test {

/// A number or name (no operands), an infix operator (+ - * /) or a function.
struct Formula {
  std::string head;
  std::vector<Formula> operands;

  std::string str() const;
};

/// One line of a `.decay` file: `head` formula `tail`, as in
/// "learn a[head] = " uniform(0, 1) "" or "carry z = cumsum(" f ") from 0".
struct DesignLine {
  std::string head;
  std::optional<Formula> formula;
  std::string tail;
};

struct RandomDesign {
  std::vector<DesignLine> lines;
  dsl::SettingChoices settings;
  /// Where it came from: the generator's seed.
  uint64_t seed = 0;

  /// The `.decay` file.
  std::string text() const;
  /// The file with the settings as a comment above it, to be kept as a test.
  std::string str() const;
};

/// The checked design, or nothing where the checker refuses it.
std::optional<dsl::CheckedDesign> check(const RandomDesign &design,
                                        std::string *problem = nullptr);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_RANDOM_RANDOMDESIGN_H
