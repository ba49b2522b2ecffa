//===- LanguageModel.cpp - Forward, loss, backward -------------*- C++ -*-===//
#include "runtime/nn/models/LanguageModel.h"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <limits>

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
  return {B,
          T,
          layer,
          settings.layers,
          carrying ? tokensSeen : 0,
          backend.startsGradients};
}

const LanguageModel::LayerSaved &LanguageModel::saved(int64_t layer) const {
  return layers[shape.training ? static_cast<size_t>(layer) : 0];
}

DecayMixer::Saved LanguageModel::mixerSaved(const LayerSaved &layer) const {
  DecayMixer::Saved view;
  view.stacked = numbers(layer.stacked);
  for (size_t i = 0; i < layer.second.size(); ++i)
    view.second.push_back(mixer.projections()[i].rank ? numbers(layer.second[i])
                                                      : Numbers{});
  view.gate = numbers(layer.gate);
  view.o = numbers(layer.o);
  view.normed = numbers(layer.normed);
  view.scale = arena.floats(layer.scale);
  if (!layer.kept.empty())
    for (const KernelOperandInfo &info : keptOperands())
      view.kept.push_back(
          arena.numbers(layer.kept[view.kept.size()], numberType(info.type)));
  return view;
}

std::vector<KernelOperandInfo> LanguageModel::keptOperands() const {
  std::vector<KernelOperandInfo> kept;
  for (const KernelOperandInfo &info :
       kernels.design.operands(KernelRole::Forward))
    if (info.isKept())
      kept.push_back(info);
  return kept;
}

Tpe::Saved LanguageModel::tpeSaved() const {
  return {numbers(tpeO), numbers(tpeNormed), arena.floats(tpeScale)};
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

BlockView LanguageModel::weightView() const {
  return copied() ? BlockView(weights(), numbers(copyBlock))
                  : BlockView(weights());
}

void LanguageModel::refreshWeights(int64_t offset, int64_t count) {
  if (copied())
    backend.kernels.convert(numbers(copyBlock) + offset, weights() + offset,
                            count);
}

void LanguageModel::beginGradients() {
  backend.startsGradients = true;
  int64_t end = 0;
  auto clearTo = [&](int64_t begin) {
    if (begin > end)
      backend.kernels.zero(gradients() + end, begin - end);
  };
  for (const ParameterInfo &info : table.infos())
    if (info.isMatrix) {
      clearTo(info.offset);
      end = info.offset + info.count;
    }
  clearTo(blockFloats());
}

Status LanguageModel::place(const int32_t *host, Arena::Region region,
                            const int32_t *&placed) {
  placed = host;
  if (backend.device.isHostMemory())
    return {};
  placed = static_cast<const int32_t *>(arena.data(region));
  return backend.device.upload(arena.data(region), host,
                               static_cast<size_t>(B * T) * sizeof(int32_t));
}

Status LanguageModel::readFaults() {
  DECAY_RETURN_IF_ERROR(
      kernels.design.readFault(KernelRole::Forward, workspace, backend.device));
  return backend.device.synchronise();
}

Status LanguageModel::showLambda(int64_t layer, float *observed,
                                 const ForwardCall &call) {
  bool vector = kernels.design.manifest().granularity == Granularity::Vector;
  auto count =
      static_cast<size_t>(B * T * (vector ? settings.width : settings.heads));
  if (!backend.device.isHostMemory()) {
    hostLambda.resize(count);
    DECAY_RETURN_IF_ERROR(backend.device.download(hostLambda.data(), observed,
                                                  count * sizeof(float)));
    observed = hostLambda.data();
  }
  call.observe(layer, {observed, count});
  return {};
}

Status LanguageModel::forward(const ForwardCall &call) {
  assert(call.B * call.T <= shape.B * shape.T && call.B <= shape.B);
  assert((!call.carryState || shape.states) && (!call.observe || shape.lambda));
  B = call.B, T = call.T, carrying = call.carryState;
  DECAY_RETURN_IF_ERROR(place(call.tokens, tokenPlace, tokens));
  // States alternate between two places, λ goes to the host, and who is told of
  // weights may wait for work of others.
  if (carrying || call.observe || call.weightsNeeded)
    return forwardAll(call);
  return repeat(StepPart::Forward, 0, [&] { return forwardAll(call); });
}

Status LanguageModel::repeat(StepPart part, float gradientScale,
                             const std::function<Status()> &work) {
  const bool starts = part != StepPart::Forward && backend.startsGradients;
  return backend.device.repeat(recordings[{part, starts, B, T, gradientScale}],
                               work);
}

Status LanguageModel::forwardAll(const ForwardCall &call) {
  auto need = [&](int64_t weightsEnd) {
    return call.weightsNeeded ? call.weightsNeeded(weightsEnd) : Status();
  };
  DECAY_RETURN_IF_ERROR(need(table.layerOffset(0)));
  DECAY_RETURN_IF_ERROR(forwardEmbedding());
  for (int64_t l = 0; l < settings.layers; ++l) {
    bool isLast = l + 1 == settings.layers;
    DECAY_RETURN_IF_ERROR(
        need(isLast ? table.endOffset() : table.layerOffset(l + 1)));
    DECAY_RETURN_IF_ERROR(
        forwardLayer(l, call).within(fmt::format("layer {}", l)));
  }
  DECAY_RETURN_IF_ERROR(need(blockFloats()));
  RmsNorm{settings.width, settings.norm}.forward(
      backend, B * T, numbers(last), table.norm(weightView()),
      numbers(lastNormed), arena.floats(lastScale));
  if (carrying) {
    parity = 1 - parity;
    tokensSeen += T;
  }
  return {};
}

Status LanguageModel::forwardEmbedding() {
  Embedding{settings.width}.forward(backend, B * T, tokens,
                                    table.embedding(weightView()),
                                    numbers(tpe ? embedded : saved(0).input));
  return tpe ? forwardTpe().within("positional module") : Status();
}

Status LanguageModel::forwardTpe() {
  MixerState state = tpeState ? stateOf(*tpeState) : MixerState{};
  return tpe->forward(mixerCall(0), numbers(embedded), table.tpe(weightView()),
                      tpeSaved(), state, numbers(saved(0).input));
}

Status LanguageModel::forwardLayer(int64_t layer, const ForwardCall &call) {
  const int64_t rows = B * T;
  const bool more = shape.training && layer + 1 < settings.layers;
  Numbers in =
      numbers(shape.training || layer == 0 ? saved(layer).input : last);
  Numbers out = numbers(more ? saved(layer + 1).input : last);
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weightView(), layer);
  DECAY_RETURN_IF_ERROR(forwardMixer(layer, in, call));
  Numbers middle = numbers(keep.middle), gluInput = numbers(keep.gluInput);
  RmsNorm{settings.width, settings.norm}.forward(backend, rows, middle,
                                                 weight.gluNorm, gluInput,
                                                 arena.floats(keep.gluScale));
  Glu{settings.width, settings.gluWidth}.forward(backend, rows, gluInput,
                                                 weight.glu, numbers(keep.ab),
                                                 numbers(hidden), middle, out);
  return {};
}

Status LanguageModel::forwardMixer(int64_t layer, Numbers in,
                                   const ForwardCall &call) {
  const int64_t rows = B * T;
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weightView(), layer);
  MixerState state =
      carrying ? stateOf(states[static_cast<size_t>(layer)]) : MixerState{};
  float *observed = call.observe ? arena.floats(lambda) : nullptr;

  Numbers mixerInput = numbers(keep.mixerInput), middle = numbers(keep.middle);
  RmsNorm{settings.width, settings.norm}.forward(backend, rows, in,
                                                 weight.mixerNorm, mixerInput,
                                                 arena.floats(keep.mixerScale));
  DECAY_RETURN_IF_ERROR(mixer.forward(mixerCall(layer), mixerInput,
                                      weight.mixer, mixerSaved(keep), state, in,
                                      middle, observed));
  if (observed)
    DECAY_RETURN_IF_ERROR(showLambda(layer, observed, call));
  return {};
}

Status LanguageModel::recomputeLayer(int64_t layer) {
  const int64_t rows = B * T;
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weightView(), layer);
  DECAY_RETURN_IF_ERROR(forwardMixer(layer, numbers(keep.input), {}));
  RmsNorm{settings.width, settings.norm}.forward(
      backend, rows, numbers(keep.middle), weight.gluNorm,
      numbers(keep.gluInput), arena.floats(keep.gluScale));
  Glu{settings.width, settings.gluWidth}.expand(
      backend, rows, numbers(keep.gluInput), weight.glu, numbers(keep.ab));
  return {};
}

double LanguageModel::loss(const int32_t *targets, float gradientScale) {
  beginLoss(targets, gradientScale);
  return lossSum();
}

void LanguageModel::beginLoss(const int32_t *targets, float gradientScale) {
  assert(gradientScale == 0 || shape.training);
  Classifier classifier{settings.width, settings.vocabulary};
  Classifier::Gradient gradient;
  if (gradientScale != 0)
    gradient = {gradientScale, numbers(dInput),
                table.head(gradients()).floats()};
  const int32_t *placed = nullptr;
  lossBegun = place(targets, targetPlace, placed).ok();
  if (!lossBegun)
    return;
  auto work = [&] {
    classifier.losses(backend, B * T, numbers(lastNormed),
                      table.head(weightView()), placed, arena.floats(losses),
                      numbers(logitChunk),
                      gradientScale != 0 ? &gradient : nullptr);
    return Status();
  };
  lossBegun = repeat(StepPart::Loss, gradientScale, work).ok();
}

double LanguageModel::lossSum() {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  if (!lossBegun)
    return unknown;
  if (!backend.device.isHostMemory()) {
    hostLosses.resize(static_cast<size_t>(B * T));
    if (!backend.device
             .download(hostLosses.data(), arena.floats(losses),
                       hostLosses.size() * sizeof(float))
             .ok())
      return unknown;
  }
  double sum = 0;
  for (float one : tokenLosses())
    sum += one;
  return sum;
}

std::span<const float> LanguageModel::tokenLosses() const {
  if (!backend.device.isHostMemory())
    return hostLosses;
  return {arena.floats(losses), static_cast<size_t>(B * T)};
}

Status LanguageModel::backward(const GradientObserver &finished) {
  assert(shape.training && !carrying);
  // Who is told of gradients may begin work of their own.
  Status begun =
      finished ? backwardAll(finished)
               : repeat(StepPart::Backward, 0, [&] { return backwardAll({}); });
  backend.startsGradients = false;
  return begun;
}

Status LanguageModel::backwardAll(const GradientObserver &finished) {
  auto tell = [&](int64_t offset) {
    return finished ? finished(offset) : Status();
  };
  const int64_t rows = B * T;
  Numbers stream = numbers(dStream);
  backend.kernels.zero(stream, rows * settings.width);
  RmsNorm{settings.width, settings.norm}.backward(
      backend, rows, numbers(last), table.norm(weightView()),
      arena.floats(lastScale), numbers(dInput), stream, table.norm(gradients()),
      arena.floats(partials));
  DECAY_RETURN_IF_ERROR(tell(table.endOffset()));
  for (int64_t l = settings.layers - 1; l >= 0; --l) {
    // The last layer's are those of the forward pass.
    if (shape.recompute && l + 1 < settings.layers)
      DECAY_RETURN_IF_ERROR(recomputeLayer(l).within(
          fmt::format("layer {}, made again for backward", l)));
    DECAY_RETURN_IF_ERROR(
        backwardLayer(l).within(fmt::format("layer {}, backward", l)));
    DECAY_RETURN_IF_ERROR(tell(table.layerOffset(l)));
  }
  if (tpe)
    DECAY_RETURN_IF_ERROR(backwardTpe().within("positional module, backward"));
  Embedding{settings.width}.backward(
      backend, rows, tokens, numbers(tpe ? dInput : dStream),
      table.embedding(gradients()).floats(), arena.floats(partials));
  return tell(0);
}

Status LanguageModel::backwardLayer(int64_t layer) {
  const int64_t rows = B * T;
  const LayerSaved &keep = saved(layer);
  Parameters::Layer weight = table.layer(weightView(), layer);
  Parameters::Layer gradient = table.layer(gradients(), layer);
  RmsNorm norm{settings.width, settings.norm};
  // The stream's gradient passes every branch unchanged; each branch adds its
  // own.
  Numbers stream = numbers(dStream), dx = numbers(dInput);

  Glu{settings.width, settings.gluWidth}.backward(
      backend, rows, numbers(keep.gluInput), weight.glu, numbers(keep.ab),
      stream, numbers(hidden), dx, gradient.glu);
  norm.backward(backend, rows, numbers(keep.middle), weight.gluNorm,
                arena.floats(keep.gluScale), dx, stream, gradient.gluNorm,
                arena.floats(partials));

  DecayMixer::Scratch scratch;
  scratch.dStacked = numbers(dStacked);
  for (size_t i = 0; i < dSecond.size(); ++i)
    scratch.dSecond.push_back(mixer.projections()[i].rank ? numbers(dSecond[i])
                                                          : Numbers{});
  for (Arena::Region region : dLearned)
    scratch.dLearned.push_back(arena.floats(region));
  scratch.dO = numbers(dInner);
  scratch.partials = arena.floats(partials);
  DECAY_RETURN_IF_ERROR(
      mixer.backward(mixerCall(layer), numbers(keep.mixerInput), weight.mixer,
                     mixerSaved(keep), stream, scratch, dx, gradient.mixer));
  norm.backward(backend, rows, numbers(keep.input), weight.mixerNorm,
                arena.floats(keep.mixerScale), dx, stream, gradient.mixerNorm,
                arena.floats(partials));
  return {};
}

Status LanguageModel::backwardTpe() {
  Tpe::Scratch scratch;
  scratch.dNormed = numbers(dStacked);
  scratch.dO = numbers(dInner);
  scratch.partials = arena.floats(partials);
  for (Arena::Region region : dTpeLearned)
    scratch.dLearned.push_back(arena.floats(region));
  return tpe->backward(mixerCall(0), numbers(embedded), table.tpe(weightView()),
                       tpeSaved(), numbers(dStream), scratch, numbers(dInput),
                       table.tpe(gradients()));
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
  Numbers out = numbers(logitChunk);
  Slice input{numbers(lastNormed) + row * settings.width, settings.width};
  Linear{settings.width, settings.vocabulary}.forward(
      backend, 1, input, table.head(weightView()), {out, settings.vocabulary});
  auto count = static_cast<size_t>(settings.vocabulary);
  if (backend.device.isHostMemory())
    return {out.floats(), count};
  hostLogits.resize(count);
  float *converted = arena.floats(logitRow);
  backend.kernels.convert(converted, out, settings.vocabulary);
  if (!backend.device
           .download(hostLogits.data(), converted, count * sizeof(float))
           .ok())
    std::ranges::fill(hostLogits, std::numeric_limits<float>::quiet_NaN());
  return hostLogits;
}

} // namespace decay::runtime
