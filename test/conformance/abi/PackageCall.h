//===- PackageCall.h - One call of a package, watched ----------*- C++ -*-===//
#ifndef DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H
#define DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H

#include "test/support/package/GuardedCall.h"

namespace decay::test {

using Layout = MemoryLayout;

/// As callGuarded. Fails the running test if the call fails, if it writes
/// anything but outputs, or if it leaves an element of an output unwritten.
Tensors callPackage(const runtime::KernelLibrary &library,
                    runtime::KernelRole role, const Tensors &inputs,
                    const DecayDims &dims, GuardedDevice &device,
                    Layout layout = {},
                    const std::vector<std::string> &absent = {});

/// Every input that the role reads: parameters from `init_parameters`, the rest
/// random in [-1, 1), carried values in [1, 3); always the same for the same
/// sizes.
Tensors randomInputs(const runtime::KernelLibrary &library,
                     runtime::KernelRole role, const DecayDims &dims);

} // namespace decay::test

#endif // DECAY_TEST_CONFORMANCE_ABI_PACKAGECALL_H
