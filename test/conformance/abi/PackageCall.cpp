//===- PackageCall.cpp - One call of a package, watched -------------------===//

#include "test/conformance/abi/PackageCall.h"

#include <algorithm>
#include <bit>
#include <gtest/gtest.h>
#include <random>

namespace decay::test {

using namespace runtime;

namespace {
/// One operand in guarded memory, rows apart.
struct Placed {
  const KernelOperandInfo *info;
  float *data;
  int64_t rows, row, stride, span;
  std::vector<float> before;
};
} // namespace

static Placed place(const KernelOperandInfo &info, const DecayDims &dims,
                    int64_t stateWidth, GuardedDevice &device, Layout layout) {
  Placed placed = {};
  placed.info = &info;
  int64_t elements = info.shape.elements(dims, stateWidth);
  bool hasTime = info.shape.has('T');
  placed.row = hasTime ? info.shape.rowElements(dims, stateWidth) : elements;
  placed.rows = elements / placed.row;
  placed.stride = placed.row + (hasTime ? layout.rowPadding : 0);
  placed.span = (placed.rows - 1) * placed.stride + placed.row;
  placed.data = static_cast<float *>(device.allocate(
                    sizeof(float) * (placed.span + layout.offset))) +
                layout.offset;
  return placed;
}

static void scatter(Placed &placed, const std::vector<float> &dense) {
  ASSERT_EQ(int64_t(dense.size()), placed.rows * placed.row)
      << placed.info->name;
  for (int64_t r = 0; r < placed.rows; ++r)
    std::copy_n(dense.data() + r * placed.row, placed.row,
                placed.data + r * placed.stride);
}

/// An element that nobody wrote still holds the poison, to the bit.
static bool isPoison(float value) {
  return std::bit_cast<uint32_t>(value) == 0xffffffffu;
}

static std::vector<float> gather(const Placed &placed) {
  std::vector<float> dense;
  int64_t unwritten = 0, trespassed = 0;
  for (int64_t i = 0; i < placed.span; ++i) {
    bool inRow = i % placed.stride < placed.row;
    if (inRow)
      dense.push_back(placed.data[i]);
    unwritten += inRow && isPoison(placed.data[i]);
    trespassed += !inRow && !isPoison(placed.data[i]);
  }
  EXPECT_EQ(unwritten, 0) << placed.info->name << " has unwritten elements";
  EXPECT_EQ(trespassed, 0) << placed.info->name << ": gaps were written";
  return dense;
}

static bool isAbsent(const KernelOperandInfo &info, const Tensors &inputs,
                     const std::vector<std::string> &absent) {
  if (!info.written)
    return !inputs.contains(info.name);
  return std::find(absent.begin(), absent.end(), info.name) != absent.end();
}

Tensors callPackage(const KernelLibrary &library, KernelRole role,
                    const Tensors &inputs, const DecayDims &dims,
                    GuardedDevice &device, Layout layout,
                    const std::vector<std::string> &absent) {
  std::vector<Placed> all;
  std::vector<KernelOperand> operands;
  for (const KernelOperandInfo &info : library.operands(role)) {
    if (isAbsent(info, inputs, absent))
      continue;
    Placed placed =
        place(info, dims, library.manifest().stateWidth, device, layout);
    if (!info.written) {
      scatter(placed, inputs.at(info.name));
      placed.before.assign(placed.data, placed.data + placed.span);
    }
    int64_t stride = info.shape.has('T') ? placed.stride : 0;
    operands.push_back({info.name, placed.data, placed.span, stride});
    all.push_back(std::move(placed));
  }
  KernelWorkspace workspace(device);
  Status status = library.launch(role, operands, dims, workspace, device);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(device.guardsIntact()) << "memory around the call was written";
  Tensors outputs;
  for (Placed &placed : all) {
    if (placed.info->written)
      outputs[placed.info->name] = gather(placed);
    else
      EXPECT_EQ(0, std::memcmp(placed.before.data(), placed.data,
                               sizeof(float) * placed.span))
          << "the input " << placed.info->name << " was written";
    device.release(placed.data - layout.offset);
  }
  return outputs;
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
    for (float &value : values)
      value = uniform(generator);
    result[info.name] = std::move(values);
  }
  return result;
}

} // namespace decay::test
