//===- WorkerPool.cpp - Threads that wait for work ------------------------===//

#include "runtime/device/cpu/WorkerPool.h"

#include <cassert>

namespace decay::runtime {
namespace {
// Which pool this thread works for, and as whom, while it is inside a task.
thread_local const WorkerPool *currentPool = nullptr;
thread_local int64_t currentWorker = 0;

// Layers follow each other within microseconds: looking again for a moment is
// cheaper than being woken, and too short to starve anybody.
constexpr int looksBeforeSleep = 2000;

inline void pause() { __builtin_ia32_pause(); }
} // namespace

WorkerPool::WorkerPool(int64_t workers) {
  assert(workers >= 1);
  try {
    for (int64_t worker = 1; worker < workers; ++worker)
      threads.emplace_back([this, worker] { serve(worker); });
  } catch (...) {
    close(); // a thread that is not joined would end the process
    throw;
  }
}

WorkerPool::~WorkerPool() { close(); }

void WorkerPool::close() {
  closing.store(true);
  generation.fetch_add(1);
  generation.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void WorkerPool::takeAll(int64_t worker) {
  currentPool = this;
  currentWorker = worker;
  for (int64_t index = next.fetch_add(1); index < count;
       index = next.fetch_add(1))
    task(closure, index, worker);
  currentPool = nullptr;
}

void WorkerPool::serve(int64_t worker) {
  uint32_t seen = 0;
  while (true) {
    for (int look = 0; look < looksBeforeSleep && generation.load() == seen;
         ++look)
      pause();
    generation.wait(seen);
    seen = generation.load();
    if (closing.load())
      return;
    takeAll(worker);
    if (busy.fetch_sub(1) == 1)
      busy.notify_all();
  }
}

void WorkerPool::run(int64_t items, Task work, void *context) {
  if (currentPool == this) {
    for (int64_t index = 0; index < items; ++index)
      work(context, index, currentWorker);
    return;
  }
  std::lock_guard guard(turn);
  task = work;
  closure = context;
  count = items;
  next.store(0);
  bool alone = items < 2 || threads.empty();
  if (!alone) {
    busy.store(static_cast<int64_t>(threads.size()));
    generation.fetch_add(1);
    generation.notify_all();
  }
  takeAll(0);
  if (alone)
    return;
  for (int look = 0; look < looksBeforeSleep && busy.load() != 0; ++look)
    pause();
  for (int64_t left = busy.load(); left != 0; left = busy.load())
    busy.wait(left);
}

} // namespace decay::runtime
