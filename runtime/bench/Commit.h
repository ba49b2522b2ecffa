//===- Commit.h - Of what, and when, a figure is ---------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_COMMIT_H
#define DECAY_RUNTIME_BENCH_COMMIT_H

#include <string>
#include <string_view>

namespace decay::runtime {

/// The first 12 digits of the commit, with a + where files that git knows
/// differed from it; "unknown" where git was not there.
std::string_view builtCommit();

/// "2026-01-31", the day of a measurement in UTC.
std::string today();

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_COMMIT_H
