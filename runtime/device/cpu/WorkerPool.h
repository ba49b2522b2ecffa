//===- WorkerPool.h - Threads that wait for work ---------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CPU_WORKERPOOL_H
#define DECAY_RUNTIME_DEVICE_CPU_WORKERPOOL_H

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace decay::runtime {

class WorkerPool {
public:
  using Task = void (*)(void *closure, int64_t index, int64_t worker);

  /// The caller of `run` is worker 0; workers - 1 threads are started. Throws
  /// std::system_error when the system has no more threads to give.
  explicit WorkerPool(int64_t workers);
  ~WorkerPool();
  WorkerPool(const WorkerPool &) = delete;
  WorkerPool &operator=(const WorkerPool &) = delete;

  int64_t workers() const { return static_cast<int64_t>(threads.size()) + 1; }

  /// Calls task(closure, index, worker) once for each index in [0, count);
  /// returns when all are done. From inside a task everything runs in the
  /// calling thread, as the worker it is. Other threads wait for their turn.
  void run(int64_t count, Task task, void *closure);

private:
  void close();
  void serve(int64_t worker);
  void takeAll(int64_t worker);

  std::vector<std::thread> threads;
  std::mutex turn; ///< one job at a time

  // The job at hand; written before `generation` is raised.
  Task task = nullptr;
  void *closure = nullptr;
  int64_t count = 0;
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> busy{0};        ///< threads that still work on the job
  std::atomic<uint32_t> generation{0}; ///< raised for each job
  std::atomic<bool> closing{false};
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CPU_WORKERPOOL_H
