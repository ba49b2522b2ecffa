//===- Commit.cpp - What this program was built from ----------------------===//

#include "runtime/bench/Commit.h"
// Written anew by every build that finds another commit.
#include "runtime/bench/Commit.inc"

namespace decay::runtime {

std::string_view builtCommit() { return DECAY_COMMIT; }

} // namespace decay::runtime
