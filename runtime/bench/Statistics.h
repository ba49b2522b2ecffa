//===- Statistics.h - Timing a thing often enough --------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_BENCH_STATISTICS_H
#define DECAY_RUNTIME_BENCH_STATISTICS_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace decay::runtime {

/// Quartiles of the seconds that calls took.
struct Timing {
  double median = 0, lower = 0, upper = 0;
  size_t calls = 0;
};

inline double secondsOf(auto &&call) {
  auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

inline Timing summarize(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  auto at = [&](size_t quarter) {
    return seconds[(seconds.size() - 1) * quarter / 4];
  };
  return {at(2), at(1), at(3), seconds.size()};
}

/// Two calls to warm up, then at least `least` and as many as fit into `budget`
/// seconds, but no more than 1000.
inline Timing timeCalls(auto &&call, size_t least = 9, double budget = 1) {
  for (int warmUp = 0; warmUp < 2; ++warmUp)
    call();
  std::vector<double> seconds;
  double spent = 0;
  while (seconds.size() < least || (spent < budget && seconds.size() < 1000)) {
    seconds.push_back(secondsOf(call));
    spent += seconds.back();
  }
  return summarize(std::move(seconds));
}

} // namespace decay::runtime

#endif // DECAY_RUNTIME_BENCH_STATISTICS_H
