//===- PackageCall.h - One call of a package, watched ----------*- C++ -*-===//
#ifndef DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H
#define DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H

#include "runtime/kernels/KernelLibrary.h"
#include "test/support/package/GuardedDevice.h"

#include <map>
#include <string>
#include <vector>

namespace decay::test {

/// Dense tensors by operand name.
using Tensors = std::map<std::string, std::vector<float>>;

/// How the memory of a call lies.
struct Layout {
  int64_t rowPadding = 0; ///< elements between rows that belong to nobody
  int64_t offset = 0;     ///< floats from a 64-byte boundary to the data
};

/// Runs `role` with those tensors of `inputs` which it reads, each in poisoned,
/// guarded memory. Returns what it wrote, made dense; outputs named in `absent`
/// are left out. Fails the running test if the call fails, if it writes
/// anything but outputs, or if it leaves an element of an output unwritten.
Tensors callPackage(const runtime::KernelLibrary &library,
                    runtime::KernelRole role, const Tensors &inputs,
                    const DecayDims &dims, GuardedDevice &device,
                    Layout layout = {},
                    const std::vector<std::string> &absent = {});

/// Every input that the role reads: parameters from `init_parameters`, the rest
/// random in [-1, 1); always the same for the same sizes.
Tensors randomInputs(const runtime::KernelLibrary &library,
                     runtime::KernelRole role, const DecayDims &dims);

} // namespace decay::test

#endif // DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H
