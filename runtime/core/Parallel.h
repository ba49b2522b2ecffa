//===- Parallel.h - The same for many things, on several threads -*- C++-*-===//
#ifndef DECAY_RUNTIME_CORE_PARALLEL_H
#define DECAY_RUNTIME_CORE_PARALLEL_H

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace decay::runtime {

/// How many threads to use where 0 means one for each core.
inline size_t threadCount(size_t wanted = 0) {
  return wanted ? wanted
                : std::max<size_t>(std::thread::hardware_concurrency(), 1);
}

/// Calls task(index, thread) for each index in [0, count), on threads of their
/// own, in any order; thread is below `threads`. Returns when all are done.
template <typename Task>
void inParallel(size_t count, size_t threads, const Task &task) {
  std::atomic<size_t> taken = 0;
  auto work = [&](size_t thread) {
    for (size_t index; (index = taken++) < count;)
      task(index, thread);
  };
  std::vector<std::jthread> helpers;
  for (size_t thread = 1; thread < std::min(count, threads); ++thread)
    helpers.emplace_back(work, thread);
  work(0);
}

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_PARALLEL_H
