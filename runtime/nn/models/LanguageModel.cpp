//===- LanguageModel.cpp - Forward, loss, backward -------------*- C++ -*-===//
#include "runtime/nn/models/LanguageModel.h"

#include <cassert>
#include <fmt/format.h>

namespace decay::runtime {

MixerShape LanguageModel::mixerShape() const {
  MixerShape mixer;
  mixer.width = settings.width;
  mixer.heads = settings.heads;
  mixer.keyWidth = mixer.valueWidth = settings.headWidth();
  mixer.gateRank = settings.gateRank;
  mixer.norm = settings.norm;
  return mixer;
}

MixerCall LanguageModel::mixerCall(int64_t layer) const {
  return {B, T, layer, settings.layers, carrying ? tokensSeen : 0};
}

const LanguageModel::LayerSaved &LanguageModel::saved(int64_t layer) const {
  return layers[shape.training ? static_cast<size_t>(layer) : 0];
}

DecayMixer::Saved LanguageModel::mixerSaved(const LayerSaved &layer) const {
  DecayMixer::Saved view;
  view.stacked = arena.floats(layer.stacked);
  for (size_t i = 0; i < layer.second.size(); ++i)
    view.second.push_back(
        mixer.projections()[i].rank ? arena.floats(layer.second[i]) : nullptr);
  view.gate = arena.floats(layer.gate);
  view.o = arena.floats(layer.o);
  view.normed = arena.floats(layer.normed);
  view.scale = arena.floats(layer.scale);
  return view;
}

Tpe::Saved LanguageModel::tpeSaved() const {
  return {arena.floats(tpeO), arena.floats(tpeNormed), arena.floats(tpeScale)};
}

MixerState LanguageModel::stateOf(const StatePlaces &places) const {
  MixerState state;
  if (!carrying)
    return state;
  state.final = arena.floats(places.state[1 - parity]);
  for (Arena::Region carry : places.carries[1 - parity])
    state.finalCarries.push_back(arena.floats(carry));
  // Absent at the beginning, not zero: a design says itself where its carries
  // start.
  if (tokensSeen == 0)
    return state;
  state.initial = arena.floats(places.state[parity]);
  for (Arena::Region carry : places.carries[parity])
    state.initialCarries.push_back(arena.floats(carry));
  return state;
}

Status LanguageModel::forward(const ForwardCall &call) {
  assert(call.B * call.T <= shape.B * shape.T && call.B <= shape.B);
  assert((!call.carryState || shape.states) && (!call.observe || shape.lambda));
  tokens = call.tokens, B = call.B, T = call.T, carrying = call.carryState;

  float *stream = arena.floats(saved(0).input);
  float *first = tpe ? arena.floats(embedded) : stream;
  Embedding{settings.width}.forward(backend, B * T, tokens,
                                    table.embedding(weights()), first);
  if (tpe)
    DECAY_RETURN_IF_ERROR(forwardTpe().within("positional module"));
  for (int64_t l = 0; l < settings.layers; ++l) {
    bool more = shape.training && l + 1 < settings.layers;
    float *out = arena.floats(more ? saved(l + 1).input : last);
    DECAY_RETURN_IF_ERROR(
        forwardLayer(l, stream, out, call).within(fmt::format("layer {}", l)));
    stream = out;
  }
  RmsNorm{settings.width, settings.norm}.forward(
      backend, B * T, stream, table.norm(weights()), arena.floats(lastNormed),
      arena.floats(lastScale));
  if (carrying) {
    parity = 1 - parity;
    tokensSeen += T;
  }
  return {};
}

Status LanguageModel::forwardTpe() {
  MixerState state = tpeState ? stateOf(*tpeState) : MixerState{};
  return tpe->forward(mixerCall(0), arena.floats(embedded),
                      table.tpe(weights()), tpeSaved(), state,
                      arena.floats(saved(0).input));
}

Status LanguageModel::forwardLayer(int64_t layer, const float *in, float *out,
                                   const ForwardCall &call) {
  const int64_t rows = B * T, count = rows * settings.width;
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weights(), layer);
  RmsNorm norm{settings.width, settings.norm};
  MixerState state =
      carrying ? stateOf(states[static_cast<size_t>(layer)]) : MixerState{};
  float *observed = call.observe ? arena.floats(lambda) : nullptr;

  float *mixerInput = arena.floats(keep.mixerInput),
        *middle = arena.floats(keep.middle);
  norm.forward(backend, rows, in, weight.mixerNorm, mixerInput,
               arena.floats(keep.mixerScale));
  if (middle != in)
    backend.kernels.copy(middle, in, count);
  DECAY_RETURN_IF_ERROR(mixer.forward(mixerCall(layer), mixerInput,
                                      weight.mixer, mixerSaved(keep), state,
                                      middle, observed));
  if (observed) {
    bool vector = kernels.design.manifest().granularity == Granularity::Vector;
    int64_t perToken = vector ? settings.width : settings.heads;
    call.observe(layer, {observed, static_cast<size_t>(rows * perToken)});
  }

  float *gluInput = arena.floats(keep.gluInput);
  norm.forward(backend, rows, middle, weight.gluNorm, gluInput,
               arena.floats(keep.gluScale));
  if (out != middle)
    backend.kernels.copy(out, middle, count);
  Glu{settings.width, settings.gluWidth}.forward(
      backend, rows, gluInput, weight.glu, arena.floats(keep.ab),
      arena.floats(hidden), out);
  return {};
}

double LanguageModel::loss(const int32_t *targets, float gradientScale) {
  assert(gradientScale == 0 || shape.training);
  Classifier classifier{settings.width, settings.vocabulary};
  Classifier::Gradient gradient;
  if (gradientScale != 0)
    gradient = {gradientScale, arena.floats(dInput), table.head(gradients())};
  float *each = arena.floats(losses);
  classifier.losses(
      backend, B * T, arena.floats(lastNormed), table.head(weights()), targets,
      each, arena.floats(logitChunk), gradientScale != 0 ? &gradient : nullptr);
  double sum = 0;
  for (float one : tokenLosses())
    sum += one;
  return sum;
}

std::span<const float> LanguageModel::tokenLosses() const {
  return {arena.floats(losses), static_cast<size_t>(B * T)};
}

Status LanguageModel::backward() {
  assert(shape.training && !carrying);
  const int64_t rows = B * T;
  float *stream = arena.floats(dStream);
  backend.kernels.zero(stream, rows * settings.width);
  RmsNorm{settings.width, settings.norm}.backward(
      backend, rows, arena.floats(last), table.norm(weights()),
      arena.floats(lastScale), arena.floats(dInput), stream,
      table.norm(gradients()), arena.floats(partials));
  for (int64_t l = settings.layers - 1; l >= 0; --l)
    DECAY_RETURN_IF_ERROR(
        backwardLayer(l).within(fmt::format("layer {}, backward", l)));
  if (tpe)
    DECAY_RETURN_IF_ERROR(backwardTpe().within("positional module, backward"));
  Embedding{settings.width}.backward(backend, rows, tokens,
                                     arena.floats(tpe ? dInput : dStream),
                                     table.embedding(gradients()));
  return {};
}

Status LanguageModel::backwardLayer(int64_t layer) {
  const int64_t rows = B * T;
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weights(), layer);
  Parameters::Layer gradient = table.layer(gradients(), layer);
  RmsNorm norm{settings.width, settings.norm};
  // The stream's gradient passes every branch unchanged; each branch adds its
  // own.
  float *stream = arena.floats(dStream), *dx = arena.floats(dInput);

  Glu{settings.width, settings.gluWidth}.backward(
      backend, rows, arena.floats(keep.gluInput), weight.glu,
      arena.floats(keep.ab), stream, arena.floats(hidden), dx, gradient.glu);
  norm.backward(backend, rows, arena.floats(keep.middle), weight.gluNorm,
                arena.floats(keep.gluScale), dx, stream, gradient.gluNorm,
                arena.floats(partials));

  DecayMixer::Scratch scratch;
  scratch.dStacked = arena.floats(dStacked);
  for (size_t i = 0; i < dSecond.size(); ++i)
    scratch.dSecond.push_back(
        mixer.projections()[i].rank ? arena.floats(dSecond[i]) : nullptr);
  for (Arena::Region region : dLearned)
    scratch.dLearned.push_back(arena.floats(region));
  scratch.dO = arena.floats(dInner);
  scratch.partials = arena.floats(partials);
  DECAY_RETURN_IF_ERROR(mixer.backward(
      mixerCall(layer), arena.floats(keep.mixerInput), weight.mixer,
      mixerSaved(keep), stream, scratch, dx, gradient.mixer));
  norm.backward(backend, rows, arena.floats(keep.input), weight.mixerNorm,
                arena.floats(keep.mixerScale), dx, stream, gradient.mixerNorm,
                arena.floats(partials));
  return {};
}

Status LanguageModel::backwardTpe() {
  Tpe::Scratch scratch;
  scratch.dNormed = arena.floats(dStacked);
  scratch.dO = arena.floats(dInner);
  scratch.partials = arena.floats(partials);
  for (Arena::Region region : dTpeLearned)
    scratch.dLearned.push_back(arena.floats(region));
  return tpe->backward(mixerCall(0), arena.floats(embedded),
                       table.tpe(weights()), tpeSaved(), arena.floats(dStream),
                       scratch, arena.floats(dInput), table.tpe(gradients()));
}

bool LanguageModel::canObserve() const {
  for (const KernelOperandInfo &operand :
       kernels.design.operands(KernelRole::Forward))
    if (operand.name == "lambda")
      return true;
  return false;
}

std::span<const float> LanguageModel::logits(int64_t row) {
  assert(row >= 0 && row < B * T);
  float *out = arena.floats(logitChunk);
  Slice input{arena.floats(lastNormed) + row * settings.width, settings.width};
  Linear{settings.width, settings.vocabulary}.forward(
      backend, 1, input, table.head(weights()), {out, settings.vocabulary});
  return {out, static_cast<size_t>(settings.vocabulary)};
}

} // namespace decay::runtime
