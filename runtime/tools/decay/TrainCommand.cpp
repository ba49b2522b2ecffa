//===- TrainCommand.cpp - decay train --------------------------*- C++ -*-===//
#include "runtime/core/Files.h"
#include "runtime/core/Progress.h"
#include "runtime/core/Signals.h"
#include "runtime/device/Devices.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"
#include "runtime/train/Trainer.h"

#include <cstdio>
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

/// Lines, and on a terminal how far it is between them.
class Screen {
public:
  Screen(const TrainConfig &config, bool quiet) : quiet(quiet) {
    Progress::Options options;
    options.label = config.design;
    options.unit = "tok";
    options.total =
        config.steps * config.batch * config.sequence * config.accumulation;
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

Status train(const TrainOptions &options,
             const std::vector<std::string> &overrides) {
  if (options.settings) {
    fmt::print("Settings, their defaults and meanings:\n{}",
               TrainConfig::describe());
    return {};
  }
  DECAY_ASSIGN_OR_RETURN(TrainConfig config, readConfig(options, overrides));
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(config.dataset));
  DECAY_ASSIGN_OR_RETURN(RunFolder run, RunFolder::open(config.runFolder));
  DECAY_ASSIGN_OR_RETURN(
      Machine machine,
      Machine::create(config.threads, config.device, config.activationType()));
  DesignRequest request{
      config.design, {}, std::string(machine.device->target())};
  DECAY_ASSIGN_OR_RETURN(request.settings, config.designSettings());
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(request, run.path() / "packages"));

  Screen screen(config, options.quiet);
  TrainerOutput output = screen.output();
  output.say(machine.device->describe());
  catchStopSignals();
  TrainerParts parts{machine.backend(), packages.kernels(), dataset, run,
                     packages.record(request)};
  DECAY_ASSIGN_OR_RETURN(
      auto trainer,
      Trainer::create(config, std::move(parts), output, options.fallBack));
  DECAY_ASSIGN_OR_RETURN(TrainOutcome outcome, trainer->run());
  screen.finish();
  bool stopped = outcome.end == TrainEnd::Stopped;
  if (options.json)
    fmt::print("{}", writeJson({{"run", config.runFolder},
                                {"step", outcome.step},
                                {"stopped", stopped},
                                {"loss", outcome.lastLoss},
                                {"skipped", outcome.skipped}}));
  else if (!options.quiet)
    fmt::print(stderr, "{} at step {}; the same command goes on from there\n",
               stopped ? "stopped and saved" : "finished", outcome.step);
  return {};
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
  command->footer("Settings come from the TOML file, then from "
                  "--section.key=value; `decay train --settings`\n"
                  "lists them. A run that was stopped, or killed, goes on with "
                  "the same command.\n"
                  "The log says tokens/s, and where the device's peak is known "
                  "(or given: --metrics.peak_tflops)\n"
                  "MFU = 6 x parameters without the input embedding x tokens/s "
                  "/ peak.\n"
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
