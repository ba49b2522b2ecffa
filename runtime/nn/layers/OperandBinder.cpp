//===- OperandBinder.cpp ---------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/OperandBinder.h"

namespace decay::runtime {

void OperandBinder::set(std::string name, const float *data,
                        int64_t rowStride) {
  if (data)
    bound.push_back({std::move(name), const_cast<float *>(data), rowStride});
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

Status OperandBinder::launch(const KernelLibrary &kernels, KernelRole role,
                             const DecayDims &dims, KernelWorkspace &workspace,
                             Device &device) const {
  std::vector<KernelOperand> operands;
  for (const KernelOperandInfo &info : kernels.operands(role))
    for (const Bound &given : bound)
      if (given.name == info.name)
        operands.push_back(
            {given.name, given.data,
             info.shape.span(dims, manifest.stateWidth, given.rowStride),
             given.rowStride});
  return kernels.launch(role, operands, dims, workspace, device);
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
