//===- DecayMixer.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/nn/layers/DecayMixer.h"

namespace decay::runtime {

DecayMixer::DecayMixer(Backend backend, const KernelLibrary &kernels,
                       KernelWorkspace &workspace, MixerShape shape)
    : backend(backend), kernels(kernels), workspace(workspace), shape(shape) {
  DecayDims sizes = dims({1, 1, 0, 1, 0});
  int64_t stateWidth = kernels.manifest().stateWidth;
  for (const ManifestProjection &wanted : kernels.manifest().projections) {
    Projection projection;
    projection.name = wanted.name;
    projection.column = gateColumn;
    projection.outputs = wanted.shape.rowElements(sizes, stateWidth);
    if (wanted.kind == ProjectionKind::LowRank)
      projection.rank = wanted.rank ? wanted.rank : shape.keyWidth;
    projection.columns = projection.rank ? projection.rank : projection.outputs;
    projection.bias = wanted.bias;
    gateColumn += projection.columns;
    made.push_back(std::move(projection));
  }
}

DecayDims DecayMixer::dims(const MixerCall &call) const {
  DecayDims dims{};
  dims.B = call.B, dims.T = call.T;
  dims.H = shape.heads, dims.K = shape.keyWidth, dims.V = shape.valueWidth;
  dims.layer = call.layer, dims.layers = call.layers;
  dims.position = call.position;
  return dims;
}

Slice DecayMixer::operandRows(size_t projection, Numbers stacked,
                              const std::vector<Numbers> &second) const {
  const Projection &of = made[projection];
  return of.rank ? Slice{second[projection], of.outputs}
                 : Slice{stacked + of.column, stackedWidth()};
}

Status DecayMixer::forward(const MixerCall &call, ConstNumbers x,
                           const Weights &weights, const Saved &saved,
                           const MixerState &state, ConstNumbers stream,
                           Numbers out, float *lambda) const {
  int64_t rows = call.rows();
  Slice stacked{saved.stacked, stackedWidth()};
  Linear{shape.width, stackedWidth()}.forward(
      backend, rows, rowsOf(x, shape.width), weights.stacked, stacked);

  OperandBinder operands(kernels.manifest());
  for (size_t i = 0; i < made.size(); ++i) {
    Slice result = operandRows(i, saved.stacked, saved.second);
    if (made[i].rank)
      LowRank{made[i].rank, made[i].outputs}.forward(
          backend, rows, stacked.from(made[i].column), weights.second[i],
          result);
    if (made[i].bias)
      backend.kernels.addBias({rows, made[i].outputs}, result.data,
                              result.stride, weights.bias[i]);
    operands.projection(i, result);
  }
  operands.learned(weights.learned);
  operands.state(state);
  operands.set("o", saved.o);
  operands.kept(kernels, saved.kept);
  operands.set("lambda", lambda);
  DECAY_RETURN_IF_ERROR(operands.launch(kernels, forwardRole(call, state),
                                        dims(call), workspace, backend));

  LowRank{shape.gateRank, innerWidth()}.forward(
      backend, rows, stacked.from(gateColumn), weights.gateSecond,
      {saved.gate, innerWidth()});
  outputGate().forward(backend, rows,
                       {saved.o, saved.gate, saved.normed, saved.scale},
                       weights.output, stream, out);
  return {};
}

Status DecayMixer::backward(const MixerCall &call, ConstNumbers x,
                            const Weights &weights, const Saved &saved,
                            ConstNumbers dOut, const Scratch &scratch,
                            Numbers dx, const Weights &gradients) const {
  int64_t rows = call.rows();
  Backend starting = backend;
  starting.startsGradients = call.startsGradients;
  Slice stacked{saved.stacked, stackedWidth()};
  Slice dStacked{scratch.dStacked, stackedWidth()};
  outputGate().backward(starting, rows,
                        {saved.o, saved.gate, saved.normed, saved.scale},
                        weights.output, dOut, scratch.dO, /*dGate=*/saved.gate,
                        gradients.output, scratch.partials);
  LowRank{shape.gateRank, innerWidth()}.backward(
      starting, rows, stacked.from(gateColumn), weights.gateSecond,
      {saved.gate, innerWidth()}, dStacked.from(gateColumn),
      gradients.gateSecond.floats());

  OperandBinder operands(kernels.manifest());
  for (size_t i = 0; i < made.size(); ++i) {
    operands.projection(i, operandRows(i, saved.stacked, saved.second));
    operands.projectionGradient(
        i, operandRows(i, scratch.dStacked, scratch.dSecond));
  }
  operands.learned(weights.learned);
  operands.learnedGradients(scratch.dLearned);
  operands.set("d_o", scratch.dO);
  operands.kept(kernels, saved.kept);
  DECAY_RETURN_IF_ERROR(operands.launch(kernels, KernelRole::Backward,
                                        dims(call), workspace, backend));

  for (size_t i = 0; i < made.size(); ++i) {
    Slice dResult = operandRows(i, scratch.dStacked, scratch.dSecond);
    if (made[i].bias)
      backend.kernels.sumRows({rows, made[i].outputs}, dResult.data,
                              dResult.stride, gradients.bias[i]);
    if (made[i].rank)
      LowRank{made[i].rank, made[i].outputs}.backward(
          starting, rows, stacked.from(made[i].column), weights.second[i],
          dResult, dStacked.from(made[i].column), gradients.second[i].floats());
  }
  addLearned(backend, kernels.manifest(), dims(call), scratch.dLearned,
             gradients.learned);

  Linear all{shape.width, stackedWidth()};
  all.backwardWeight(starting, rows, dStacked, rowsOf(x, shape.width),
                     gradients.stacked.floats());
  all.backwardInput(backend, rows, dStacked, weights.stacked,
                    {dx, shape.width});
  return {};
}

} // namespace decay::runtime
