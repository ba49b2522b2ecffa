//===- GuardedCall.cpp - One call of a package, watched -------------------===//
#include "test/support/package/GuardedCall.h"

#include <algorithm>
#include <bit>
#include <cassert>

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

Placed place(const KernelOperandInfo &info, const DecayDims &dims,
             int64_t stateWidth, GuardedDevice &device, MemoryLayout layout) {
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

void scatter(Placed &placed, const std::vector<float> &dense) {
  assert(static_cast<int64_t>(dense.size()) == placed.rows * placed.row);
  for (int64_t r = 0; r < placed.rows; ++r)
    std::copy_n(dense.data() + r * placed.row, placed.row,
                placed.data + r * placed.stride);
  placed.before.assign(placed.data, placed.data + placed.span);
}

/// An element that nobody wrote still holds the poison, to the bit.
bool isPoison(float value) {
  return std::bit_cast<uint32_t>(value) == 0xffffffffu;
}

std::vector<float> gather(const Placed &placed,
                          std::vector<std::string> &problems) {
  std::vector<float> dense;
  int64_t unwritten = 0, trespassed = 0;
  for (int64_t i = 0; i < placed.span; ++i) {
    bool inRow = i % placed.stride < placed.row;
    if (inRow)
      dense.push_back(placed.data[i]);
    unwritten += inRow && isPoison(placed.data[i]);
    trespassed += !inRow && !isPoison(placed.data[i]);
  }
  if (unwritten)
    problems.push_back(placed.info->name + " has " + std::to_string(unwritten) +
                       " unwritten elements");
  if (trespassed)
    problems.push_back(placed.info->name + ": gaps were written");
  return dense;
}

bool isAbsent(const KernelOperandInfo &info, const Tensors &inputs,
              const std::vector<std::string> &absent) {
  if (!info.written)
    return !inputs.contains(info.name);
  return std::find(absent.begin(), absent.end(), info.name) != absent.end();
}

/// Compared bit by bit, as inputs may hold NaNs.
bool isChanged(const Placed &placed) {
  return std::memcmp(placed.before.data(), placed.data,
                     sizeof(float) * placed.span) != 0;
}

} // namespace

CallOutcome callGuarded(const KernelLibrary &library, KernelRole role,
                        const Tensors &inputs, const DecayDims &dims,
                        GuardedDevice &device, MemoryLayout layout,
                        const std::vector<std::string> &absent) {
  CallOutcome outcome;
  std::vector<Placed> all;
  std::vector<KernelOperand> operands;
  for (const KernelOperandInfo &info : library.operands(role)) {
    if (isAbsent(info, inputs, absent))
      continue;
    Placed placed =
        place(info, dims, library.manifest().stateWidth, device, layout);
    if (!info.written)
      scatter(placed, inputs.at(info.name));
    int64_t stride = info.shape.has('T') ? placed.stride : 0;
    operands.push_back({info.name, placed.data, placed.span, stride});
    all.push_back(std::move(placed));
  }
  KernelWorkspace workspace(device);
  outcome.status = library.launch(role, operands, dims, workspace, device);
  if (!device.guardsIntact())
    outcome.problems.push_back("memory around the call was written");
  for (Placed &placed : all) {
    if (placed.info->written && outcome.status.ok())
      outcome.outputs[placed.info->name] = gather(placed, outcome.problems);
    else if (!placed.info->written && isChanged(placed))
      outcome.problems.push_back("the input " + placed.info->name +
                                 " was written");
    device.release(placed.data - layout.offset);
  }
  return outcome;
}

} // namespace decay::test
