//===- TrainCommand.cpp - decay train --------------------------*- C++ -*-===//
#include "runtime/core/Files.h"
#include "runtime/core/Progress.h"
#include "runtime/core/Sha256.h"
#include "runtime/core/Signals.h"
#include "runtime/device/Devices.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"
#include "runtime/train/Trainer.h"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace decay::runtime {
namespace {

struct TrainOptions {
  std::string file;
  std::string device, design, granularity, sharing, position, compat;
  std::vector<std::string> set;
  bool fallBack = false, quiet = false, json = false, settings = false;
};

/// Short flags are other names for settings.
struct ShortFlag {
  const char *key;
  std::string TrainOptions::*member;
};
constexpr ShortFlag shortFlags[] = {
    {"job.device", &TrainOptions::device},
    {"model.design", &TrainOptions::design},
    {"model.granularity", &TrainOptions::granularity},
    {"model.sharing", &TrainOptions::sharing},
    {"model.position", &TrainOptions::position},
    {"model.compat", &TrainOptions::compat}};

Result<TrainConfig> readConfig(const TrainOptions &options,
                               const std::vector<std::string> &overrides) {
  for (const std::string &given : overrides)
    if (!given.starts_with("--") || given.find('.') == std::string::npos)
      return Status::user(fmt::format(
          "'{}' is no argument of `decay train`; settings are written "
          "--section.key=value",
          given));
  std::string text;
  if (!options.file.empty()) {
    DECAY_ASSIGN_OR_RETURN(text, readFile(options.file, size_t(1) << 20));
  }
  DECAY_ASSIGN_OR_RETURN(Config config, Config::parse(text, options.file));
  for (const ShortFlag &flag : shortFlags)
    if (!(options.*flag.member).empty())
      DECAY_RETURN_IF_ERROR(
          config.set(fmt::format("{}={}", flag.key, options.*flag.member)));
  if (!options.set.empty()) {
    std::string list;
    for (const std::string &one : options.set)
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", one);
    DECAY_RETURN_IF_ERROR(config.set(fmt::format("model.set=[{}]", list)));
  }
  for (const std::string &given : overrides)
    DECAY_RETURN_IF_ERROR(config.set(given.substr(2)));
  return TrainConfig::read(config);
}

/// All ranks must train the same.
Status compareSettings(Peers &peers, const TrainConfig &config) {
  DECAY_ASSIGN_OR_RETURN(std::vector<std::string> all,
                         peers.gather(sha256(config.canonical())));
  for (size_t rank = 0; rank < all.size(); ++rank)
    if (all[rank] != all.front())
      return Status::user(fmt::format("rank {} was started with other settings "
                                      "than rank 0: give all the same",
                                      rank));
  return {};
}

PeerOptions peerOptions(const TrainConfig &config, const RankPlace &place) {
  PeerOptions options;
  options.silence = config.rankTimeout;
  options.patience = config.startTimeout;
  options.lastResort = [rank = place.rank](const Status &status) {
    fmt::print(stderr, "decay: rank {}: {}\n", rank, status.message());
    std::_Exit(static_cast<int>(status.code()));
  };
  return options;
}

/// Lines, and on a terminal how far it is between them.
class Screen {
public:
  Screen(const TrainConfig &config, int64_t ranks, bool quiet) : quiet(quiet) {
    Progress::Options options;
    options.label = config.design;
    options.unit = "tok";
    options.total = config.steps * config.batch * config.sequence *
                    config.accumulation * ranks;
    options.terminal = isatty(STDERR_FILENO) == 1;
    progress.emplace(
        options, [](std::string_view text) { fmt::print(stderr, "{}", text); });
  }

  TrainerOutput output() {
    TrainerOutput out;
    out.stopRequested = stopRequested;
    if (quiet)
      return out;
    out.say = [this](std::string_view line) {
      progress->clear();
      fmt::print(stderr, "{}{}", line, line.ends_with('\n') ? "" : "\n");
    };
    if (isatty(STDERR_FILENO) == 1)
      out.progress = [this](int64_t tokens, std::string_view note) {
        progress->update(tokens, note);
      };
    return out;
  }
  void finish() { progress->clear(); }

private:
  bool quiet;
  std::optional<Progress> progress;
};

/// What a rank trains with.
struct Workplace {
  Dataset dataset;
  RunFolder run;
  Machine machine;
  DesignRequest request;
  Packages packages;
};

Result<Workplace> openWorkplace(const TrainConfig &config,
                                const RankPlace &place) {
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(config.dataset));
  RunFolder run = RunFolder::beside(config.runFolder);
  if (place.rank == 0) {
    DECAY_ASSIGN_OR_RETURN(run, RunFolder::open(config.runFolder));
  }
  DECAY_ASSIGN_OR_RETURN(Machine machine,
                         Machine::create(config.threads, config.device,
                                         config.activationType(),
                                         place.localRank));
  DesignRequest request = DesignRequest::forMachine(machine, config.design);
  DECAY_ASSIGN_OR_RETURN(request.settings, config.designSettings());
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(request, run.path() / "packages"));
  return Workplace{std::move(dataset), std::move(run), std::move(machine),
                   std::move(request), std::move(packages)};
}

/// Rank 0 goes first: what it compiles the others find.
Result<Workplace> openWorkplaces(const TrainConfig &config,
                                 const RankPlace &place, Peers &peers) {
  Result<Workplace> first = Status::user("not this rank's turn");
  if (peers.isFirst())
    first = openWorkplace(config, place);
  DECAY_RETURN_IF_ERROR(
      peers.agree(peers.isFirst() ? first.status() : Status()));
  if (peers.isFirst()) {
    DECAY_RETURN_IF_ERROR(peers.agree({}));
    return first;
  }
  Result<Workplace> mine = openWorkplace(config, place);
  DECAY_RETURN_IF_ERROR(peers.agree(mine.status()));
  return mine;
}

Status trainAmong(Peers &peers, const RankPlace &place,
                  const TrainConfig &config, const TrainOptions &options) {
  DECAY_RETURN_IF_ERROR(compareSettings(peers, config));
  DECAY_ASSIGN_OR_RETURN(Workplace work, openWorkplaces(config, place, peers));
  Machine &machine = work.machine;
  DECAY_ASSIGN_OR_RETURN(auto communicator,
                         createCommunicator(config.communicator, machine.name,
                                            *machine.device, peers));
  const bool quiet = options.quiet || !peers.isFirst();
  Screen screen(config, peers.size(), quiet);
  TrainerOutput output = screen.output();
  output.say(machine.device->describe());
  if (peers.size() > 1)
    output.say(communicator->describe());
  catchStopSignals();
  TrainerParts parts{machine.backend(),
                     work.packages.kernels(),
                     work.dataset,
                     work.run,
                     work.packages.record(work.request),
                     peers,
                     *communicator};
  DECAY_ASSIGN_OR_RETURN(
      auto trainer,
      Trainer::create(config, std::move(parts), output, options.fallBack));
  DECAY_ASSIGN_OR_RETURN(TrainOutcome outcome, trainer->run());
  screen.finish();
  bool stopped = outcome.end == TrainEnd::Stopped;
  if (options.json && peers.isFirst())
    fmt::print("{}", writeJson({{"run", config.runFolder},
                                {"step", outcome.step},
                                {"stopped", stopped},
                                {"loss", outcome.lastLoss},
                                {"skipped", outcome.skipped}}));
  else if (!quiet)
    fmt::print(stderr, "{} at step {}; the same command goes on from there\n",
               stopped ? "stopped and saved" : "finished", outcome.step);
  return {};
}

Status train(const TrainOptions &options,
             const std::vector<std::string> &overrides) {
  if (options.settings) {
    fmt::print("Settings, their defaults and meanings:\n{}",
               TrainConfig::describe());
    return {};
  }
  DECAY_ASSIGN_OR_RETURN(TrainConfig config, readConfig(options, overrides));
  DECAY_ASSIGN_OR_RETURN(RankPlace place, findRankPlace());
  if (place.size == 1)
    place = {};
  std::string name = fmt::format("rank {}", place.rank);
  auto peers = Peers::connect(place, peerOptions(config, place));
  if (!peers.ok())
    return std::move(peers).status().within(name);
  Status status = trainAmong(**peers, place, config, options);
  (*peers)->leave(status);
  return place.size == 1 ? status : std::move(status).within(name);
}

} // namespace

void addTrainCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App *command =
      app.add_subcommand("train", "Train a model, or go on with a run");
  command->add_option("config", options->file, "TOML file of settings");
  command->add_option("--device", options->device,
                      "What to train on; the default: " +
                          deviceNames().front());
  command->add_option("--design", options->design,
                      "Library design, .decay file or compiled package (.so)");
  command->add_option("--granularity", options->granularity,
                      "vector or scalar");
  command->add_flag("--sharing{on}", options->sharing,
                    "k follows from the decay");
  command->add_option("--position", options->position,
                      "none, rope, lrpe_cosine or tpe");
  command->add_option("--compat", options->compat, "published or authors");
  command->add_option("--set", options->set, "A setting of the design: p=0.9")
      ->allow_extra_args(false);
  command->add_flag(
      "--fall-back", options->fallBack,
      "If the newest checkpoint is damaged, take the one before it");
  command->add_flag("--settings", options->settings,
                    "List all settings and leave");
  command->add_flag("-q,--quiet", options->quiet, "Say nothing but errors");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->allow_extras();
  command->footer(
      "Settings come from the TOML file, then from "
      "--section.key=value; `decay train --settings`\n"
      "lists them. A run that was stopped, or killed, goes on with "
      "the same command.\n"
      "The log says tokens/s, and where the device's peak is known "
      "(or given: --metrics.peak_tflops)\n"
      "MFU = 6 x parameters without the input embedding x tokens/s "
      "/ peak.\n"
      "Several processes, a GPU each, train one model when torchrun, "
      "mpirun or srun starts them,\n"
      "or with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set; "
      "each takes training.batch_size sequences.\n"
      "  decay train examples/small.toml --design=mamba2 "
      "--job.dump_folder=runs/mamba2\n"
      "  decay train examples/small.toml --design=simple_decay "
      "--set p=0.9 --training.steps=200");
  command->callback([command, options, &action] {
    std::vector<std::string> overrides = command->remaining();
    action = [options, overrides] { return train(*options, overrides); };
  });
}

} // namespace decay::runtime
