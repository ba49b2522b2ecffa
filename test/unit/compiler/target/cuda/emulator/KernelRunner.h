//===- KernelRunner.h - Kernels as text, run by the emulator ---*- C++ -*-===//
#ifndef DECAY_TEST_KERNELRUNNER_H
#define DECAY_TEST_KERNELRUNNER_H

#include "compiler/target/cuda/emulator/Emulator.h"

#include <string>
#include <vector>

namespace decay::cuda {

struct Outcome {
  Report report;
  std::string error; ///< of the emulator; empty: it ran
};

/// Runs a kernel of prologue() and `body`, which lacks the return, on one array
/// of 32-bit words that it may read and write.
Outcome runKernel(const std::string &body, std::vector<uint32_t> &data,
                  const GridShape &grid);

/// Runs a kernel of those parameters and that body, with @dyn the dynamic
/// shared memory.
Outcome runFunction(const std::string &parameters, const std::string &body,
                    const GridShape &grid, llvm::ArrayRef<Argument> arguments,
                    llvm::ArrayRef<GlobalRange> ranges);

/// For the beginning of bodies: thread number %tid, %lane, %dyn (the shared
/// memory's address), %mine (the address of the thread's word in shared
/// memory), %out (that of its word in the array %data), constants %c0 to %c128
/// and %all, of all bits.
std::string prologue();

/// Small numbers that bfloat16 has, so that every sum is exact.
std::vector<float> exactNumbers(size_t count, unsigned seed);

} // namespace decay::cuda

#endif // DECAY_TEST_KERNELRUNNER_H
