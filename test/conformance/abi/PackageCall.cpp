//===- PackageCall.cpp - One call of a package, watched -------------------===//

#include "test/conformance/abi/PackageCall.h"

#include <gtest/gtest.h>
#include <random>

namespace decay::test {

using namespace runtime;

Tensors callPackage(const KernelLibrary &library, KernelRole role,
                    const Tensors &inputs, const DecayDims &dims,
                    GuardedDevice &device, Layout layout,
                    const std::vector<std::string> &absent) {
  CallOutcome outcome =
      callGuarded(library, role, inputs, dims, device, layout, absent);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message();
  for (const std::string &problem : outcome.problems)
    ADD_FAILURE() << problem;
  return outcome.outputs;
}

Tensors randomInputs(const KernelLibrary &library, KernelRole role,
                     const DecayDims &dims) {
  GuardedDevice device;
  DecayDims initial = dims;
  initial.B = initial.T = 1;
  initial.sequences = 0;
  initial.cu_seqlens = nullptr;
  initial.seed = 7;
  Tensors result;
  if (library.has(KernelRole::InitParameters))
    result =
        callPackage(library, KernelRole::InitParameters, {}, initial, device);
  std::mt19937 generator(42);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const KernelOperandInfo &info : library.operands(role)) {
    if (info.written || result.contains(info.name))
      continue;
    std::vector<float> values(
        info.shape.elements(dims, library.manifest().stateWidth));
    // A carried sum of positive terms is positive: its logarithm is taken.
    bool carried =
        info.name.starts_with("initial_") && info.name != "initial_state";
    for (float &value : values)
      value = uniform(generator) + (carried ? 2.0f : 0.0f);
    result[info.name] = std::move(values);
  }
  return result;
}

} // namespace decay::test
