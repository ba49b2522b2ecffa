//===- Session.cpp ---------------------------------------------*- C++ -*-===//
#include "runtime/tools/decay/Session.h"

#include "runtime/core/Files.h"
#include "runtime/device/Devices.h"
#include "runtime/device/HostArray.h"

#include <algorithm>
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

DesignRequest DesignRequest::forMachine(const Machine &machine,
                                        std::string design) {
  bool isBfloat = machine.device->activationType() == NumberType::BF16;
  return {std::move(design),
          {},
          std::string(machine.device->target()),
          isBfloat ? "bf16" : "fp32"};
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
  DECAY_ASSIGN_OR_RETURN(
      KernelLibrary tpe,
      compileOne({"tpe", {}, request.target, request.precision}, folder));
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
                 {"design_target", design.target()},
                 {"design_precision", request.precision},
                 {"design_package",
                  std::filesystem::path(design.path()).filename().string()}};
  record["tpe_package"] =
      tpe ? Json(std::filesystem::path(tpe->path()).filename().string())
          : Json();
  return record;
}

static DesignRequest requestOf(const Json &config, std::string design) {
  DesignRequest request{std::move(design),
                        {},
                        config.value("design_target", ""),
                        config.value("design_precision", "")};
  for (const Json &setting : config.value("design_settings", Json::array()))
    if (setting.is_array() && setting.size() == 2 && setting[0].is_string() &&
        setting[1].is_string())
      request.settings.emplace_back(setting[0].get<std::string>(),
                                    setting[1].get<std::string>());
  return request;
}

/// The packages that a run was trained with, from its own folder; compiled
/// again if they are gone. The hash says whether they are the same.
static Result<Packages> trainedPackages(const Json &config,
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

  DECAY_ASSIGN_OR_RETURN(std::string design,
                         jsonString(config, "design", file));
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(requestOf(config, design), folder));
  if (packages.design.manifest().hash != hash)
    return Status::user(
        fmt::format("{}: design '{}' is no longer the one that the model was "
                    "trained with (other hash); bring "
                    "the old file back",
                    file, design));
  return packages;
}

/// Whether two packages, maybe for different targets, are of one design with
/// the same settings.
static bool areOfOneDesign(const Manifest &a, const Manifest &b) {
  auto sameSetting = [](const ManifestSetting &x, const ManifestSetting &y) {
    return x.name == y.name && x.value == y.value;
  };
  auto sameParameter = [](const ManifestParameter &x,
                          const ManifestParameter &y) {
    return x.name == y.name && x.shape.text() == y.shape.text();
  };
  return a.design == b.design && a.granularity == b.granularity &&
         a.sharing == b.sharing && a.position == b.position &&
         a.compatibility == b.compatibility &&
         std::ranges::equal(a.settings, b.settings, sameSetting) &&
         std::ranges::equal(a.parameters, b.parameters, sameParameter);
}

/// The packages of a trained model for `target`.
static Result<Packages> packagesFor(std::string_view target, const Json &config,
                                    const std::filesystem::path &folder,
                                    const std::string &file,
                                    const std::string &package) {
  Result<Packages> trained = trainedPackages(config, folder, file);
  if (package.empty() && (!trained.ok() || trained->design.target() == target))
    return trained;
  DECAY_ASSIGN_OR_RETURN(std::string design,
                         jsonString(config, "design", file));
  DesignRequest request = package.empty() ? requestOf(config, design)
                                          : DesignRequest{package, {}, ""};
  request.target = target;
  request.precision.clear();
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(request, folder / target));
  const Manifest &found = packages.design.manifest();
  bool known =
      found.hash == config.value("design_hash", "") ||
      (trained.ok() && areOfOneDesign(trained->design.manifest(), found));
  if (!known)
    return Status::user(fmt::format(
        "{} is of design '{}', which is not the one that the model was trained "
        "with, or has other settings",
        packages.design.path(), found.design));
  if (packages.design.target() != target)
    return Status::user(fmt::format(
        "{} is a package for '{}' and the device runs those for '{}': give "
        "one, "
        "--design=FILE.so, made by decayc --target={}",
        packages.design.path(), packages.design.target(), target, target));
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

void addPlaceOptions(CLI::App &command, TrainedPlace &place) {
  command.add_option("--device", place.device,
                     "What to run on; the default: " + deviceNames().front());
  command.add_option("--design", place.package,
                     "Compiled package (.so) of the model's design, in place "
                     "of the run's own");
  command.add_option("--threads", place.threads, "0: one for each core");
}

Result<TrainedModel> loadTrained(Machine &machine,
                                 const std::filesystem::path &path,
                                 RunShape shape, const std::string &package) {
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
      packagesFor(machine.device->target(), checkpoint.config(),
                  checkpoint.folder().parent_path() / "packages", file,
                  package));
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
