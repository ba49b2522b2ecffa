//===- GuardedCall.h - One call of a package, watched ----------*- C++ -*-===//
#ifndef DECAY_TEST_SUPPORT_PACKAGE_GUARDEDCALL_H
#define DECAY_TEST_SUPPORT_PACKAGE_GUARDEDCALL_H

#include "runtime/kernels/KernelLibrary.h"
#include "test/support/package/GuardedDevice.h"

#include <map>
#include <string>
#include <vector>

namespace decay::test {

/// Dense tensors by operand name.
using Tensors = std::map<std::string, std::vector<float>>;

/// How the memory of a call lies.
struct MemoryLayout {
  int64_t rowPadding = 0; ///< elements between rows that belong to nobody
  int64_t offset = 0;     ///< floats from a 64-byte boundary to the data
};

struct CallOutcome {
  runtime::Status status;
  /// What the entry wrote, made dense.
  Tensors outputs;
  /// Everything that the entry must not have done: elements of outputs that it
  /// left unwritten, memory beside them or inputs that it wrote.
  std::vector<std::string> problems;
};

/// Runs `role` with those tensors of `inputs` which it reads, each in poisoned,
/// guarded memory; outputs named in `absent` are left out.
CallOutcome callGuarded(const runtime::KernelLibrary &library,
                        runtime::KernelRole role, const Tensors &inputs,
                        const DecayDims &dims, GuardedDevice &device,
                        MemoryLayout layout = {},
                        const std::vector<std::string> &absent = {});

} // namespace decay::test

#endif // DECAY_TEST_SUPPORT_PACKAGE_GUARDEDCALL_H
