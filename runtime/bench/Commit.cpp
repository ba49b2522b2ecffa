//===- Commit.cpp - Of what, and when, a figure is ------------------------===//

#include "runtime/bench/Commit.h"
// Written anew by every build that finds another commit.
#include "runtime/bench/Commit.inc"

#include <ctime>
#include <fmt/chrono.h>

namespace decay::runtime {

std::string_view builtCommit() { return DECAY_COMMIT; }

std::string today() {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
}

} // namespace decay::runtime
