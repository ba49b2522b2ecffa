//===- WorkerPoolTest.cpp -------------------------------------------------===//

#include "runtime/device/cpu/WorkerPool.h"

#include <gtest/gtest.h>
#include <memory>
#include <thread>
#include <vector>

using namespace decay::runtime;

namespace {
struct Counts {
  std::vector<std::atomic<int>> byIndex;
  std::atomic<bool> wrongWorker{false};
  int64_t workers;

  Counts(size_t indices, int64_t workers)
      : byIndex(indices), workers(workers) {}

  static void task(void *closure, int64_t index, int64_t worker) {
    auto &counts = *static_cast<Counts *>(closure);
    ++counts.byIndex[static_cast<size_t>(index)];
    if (worker < 0 || worker >= counts.workers)
      counts.wrongWorker = true;
  }
};
} // namespace

TEST(WorkerPool, EachIndexOnceOverManyShortJobs) {
  for (int64_t workers : {1, 2, 5}) {
    WorkerPool pool(workers);
    EXPECT_EQ(pool.workers(), workers);
    for (int64_t job = 0; job < 2000; ++job) {
      int64_t indices = job % 7;
      Counts counts(static_cast<size_t>(indices), workers);
      pool.run(indices, Counts::task, &counts);
      for (auto &count : counts.byIndex)
        ASSERT_EQ(count, 1);
      ASSERT_FALSE(counts.wrongWorker);
    }
  }
}

TEST(WorkerPool, WorkInsideATaskKeepsItsWorker) {
  WorkerPool pool(3);
  struct Outer {
    WorkerPool *pool;
    std::atomic<int> inner{0};
    std::atomic<bool> moved{false};
  } outer{&pool};
  pool.run(
      10,
      [](void *closure, int64_t, int64_t worker) {
        auto &outer = *static_cast<Outer *>(closure);
        struct Inner {
          Outer *outer;
          int64_t worker;
        } inner{&outer, worker};
        outer.pool->run(
            4,
            [](void *closure, int64_t, int64_t worker) {
              auto &inner = *static_cast<Inner *>(closure);
              ++inner.outer->inner;
              if (worker != inner.worker)
                inner.outer->moved = true;
            },
            &inner);
      },
      &outer);
  EXPECT_EQ(outer.inner, 40);
  EXPECT_FALSE(outer.moved);
}

TEST(WorkerPool, SeveralCallersTakeTurns) {
  WorkerPool pool(2);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int job = 0; job < 300; ++job)
        pool.run(
            5,
            [](void *closure, int64_t index, int64_t) {
              *static_cast<std::atomic<int64_t> *>(closure) += index;
            },
            &total);
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(total, 3 * 300 * 10);
}
