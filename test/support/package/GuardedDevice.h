//===- GuardedDevice.h - A device that watches its memory ------*- C++ -*-===//
//
// Memory between guard zones and filled with NaN, tasks in an order and with a
// number of workers that a test chooses. Header-only; for tests.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_TEST_SUPPORT_PACKAGE_GUARDEDDEVICE_H
#define DECAY_TEST_SUPPORT_PACKAGE_GUARDEDDEVICE_H

#include "runtime/abi/DecayPackage.h"
#include "runtime/device/Device.h"

#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace decay::test {

class GuardedDevice final : public runtime::Device {
public:
  /// In whose hands tasks are, and when.
  enum class Order { Rising, Falling, Threads };

  explicit GuardedDevice(int64_t workers = 1, Order order = Order::Rising)
      : count(workers), order(order), runner{this, workers, runTasks} {}
  ~GuardedDevice() override {
    for (auto &[memory, block] : blocks)
      delete[] block.base;
  }

  std::string describe() const override { return "cpu: guarded, for tests"; }
  int64_t workers() const override { return count; }
  std::string_view target() const override { return "cpu"; }
  void *stream() override { return &runner; }

  void *allocate(size_t bytes) override {
    if (bytes > limit)
      return nullptr;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    auto *base = new unsigned char[rounded + 3 * alignment + 2 * guardBytes];
    auto start = reinterpret_cast<uintptr_t>(base) + guardBytes;
    auto *memory = reinterpret_cast<unsigned char *>((start + alignment - 1) /
                                                     alignment * alignment);
    std::memset(memory - guardBytes, guard, guardBytes);
    std::memset(memory + bytes, guard, guardBytes);
    // All ones is a NaN in every float.
    std::memset(memory, 0xff, bytes);
    blocks[memory] = {base, bytes};
    return memory;
  }
  void release(void *memory) override {
    auto found = blocks.find(memory);
    if (found == blocks.end())
      return;
    broken |= !intact(found->first, found->second);
    delete[] found->second.base;
    blocks.erase(found);
  }

  void parallelFor(int64_t tasks,
                   const std::function<void(int64_t, int64_t)> &task) override {
    if (order == Order::Threads)
      return onThreads(tasks, task);
    for (int64_t i = 0; i < tasks; ++i)
      task(order == Order::Rising ? i : tasks - 1 - i, i % count);
  }

  /// Kernels multiply no matrices.
  void multiply(const runtime::MatrixProduct &) override {
    assert(false && "not of use to a package");
  }

  /// Whether no guard zone of any memory handed out so far was written.
  bool guardsIntact() const {
    bool result = !broken;
    for (const auto &[memory, block] : blocks)
      result &= intact(memory, block);
    return result;
  }

  /// Larger allocations fail.
  size_t limit = std::numeric_limits<size_t>::max();

private:
  struct Block {
    unsigned char *base;
    size_t bytes;
  };
  static constexpr size_t alignment = 64, guardBytes = 4096;
  static constexpr unsigned char guard = 0xa5;

  static bool intact(const void *memory, const Block &block) {
    auto *bytes = static_cast<const unsigned char *>(memory);
    for (size_t i = 0; i < guardBytes; ++i)
      if (bytes[block.bytes + i] != guard || *(bytes - 1 - i) != guard)
        return false;
    return true;
  }

  void onThreads(int64_t tasks,
                 const std::function<void(int64_t, int64_t)> &task) {
    std::vector<std::thread> threads;
    for (int64_t worker = 0; worker < count; ++worker)
      threads.emplace_back([=, this, &task] {
        for (int64_t i = worker; i < tasks; i += count)
          task(i, worker);
      });
    for (std::thread &thread : threads)
      thread.join();
  }

  static void runTasks(void *context, int64_t tasks,
                       void (*task)(void *, int64_t, int64_t), void *closure) {
    static_cast<GuardedDevice *>(context)->parallelFor(
        tasks,
        [&](int64_t index, int64_t worker) { task(closure, index, worker); });
  }

  int64_t count;
  Order order;
  DecayTaskRunner runner;
  std::map<void *, Block> blocks;
  bool broken = false;
};

} // namespace decay::test

#endif // DECAY_TEST_SUPPORT_PACKAGE_GUARDEDDEVICE_H
