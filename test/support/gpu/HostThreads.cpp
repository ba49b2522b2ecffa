//===- HostThreads.cpp - A block's threads as fibers on the host ----------===//

#include "test/support/gpu/HostThreads.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

namespace decay::runtime::gpu {
namespace {
constexpr int warp = 32;
constexpr size_t stackBytes = size_t{64} << 10;

/// A fiber begins in a context of its own; from then on jumps, which save no
/// signal mask, are ten times faster than contexts.
struct Fiber {
  ucontext_t context = {};
  jmp_buf place = {};
  bool begun = false, ended = false;
  int waits = 0; ///< barriers and exchanges that it has come to
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<std::unique_ptr<char[]>> stacks;
  std::vector<float> exchanged;
  jmp_buf scheduler = {};
  HostKernel kernel = nullptr;
  const void *record = nullptr;
  int threads = 0, current = 0;
  int64_t index = 0, row = 0, count = 0;
};
Block block;

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "host threads: %s\n", what);
  std::abort();
}

void runFiber() {
  block.kernel(block.record);
  block.fibers[static_cast<size_t>(block.current)].ended = true;
  _longjmp(block.scheduler, 1);
}

/// Until it waits or ends.
void goOn(Fiber &fiber) {
  if (_setjmp(block.scheduler) != 0)
    return;
  if (fiber.begun)
    _longjmp(fiber.place, 1);
  fiber.begun = true;
  setcontext(&fiber.context);
}

/// Until every thread of [first, first + count) has come as far as this one.
void await(int first, int count) {
  Fiber &mine = block.fibers[static_cast<size_t>(block.current)];
  int wanted = ++mine.waits;
  auto allCame = [&] {
    for (int i = first; i < first + count; ++i) {
      const Fiber &other = block.fibers[static_cast<size_t>(i)];
      if (other.waits < wanted) {
        if (other.ended)
          fail("a thread waits for one that has ended");
        return false;
      }
    }
    return true;
  };
  while (!allCame())
    if (_setjmp(mine.place) == 0)
      _longjmp(block.scheduler, 1);
}

void runBlock() {
  for (int i = 0; i < block.threads; ++i) {
    Fiber &fiber = block.fibers[static_cast<size_t>(i)];
    fiber = {};
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = block.stacks[static_cast<size_t>(i)].get();
    fiber.context.uc_stack.ss_size = stackBytes;
    makecontext(&fiber.context, runFiber, 0);
  }
  for (bool alive = true; alive;) {
    alive = false;
    // Backwards and forwards in turn, so that no order is relied upon.
    for (int i = 0; i < block.threads; ++i) {
      block.current = block.index % 2 ? block.threads - 1 - i : i;
      Fiber &fiber = block.fibers[static_cast<size_t>(block.current)];
      if (fiber.ended)
        continue;
      alive = true;
      goOn(fiber);
    }
  }
}
} // namespace

std::map<std::string, HostKernel> &hostKernels() {
  static std::map<std::string, HostKernel> kernels;
  return kernels;
}

void runOnHost(HostKernel kernel, int64_t blocks, int64_t blockRows,
               int threads, const void *record) {
  if (threads % warp != 0)
    fail("a block is not of whole warps");
  while (block.stacks.size() < static_cast<size_t>(threads))
    block.stacks.push_back(std::make_unique<char[]>(stackBytes));
  block.fibers.resize(static_cast<size_t>(threads));
  block.exchanged.resize(static_cast<size_t>(threads));
  block.kernel = kernel, block.record = record;
  block.threads = threads, block.count = blocks;
  for (block.row = 0; block.row < blockRows; ++block.row)
    for (block.index = 0; block.index < blocks; ++block.index)
      runBlock();
}

int threadIndex() { return block.current; }
int threadCount() { return block.threads; }
int blockIndex() { return static_cast<int>(block.index); }
int blockRow() { return static_cast<int>(block.row); }
int blockCount() { return static_cast<int>(block.count); }

void barrier() { await(0, block.threads); }

float exchange(float value, int mask) {
  int first = block.current / warp * warp;
  block.exchanged[static_cast<size_t>(block.current)] = value;
  await(first, warp);
  float other = block.exchanged[static_cast<size_t>(block.current ^ mask)];
  await(first, warp);
  return other;
}

} // namespace decay::runtime::gpu
