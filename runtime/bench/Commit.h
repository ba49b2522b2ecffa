//===- Commit.h - What this program was built from -------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_COMMIT_H
#define DECAY_RUNTIME_BENCH_COMMIT_H

#include <string_view>

namespace decay::runtime {

/// The first 12 digits of the commit, with a + where files that git knows
/// differed from it; "unknown" where git was not there.
std::string_view builtCommit();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_COMMIT_H
