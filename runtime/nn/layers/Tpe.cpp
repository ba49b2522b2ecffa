//===- Tpe.cpp -------------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/Tpe.h"

#include <fmt/format.h>

namespace decay::runtime {

Result<Tpe> Tpe::create(Backend backend, const KernelLibrary &kernels,
                        KernelWorkspace &workspace, MixerShape shape) {
  Tpe tpe(backend, kernels, workspace, shape);
  const Manifest &manifest = kernels.manifest();
  int64_t wanted = 0;
  for (const ManifestProjection &projection : manifest.projections)
    wanted += projection.shape.rowElements(tpe.dims({1, 1, 0, 1, 0}),
                                           manifest.stateWidth);
  if (manifest.projections.size() != 1 || wanted != shape.width)
    return Status::user(fmt::format(
        "design '{}' cannot serve as the positional module: it asks for {} "
        "projections with {} "
        "values together, and the embedding is one of {} values",
        manifest.design, manifest.projections.size(), wanted, shape.width));
  return tpe;
}

DecayDims Tpe::dims(const MixerCall &call) const {
  DecayDims dims{};
  dims.B = call.B, dims.T = call.T;
  dims.H = shape.heads, dims.K = shape.keyWidth, dims.V = shape.valueWidth;
  dims.layers = 1;
  dims.position = call.position;
  return dims;
}

Status Tpe::forward(const MixerCall &call, ConstNumbers x,
                    const Weights &weights, const Saved &saved,
                    const MixerState &state, Numbers out) const {
  OperandBinder operands(kernels->manifest());
  operands.projection(0, rowsOf(x, shape.width));
  operands.learned(weights.learned);
  operands.state(state);
  operands.set("o", saved.o);
  DECAY_RETURN_IF_ERROR(operands.launch(*kernels, forwardRole(call, state),
                                        dims(call), *workspace, backend));
  int64_t rows = call.rows();
  RmsNorm{shape.width, shape.norm}.forward(backend, rows, saved.o, weights.norm,
                                           saved.normed, saved.scale);
  Linear{shape.width, shape.width}.forward(backend, rows,
                                           {saved.normed, shape.width},
                                           weights.output, {out, shape.width});
  return {};
}

Status Tpe::backward(const MixerCall &call, ConstNumbers x,
                     const Weights &weights, const Saved &saved,
                     ConstNumbers dOut, const Scratch &scratch, Numbers dx,
                     const Weights &gradients) const {
  int64_t rows = call.rows();
  Linear output{shape.width, shape.width};
  Slice dRows = rowsOf(dOut, shape.width);
  Backend starting = backend;
  starting.startsGradients = call.startsGradients;
  output.backwardWeight(starting, rows, dRows, {saved.normed, shape.width},
                        gradients.output.floats());
  output.backwardInput(backend, rows, dRows, weights.output,
                       {scratch.dNormed, shape.width});
  backend.kernels.zero(scratch.dO, rows * shape.width);
  RmsNorm{shape.width, shape.norm}.backward(
      backend, rows, saved.o, weights.norm, saved.scale, scratch.dNormed,
      scratch.dO, gradients.norm, scratch.partials);
  OperandBinder operands(kernels->manifest());
  operands.projection(0, rowsOf(x, shape.width));
  operands.projectionGradient(0, {dx, shape.width});
  operands.learned(weights.learned);
  operands.learnedGradients(scratch.dLearned);
  operands.set("d_o", scratch.dO);
  DECAY_RETURN_IF_ERROR(operands.launch(*kernels, KernelRole::Backward,
                                        dims(call), *workspace, backend));
  addLearned(backend, kernels->manifest(), dims(call), scratch.dLearned,
             gradients.learned);
  return {};
}

} // namespace decay::runtime
