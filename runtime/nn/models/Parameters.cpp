//===- Parameters.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/nn/models/Parameters.h"

#include <fmt/format.h>

namespace decay::runtime {

constexpr int64_t floatsPerLine = 16;

Parameters::Parameters(const ModelConfig &config, const Manifest &design,
                       const DecayMixer &mixer, const Manifest *tpe) {
  const int64_t D = config.width, M = config.gluWidth;
  embeddingIndex =
      add("embedding.weight", {config.vocabulary, D}, Fill::TruncatedNormal);
  if (tpe)
    addTpe(config, *tpe);
  DecayDims dims = mixer.dims({1, 1, 0, config.layers, 0});
  for (const ManifestParameter &parameter : design.parameters)
    acrossLayers.push_back(
        parameter.acrossLayers()
            ? std::optional(addLearned("decay.", design, parameter, dims))
            : std::nullopt);
  for (int64_t l = 0; l < config.layers; ++l) {
    std::string prefix = fmt::format("layers.{}.", l);
    LayerPlaces places;
    places.mixerNorm = add(prefix + "mixer_norm.weight", {D}, Fill::One);
    places.mixer = addMixer(prefix + "mixer.", config, design, mixer);
    places.gluNorm = add(prefix + "glu_norm.weight", {D}, Fill::One);
    places.expand =
        addMatrix(prefix + "glu.w1.weight", M, D, Fill::TruncatedNormal);
    addMatrix(prefix + "glu.w2.weight", M, D, Fill::TruncatedNormal,
              Start::Adjacent);
    // Drawn, divided by √(2L) and then multiplied by 0: silent at the start.
    places.shrink = addMatrix(prefix + "glu.w3.weight", D, M, Fill::Zero);
    layers.push_back(std::move(places));
  }
  normIndex = add("norm.weight", {D}, Fill::One);
  headIndex =
      addMatrix("head.weight", config.vocabulary, D, Fill::TruncatedNormal);
  total = (total + floatsPerLine - 1) / floatsPerLine * floatsPerLine;
}

size_t Parameters::add(std::string name, std::vector<int64_t> shape, Fill fill,
                       Start start, bool weightDecay) {
  ParameterInfo info;
  info.name = std::move(name);
  info.count = 1;
  for (int64_t extent : shape)
    info.count *= extent;
  info.shape = std::move(shape);
  info.weightDecay = weightDecay;
  info.fill = fill;
  if (start == Start::Aligned)
    total = (total + floatsPerLine - 1) / floatsPerLine * floatsPerLine;
  info.offset = total;
  total += info.count;
  list.push_back(std::move(info));
  return list.size() - 1;
}

size_t Parameters::addMatrix(std::string name, int64_t rows, int64_t columns,
                             Fill fill, Start start) {
  size_t index = add(std::move(name), {rows, columns}, fill, start);
  list[index].isMatrix = true;
  return index;
}

size_t Parameters::addLearned(const std::string &prefix,
                              const Manifest &manifest,
                              const ManifestParameter &parameter,
                              const DecayDims &dims) {
  return add(prefix + parameter.name,
             parameter.shape.extents(dims, manifest.stateWidth), Fill::Design,
             Start::Aligned, parameter.weightDecay);
}

Parameters::MixerPlaces Parameters::addMixer(const std::string &prefix,
                                             const ModelConfig &config,
                                             const Manifest &design,
                                             const DecayMixer &mixer) {
  const int64_t D = config.width, inner = mixer.innerWidth();
  bool published = config.initialisation == Initialisation::Published;
  Fill matrix = published ? Fill::TruncatedNormal : Fill::XavierUniform;
  MixerPlaces places;
  places.stacked = list.size();
  Start start = Start::Aligned;
  for (const DecayMixer::Projection &projection : mixer.projections()) {
    const char *part = projection.rank ? ".0.weight" : ".weight";
    addMatrix(prefix + projection.name + part, projection.columns, D, matrix,
              start);
    start = Start::Adjacent;
  }
  addMatrix(prefix + "gate.0.weight", config.gateRank, D, matrix, start);
  for (const DecayMixer::Projection &projection : mixer.projections()) {
    std::string name = prefix + projection.name;
    places.second.push_back(
        projection.rank
            ? std::optional(addMatrix(name + ".1.weight", projection.outputs,
                                      projection.rank, matrix))
            : std::nullopt);
    places.bias.push_back(
        projection.bias ? std::optional(add(name + ".bias",
                                            {projection.outputs}, Fill::Zero))
                        : std::nullopt);
  }
  places.gateSecond =
      addMatrix(prefix + "gate.1.weight", inner, config.gateRank, matrix);
  DecayDims dims = mixer.dims({1, 1, 0, config.layers, 0});
  for (size_t i = 0; i < design.parameters.size(); ++i)
    places.learned.push_back(
        acrossLayers[i]
            ? *acrossLayers[i]
            : addLearned(prefix, design, design.parameters[i], dims));
  places.norm = add(prefix + "norm.weight", {inner}, Fill::One);
  places.output = addMatrix(prefix + "output.weight", D, inner,
                            published ? Fill::TruncatedNormal : Fill::Zero);
  return places;
}

void Parameters::addTpe(const ModelConfig &config, const Manifest &tpe) {
  TpePlaces places;
  DecayDims dims{};
  dims.B = dims.T = dims.layers = 1;
  dims.H = config.heads, dims.K = dims.V = config.headWidth();
  for (const ManifestParameter &parameter : tpe.parameters)
    places.learned.push_back(addLearned("tpe.", tpe, parameter, dims));
  places.norm = add("tpe.norm.weight", {config.width}, Fill::One);
  places.output =
      addMatrix("tpe.output.weight", config.width, config.width, Fill::Zero);
  tpePlaces = std::move(places);
}

int64_t Parameters::count() const {
  int64_t sum = 0;
  for (const ParameterInfo &info : list)
    sum += info.count;
  return sum;
}

Parameters::Layer Parameters::layer(const BlockView &block,
                                    int64_t layer) const {
  const LayerPlaces &places = layers[static_cast<size_t>(layer)];
  Layer view;
  view.mixerNorm = at(block, places.mixerNorm);
  view.gluNorm = at(block, places.gluNorm);
  view.glu = {matrix(block, places.expand), matrix(block, places.shrink)};
  view.mixer.stacked = matrix(block, places.mixer.stacked);
  view.mixer.gateSecond = matrix(block, places.mixer.gateSecond);
  view.mixer.output = {at(block, places.mixer.norm),
                       matrix(block, places.mixer.output)};
  for (const std::optional<size_t> &index : places.mixer.second)
    view.mixer.second.push_back(index ? matrix(block, *index) : Numbers{});
  for (const std::optional<size_t> &index : places.mixer.bias)
    view.mixer.bias.push_back(index ? at(block, *index) : nullptr);
  for (size_t index : places.mixer.learned)
    view.mixer.learned.push_back(at(block, index));
  return view;
}

Tpe::Weights Parameters::tpe(const BlockView &block) const {
  Tpe::Weights view;
  for (size_t index : tpePlaces->learned)
    view.learned.push_back(at(block, index));
  view.norm = at(block, tpePlaces->norm);
  view.output = matrix(block, tpePlaces->output);
  return view;
}

} // namespace decay::runtime
