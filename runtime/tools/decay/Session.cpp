//===- Session.cpp ---------------------------------------------*- C++ -*-===//
#include "runtime/tools/decay/Session.h"

#include "runtime/core/Files.h"
#include "runtime/device/Devices.h"
#include "runtime/device/HostArray.h"

#include <fmt/format.h>

namespace decay::runtime {

Result<Machine> Machine::create(int64_t threads, const std::string &device,
                                std::optional<NumberType> activations,
                                int64_t ordinal) {
  Machine machine;
  DeviceOptions options;
  options.workers = threads;
  options.activationType = activations;
  options.ordinal = ordinal;
  machine.name = device.empty() ? deviceNames().front() : device;
  DECAY_ASSIGN_OR_RETURN(machine.device, createDevice(machine.name, options));
  DECAY_ASSIGN_OR_RETURN(machine.kernels,
                         createNativeKernels(machine.name, *machine.device));
  return machine;
}

static Result<KernelLibrary> compileOne(const DesignRequest &request,
                                        const std::filesystem::path &folder) {
  if (std::filesystem::path(request.design).extension() != ".so") {
    DECAY_ASSIGN_OR_RETURN(std::string path, compileDesign(request, folder));
    return KernelLibrary::load(path);
  }
  if (!request.settings.empty())
    return Status::user(fmt::format(
        "{} is a compiled package, whose settings are made: leave '{}' out, or "
        "give the design's name",
        request.design, request.settings.front().first));
  return KernelLibrary::load(request.design);
}

Result<Packages> compilePackages(const DesignRequest &request,
                                 const std::filesystem::path &folder) {
  DECAY_RETURN_IF_ERROR(createFolders(folder));
  DECAY_ASSIGN_OR_RETURN(KernelLibrary design, compileOne(request, folder));
  Packages packages{std::move(design), std::nullopt};
  if (packages.design.manifest().position != Position::Tpe)
    return packages;
  DECAY_ASSIGN_OR_RETURN(KernelLibrary tpe,
                         compileOne({"tpe", {}, request.target}, folder));
  packages.tpe.emplace(std::move(tpe));
  return packages;
}

Json Packages::record(const DesignRequest &request) const {
  Json settings = Json::array();
  for (const auto &[name, value] : request.settings)
    settings.push_back({name, value});
  Json record = {{"model_type", "decay"},
                 {"architectures", {"DecayForCausalLM"}},
                 {"torch_dtype", "float32"},
                 {"design", request.design},
                 {"design_settings", settings},
                 {"design_hash", design.manifest().hash},
                 {"design_package",
                  std::filesystem::path(design.path()).filename().string()}};
  record["tpe_package"] =
      tpe ? Json(std::filesystem::path(tpe->path()).filename().string())
          : Json();
  return record;
}

/// The packages that a run was trained with, from its own folder; compiled
/// again if they are gone. The hash says whether they are the same.
static Result<Packages> packagesOf(const Json &config,
                                   const std::filesystem::path &folder,
                                   const std::string &file) {
  DECAY_ASSIGN_OR_RETURN(std::string hash,
                         jsonString(config, "design_hash", file));
  DECAY_ASSIGN_OR_RETURN(std::string name,
                         jsonString(config, "design_package", file));
  auto kept = KernelLibrary::load(
      (folder / std::filesystem::path(name).filename()).string());
  if (kept.ok() && kept->manifest().hash == hash &&
      kept->manifest().position != Position::Tpe)
    return Packages{std::move(*kept), std::nullopt};

  DesignRequest request;
  DECAY_ASSIGN_OR_RETURN(request.design, jsonString(config, "design", file));
  for (const Json &setting : config.value("design_settings", Json::array()))
    if (setting.is_array() && setting.size() == 2 && setting[0].is_string() &&
        setting[1].is_string())
      request.settings.emplace_back(setting[0].get<std::string>(),
                                    setting[1].get<std::string>());
  DECAY_ASSIGN_OR_RETURN(Packages packages, compilePackages(request, folder));
  if (packages.design.manifest().hash != hash)
    return Status::user(
        fmt::format("{}: design '{}' is no longer the one that the model was "
                    "trained with (other hash); bring "
                    "the old file back",
                    file, request.design));
  return packages;
}

static Status readWeights(Device &device, const SafetensorsFile &file,
                          LanguageModel &model) {
  HostArray weights(device, model.weights(), model.parameters().blockFloats());
  std::vector<TensorTarget> targets;
  for (const ParameterInfo &info : model.parameters().infos())
    targets.push_back({info.name, info.shape, weights.data() + info.offset});
  DECAY_RETURN_IF_ERROR(readTensors(file, targets));
  DECAY_RETURN_IF_ERROR(weights.write());
  model.refreshWeights();
  return {};
}

Result<TrainedModel> loadTrained(Machine &machine,
                                 const std::filesystem::path &path,
                                 RunShape shape) {
  DECAY_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::load(path));
  std::string file = (checkpoint.folder() / "config.json").string();
  auto text = checkpoint.files().find("tokenizer.json");
  if (text == checkpoint.files().end())
    return Status::world(checkpoint.folder().string() +
                         ": there is no tokenizer.json");
  DECAY_ASSIGN_OR_RETURN(Tokenizer tokenizer,
                         Tokenizer::parse(text->second, "tokenizer.json"));
  DECAY_ASSIGN_OR_RETURN(ModelConfig config,
                         ModelConfig::fromJson(checkpoint.config(), file));
  DECAY_ASSIGN_OR_RETURN(
      int64_t sequence,
      jsonInteger(checkpoint.config(), "max_position_embeddings", file, 1));
  DECAY_ASSIGN_OR_RETURN(
      Packages packages,
      packagesOf(checkpoint.config(),
                 checkpoint.folder().parent_path() / "packages", file));
  TrainedModel trained{checkpoint.folder(),
                       std::move(tokenizer),
                       std::make_unique<Packages>(std::move(packages)),
                       nullptr,
                       checkpoint.config(),
                       checkpoint.state().step,
                       sequence};
  if (shape.T == 0)
    shape.T = sequence;
  DECAY_ASSIGN_OR_RETURN(
      trained.model, LanguageModel::create(machine.backend(), config,
                                           trained.packages->kernels(), shape));
  DECAY_RETURN_IF_ERROR(
      readWeights(*machine.device, checkpoint.model(), *trained.model));
  return trained;
}

} // namespace decay::runtime
