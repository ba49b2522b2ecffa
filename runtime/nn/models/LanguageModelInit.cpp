//===- LanguageModelInit.cpp - How weights start ---------------*- C++ -*-===//
#include "runtime/core/Philox.h"
#include "runtime/device/HostArray.h"
#include "runtime/nn/models/LanguageModel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

namespace decay::runtime {
namespace {

constexpr float deviation = 0.02f;
constexpr double cut = 3;
constexpr double xavierGain = 0.01;

/// A parameter's stream: FNV-1a of its name.
uint64_t streamOf(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char letter : name)
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  return hash;
}

Status fill(Device &device, const ParameterInfo &info, uint64_t seed,
            float *weights) {
  HostArray host(device, weights, info.count);
  float *out = host.data();
  Philox random(seed, streamOf(info.name));
  double bound = 0;
  if (info.fill == Fill::XavierUniform)
    bound = xavierGain *
            std::sqrt(6.0 / static_cast<double>(info.shape[0] + info.shape[1]));
  auto draw = [&](uint64_t i) -> float {
    switch (info.fill) {
    case Fill::Zero:
    case Fill::Design:
      return 0;
    case Fill::One:
      return 1;
    case Fill::TruncatedNormal:
      return deviation * static_cast<float>(random.truncatedNormal(i, cut));
    case Fill::XavierUniform:
      return static_cast<float>(bound * (2.0 * random.uniform(i) - 1.0));
    }
    return 0;
  };
  constexpr int64_t perTask = 4096;
  device.parallelFor((info.count + perTask - 1) / perTask,
                     [&](int64_t task, int64_t) {
                       int64_t end = std::min(info.count, (task + 1) * perTask);
                       for (int64_t i = task * perTask; i < end; ++i)
                         out[i] = draw(static_cast<uint64_t>(i));
                     });
  return host.write();
}

/// Runs init_parameters of a package into arrays of its parameters.
Status drawLearned(Backend backend, const KernelLibrary &kernels,
                   KernelWorkspace &workspace, DecayDims dims, uint64_t seed,
                   const std::vector<float *> &learned) {
  if (kernels.manifest().parameters.empty())
    return {};
  dims.seed = seed;
  OperandBinder operands(kernels.manifest());
  operands.learned(learned);
  return operands.launch(kernels, KernelRole::InitParameters, dims, workspace,
                         backend);
}

} // namespace

Status LanguageModel::initialise(uint64_t seed) {
  for (const ParameterInfo &info : table.infos())
    DECAY_RETURN_IF_ERROR(
        fill(backend.device, info, seed, weights() + info.offset));

  const Manifest &design = kernels.design.manifest();
  Philox seeds(seed, streamOf("decay"));
  std::vector<KernelWorkspace> spare;
  for (const ManifestParameter &parameter : design.parameters) {
    DecayDims dims = mixer.dims({1, 1, 0, settings.layers, 0});
    DECAY_RETURN_IF_ERROR(
        spare.emplace_back(backend.device)
            .reserve(parameter.shape.elements(dims, design.stateWidth) *
                     bytesOf(NumberType::F32)));
  }
  for (int64_t l = 0; l < settings.layers; ++l) {
    std::vector<float *> learned = table.layer(weights(), l).mixer.learned;
    // What belongs to the whole model is drawn once, with layer 0.
    for (size_t i = 0; i < learned.size(); ++i)
      if (l > 0 && design.parameters[i].acrossLayers())
        learned[i] = static_cast<float *>(spare[i].data());
    DECAY_RETURN_IF_ERROR(drawLearned(backend, kernels.design, workspace,
                                      mixer.dims({1, 1, l, settings.layers, 0}),
                                      seeds.bits(static_cast<uint64_t>(l)),
                                      learned)
                              .within(fmt::format("initialising layer {}", l)));
  }
  if (tpe)
    DECAY_RETURN_IF_ERROR(drawLearned(backend, *kernels.tpe, workspace,
                                      tpe->dims({1, 1, 0, 1, 0}),
                                      Philox(seed, streamOf("tpe")).bits(0),
                                      table.tpe(weights()).learned)
                              .within("initialising the positional module"));
  refreshWeights();
  return readFaults();
}

} // namespace decay::runtime
