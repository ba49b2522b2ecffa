//===- LanguageModelPlan.cpp - All memory, before the first step -*- C++
//-*-===//
#include "runtime/nn/models/LanguageModel.h"

#include <algorithm>
#include <fmt/format.h>

namespace decay::runtime {

Result<std::unique_ptr<LanguageModel>>
LanguageModel::create(Backend backend, const ModelConfig &config,
                      ModelKernels kernels, RunShape shape) {
  DECAY_ASSIGN_OR_RETURN(auto model, prepare(backend, config, kernels, shape));
  DECAY_RETURN_IF_ERROR(model->allocate());
  return model;
}

Status LanguageModel::allocate() {
  DECAY_RETURN_IF_ERROR(arena.allocate(backend.device));
  return workspace.reserve(workspaceNeed);
}

Result<std::unique_ptr<LanguageModel>>
LanguageModel::prepare(Backend backend, const ModelConfig &config,
                       ModelKernels kernels, RunShape shape) {
  DECAY_RETURN_IF_ERROR(config.check());
  const Manifest &design = kernels.design.manifest();
  bool positional = design.position == Position::Tpe;
  if (positional && !kernels.tpe)
    return Status::user(
        fmt::format("design '{}' has position tpe, but no package of the "
                    "positional module was given",
                    design.design));
  auto model = std::unique_ptr<LanguageModel>(new LanguageModel(
      backend, config, {kernels.design, positional ? kernels.tpe : nullptr},
      shape));
  if (positional) {
    DECAY_ASSIGN_OR_RETURN(Tpe made,
                           Tpe::create(backend, *kernels.tpe, model->workspace,
                                       model->mixerShape()));
    model->tpe.emplace(made);
  }
  model->planWeights();
  model->planActivations();
  if (shape.training)
    model->planBackward();
  DECAY_RETURN_IF_ERROR(model->measureWorkspace());
  return model;
}

LanguageModel::LanguageModel(Backend backend, const ModelConfig &config,
                             ModelKernels kernels, RunShape shape)
    : backend(backend), settings(config), kernels(kernels), shape(shape),
      workspace(backend.device),
      mixer(backend, kernels.design, workspace, mixerShape()),
      table(config, kernels.design.manifest(), mixer,
            kernels.tpe ? &kernels.tpe->manifest() : nullptr) {}

int64_t LanguageModel::blockFloats() const {
  return (table.blockFloats() + shape.blockMultiple - 1) / shape.blockMultiple *
         shape.blockMultiple;
}

void LanguageModel::planWeights() {
  weightBlock = arena.planFloats("weights", "weights", blockFloats());
  if (copied())
    copyBlock = arena.planNumbers("weights", "rounded weights", blockFloats(),
                                  backend.device.activationType());
  if (shape.training)
    gradientBlock = arena.planFloats("gradients", "gradients", blockFloats());
}

void LanguageModel::planActivations() {
  const int64_t rows = shape.B * shape.T, D = settings.width;
  auto planFloats = [&](const char *name, int64_t count) {
    return arena.planFloats("activations", name, count);
  };
  auto plan = [&](const char *name, int64_t count) {
    return arena.planNumbers("activations", name, count,
                             backend.device.activationType());
  };
  last = plan("last", rows * D);
  lastNormed = plan("last normed", rows * D);
  lastScale = planFloats("last scale", rows);
  hidden = plan("hidden", rows * settings.gluWidth);
  losses = planFloats("losses", rows);
  Classifier classifier{D, settings.vocabulary};
  logitChunk =
      plan("logits", std::min(rows, classifier.chunkRows(backend.device)) *
                         settings.vocabulary);
  if (!backend.device.isHostMemory()) {
    tokenPlace = arena.plan("activations", "tokens",
                            static_cast<size_t>(rows) * sizeof(int32_t));
    targetPlace = arena.plan("activations", "targets",
                             static_cast<size_t>(rows) * sizeof(int32_t));
    logitRow = planFloats("logits of a row", settings.vocabulary);
  }
  if (tpe) {
    embedded = plan("embedded", rows * D);
    tpeO = plan("tpe o", rows * D);
    tpeNormed = plan("tpe normed", rows * D);
    tpeScale = planFloats("tpe scale", rows);
  }
  if (shape.lambda)
    lambda = planFloats("lambda", rows * D);
  int64_t kept = shape.training && !shape.recompute ? settings.layers : 1;
  for (int64_t l = 0; l < kept; ++l)
    layers.push_back(planLayer());
  for (int64_t l = kept; shape.training && l < settings.layers; ++l) {
    layers.push_back(layers.front());
    layers.back().input = plan("input", rows * D);
  }
  if (!shape.states)
    return;
  DecayDims dims = mixer.dims({shape.B, shape.T, 0, settings.layers, 0});
  for (int64_t l = 0; l < settings.layers; ++l)
    states.push_back(planState(kernels.design.manifest(), dims));
  if (tpe)
    tpeState = planState(kernels.tpe->manifest(),
                         tpe->dims({shape.B, shape.T, 0, 1, 0}));
}

LanguageModel::LayerSaved LanguageModel::planLayer() {
  const int64_t rows = shape.B * shape.T, D = settings.width,
                inner = mixer.innerWidth();
  auto planFloats = [&](const char *name, int64_t count) {
    return arena.planFloats("activations", name, count);
  };
  auto plan = [&](const char *name, int64_t count) {
    return arena.planNumbers("activations", name, count,
                             backend.device.activationType());
  };
  LayerSaved layer;
  // Without backward one array serves as the residual stream of all layers.
  layer.input = shape.training ? plan("input", rows * D) : last;
  layer.middle = shape.training ? plan("middle", rows * D) : last;
  layer.mixerInput = plan("mixer input", rows * D);
  layer.mixerScale = planFloats("mixer scale", rows);
  layer.stacked = plan("projections", rows * mixer.stackedWidth());
  for (const DecayMixer::Projection &projection : mixer.projections())
    layer.second.push_back(
        projection.rank ? plan("second factor", rows * projection.outputs)
                        : Arena::Region{});
  layer.gate = plan("gate", rows * inner);
  layer.o = plan("o", rows * inner);
  layer.normed = plan("normed", rows * inner);
  layer.scale = planFloats("scale", rows);
  for (const KernelOperandInfo &info : keptOperands())
    if (shape.training)
      layer.kept.push_back(arena.planNumbers(
          "activations", info.name,
          info.shape.elements(
              mixer.dims({shape.B, shape.T, 0, settings.layers, 0}),
              kernels.design.manifest().stateWidth),
          numberType(info.type)));
  layer.gluInput = plan("glu input", rows * D);
  layer.gluScale = planFloats("glu scale", rows);
  layer.ab = plan("ab", rows * 2 * settings.gluWidth);
  return layer;
}

void LanguageModel::planBackward() {
  const int64_t rows = shape.B * shape.T, D = settings.width;
  auto planFloats = [&](const char *name, int64_t count) {
    return arena.planFloats("backward", name, count);
  };
  auto plan = [&](const char *name, int64_t count) {
    return arena.planNumbers("backward", name, count,
                             backend.device.activationType());
  };
  const int64_t widest = std::max(D, mixer.innerWidth());
  dStream = plan("stream", rows * D);
  dInput = plan("input", rows * D);
  dInner = plan("inner", rows * widest);
  dStacked = plan("projections", rows * std::max(D, mixer.stackedWidth()));
  partials = planFloats("partial sums",
                        std::max(NativeKernels::partialFloats({rows, widest}),
                                 NativeKernels::scatterFloats({rows, D})));
  for (const DecayMixer::Projection &projection : mixer.projections())
    dSecond.push_back(projection.rank
                          ? plan("second factor", rows * projection.outputs)
                          : Arena::Region{});
  auto planLearned = [&](const Manifest &manifest, const DecayDims &dims) {
    std::vector<Arena::Region> regions;
    for (const ManifestParameter &parameter : manifest.parameters)
      regions.push_back(planFloats(
          "learned", parameter.shape.elements(dims, manifest.stateWidth)));
    return regions;
  };
  dLearned = planLearned(kernels.design.manifest(),
                         mixer.dims({1, 1, 0, settings.layers, 0}));
  if (tpe)
    dTpeLearned =
        planLearned(kernels.tpe->manifest(), tpe->dims({1, 1, 0, 1, 0}));
}

LanguageModel::StatePlaces LanguageModel::planState(const Manifest &manifest,
                                                    const DecayDims &dims) {
  StatePlaces places;
  for (int half = 0; half < 2; ++half) {
    places.state[half] = arena.planFloats(
        "states", "state",
        manifest.stateShape.elements(dims, manifest.stateWidth));
    for (const ManifestCarry &carry : manifest.carries)
      places.carries[half].push_back(
          arena.planFloats("states", carry.name,
                           carry.shape.elements(dims, manifest.stateWidth)));
  }
  return places;
}

Status LanguageModel::measureWorkspace() {
  // Fewer, longer sequences may need more than many short ones: take the
  // larger.
  auto measure = [&](const KernelLibrary &library, KernelRole role,
                     DecayDims dims) -> Status {
    DECAY_ASSIGN_OR_RETURN(
        int64_t wanted,
        library.workspaceBytes(role, dims, backend.device.workers()));
    workspaceNeed = std::max(workspaceNeed, wanted);
    return {};
  };
  std::vector<KernelRole> roles{KernelRole::Forward};
  if (shape.training)
    roles.push_back(KernelRole::Backward);
  for (KernelRole role : roles) {
    DECAY_RETURN_IF_ERROR(
        measure(kernels.design, role,
                mixer.dims({shape.B, shape.T, 0, settings.layers, 0})));
    if (tpe)
      DECAY_RETURN_IF_ERROR(
          measure(*kernels.tpe, role, tpe->dims({shape.B, shape.T, 0, 1, 0})));
  }
  return {};
}

} // namespace decay::runtime
