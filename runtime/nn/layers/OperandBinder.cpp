//===- OperandBinder.cpp ---------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/OperandBinder.h"

namespace decay::runtime {

void OperandBinder::set(std::string name, ConstNumbers data,
                        int64_t rowStride) {
  if (data)
    bound.push_back({std::move(name),
                     {const_cast<void *>(data.data()), data.type()},
                     rowStride});
}

void OperandBinder::projection(size_t index, Slice rows) {
  set(manifest.projections[index].name, rows.data, rows.stride);
}

void OperandBinder::projectionGradient(size_t index, Slice rows) {
  set("d_" + manifest.projections[index].name, rows.data, rows.stride);
}

void OperandBinder::learned(const std::vector<float *> &parameters) {
  for (size_t i = 0; i < manifest.parameters.size(); ++i)
    set(manifest.parameters[i].name, parameters[i]);
}

void OperandBinder::learnedGradients(const std::vector<float *> &gradients) {
  for (size_t i = 0; i < manifest.parameters.size(); ++i)
    set("d_" + manifest.parameters[i].name, gradients[i]);
}

void OperandBinder::state(const MixerState &state) {
  set("initial_state", state.initial);
  set("final_state", state.final);
  for (size_t i = 0; i < manifest.carries.size(); ++i) {
    const std::string &name = manifest.carries[i].name;
    if (i < state.initialCarries.size())
      set("initial_" + name, state.initialCarries[i]);
    if (i < state.finalCarries.size())
      set("final_" + name, state.finalCarries[i]);
  }
}

void OperandBinder::kept(const KernelLibrary &kernels,
                         const std::vector<Numbers> &places) {
  auto place = places.begin();
  for (const KernelOperandInfo &info : kernels.operands(KernelRole::Forward))
    if (info.isKept() && place != places.end())
      set(info.name, *place++);
}

namespace {
constexpr int64_t alignment = 256;

DecayType decayType(NumberType type) {
  return type == NumberType::BF16 ? DECAY_BF16 : DECAY_F32;
}

/// An operand and its copy in the type that the package takes.
struct Conversion {
  KernelOperand *operand;
  Numbers given;
  NumberType wanted;
  RowShape shape;
  int64_t stride;
  bool written;
  int64_t offset; ///< of the copy

  int64_t bytes() const { return shape.rows * shape.width * bytesOf(wanted); }
  Numbers copy(const KernelWorkspace &memory) const {
    return {static_cast<std::byte *>(memory.data()) + offset, wanted};
  }
};
} // namespace

Status OperandBinder::launch(const KernelLibrary &kernels, KernelRole role,
                             const DecayDims &dims, KernelWorkspace &workspace,
                             Backend backend) const {
  std::vector<KernelOperand> operands;
  std::vector<Conversion> conversions;
  operands.reserve(bound.size());
  int64_t copyBytes = 0;
  for (const KernelOperandInfo &info : kernels.operands(role))
    for (const Bound &given : bound) {
      if (given.name != info.name)
        continue;
      operands.push_back(
          {given.name, given.data.data(),
           info.shape.span(dims, manifest.stateWidth, given.rowStride),
           given.rowStride, decayType(given.data.type())});
      if (info.type == operands.back().type)
        continue;
      RowShape shape{1, info.shape.elements(dims, manifest.stateWidth)};
      if (info.shape.has('T'))
        shape = {dims.B * dims.T,
                 info.shape.rowElements(dims, manifest.stateWidth)};
      conversions.push_back({&operands.back(), given.data,
                             numberType(info.type), shape,
                             given.rowStride ? given.rowStride : shape.width,
                             info.written, copyBytes});
      copyBytes +=
          (conversions.back().bytes() + alignment - 1) / alignment * alignment;
    }
  KernelWorkspace copies(backend.device);
  DECAY_RETURN_IF_ERROR(copies.reserve(copyBytes));
  for (const Conversion &c : conversions) {
    *c.operand = {c.operand->name, c.copy(copies).data(),
                  c.shape.rows * c.shape.width, 0, decayType(c.wanted)};
    if (!c.written)
      backend.kernels.convertRows(c.shape, c.copy(copies), c.shape.width,
                                  c.given, c.stride);
  }
  DECAY_RETURN_IF_ERROR(
      kernels.launch(role, operands, dims, workspace, backend.device));
  for (const Conversion &c : conversions)
    if (c.written)
      backend.kernels.convertRows(c.shape, c.given, c.stride, c.copy(copies),
                                  c.shape.width);
  return {};
}

void addLearned(Backend backend, const Manifest &manifest,
                const DecayDims &dims, const std::vector<float *> &terms,
                const std::vector<float *> &sums) {
  for (size_t i = 0; i < manifest.parameters.size(); ++i)
    backend.kernels.add(
        sums[i], terms[i],
        manifest.parameters[i].shape.elements(dims, manifest.stateWidth));
}

} // namespace decay::runtime
