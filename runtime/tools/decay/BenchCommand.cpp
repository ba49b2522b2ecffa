//===- BenchCommand.cpp - decay bench --------------------------*- C++ -*-===//
#include "runtime/bench/BenchCommand.h"

#include "runtime/core/Philox.h"
#include "runtime/device/Devices.h"
#include "runtime/optim/AdamW.h"
#include "runtime/optim/Clipping.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"
#include "runtime/train/Trainer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>

namespace decay::runtime {
namespace {

/// Where packages that are only timed go; kept, so that the next timing finds
/// them.
std::filesystem::path packageFolder() {
  return std::filesystem::temp_directory_path() / "decay-packages";
}

struct StepOptions {
  TrainConfig config;
  int64_t vocabulary = 4096, repeats = 10;
  bool json = false;
};

double secondsOf(const std::function<void()> &work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
      .count();
}

/// The parts of one training step, in seconds.
struct StepTimes {
  double forward = 0, loss = 0, backward = 0, update = 0;
  double total() const { return forward + loss + backward + update; }
};

/// A model on random tokens with its optimiser.
class StepBench {
public:
  StepBench(Machine &machine, LanguageModel &model, int64_t B, int64_t T)
      : machine(machine), model(model), B(B), T(T) {
    Philox random(1, 2);
    for (int64_t i = 0; i < B * T; ++i)
      tokens.push_back(static_cast<int32_t>(
          random.words(static_cast<uint64_t>(i))[0] %
          static_cast<uint64_t>(model.config().vocabulary)));
  }

  /// A part's time ends when the device has done it.
  Result<StepTimes> run() {
    StepTimes times;
    Status status;
    Device &device = *machine.device;
    ForwardCall call;
    call.tokens = tokens.data();
    call.B = B, call.T = T;
    times.forward = secondsOf([&] {
      status = model.forward(call);
      if (status.ok())
        status = device.synchronise();
    });
    DECAY_RETURN_IF_ERROR(status);
    times.loss = secondsOf([&] {
      lastLoss = model.loss(tokens.data(), 1.0f / float(B * T));
      status = device.synchronise();
    });
    DECAY_RETURN_IF_ERROR(status);
    times.backward = secondsOf([&] {
      status = model.backward();
      if (status.ok())
        status = model.readFaults();
    });
    DECAY_RETURN_IF_ERROR(status);
    times.update = secondsOf([&] {
      double norm = gradientNorm(*machine.kernels, optimizer->parameters());
      optimizer->step(*machine.kernels, 1e-4, clippingFactor(norm, 1));
      machine.kernels->zero(model.gradients(),
                            model.parameters().blockFloats());
      status = device.synchronise();
    });
    DECAY_RETURN_IF_ERROR(status);
    return times;
  }

  /// Of the last step: nats of a token.
  double loss() const { return lastLoss / double(B * T); }
  size_t momentBytes() const { return moments.bytes(); }

  Status planMoments() {
    const Parameters &table = model.parameters();
    Arena::Region first =
        moments.planFloats("optimizer", "first", table.blockFloats());
    Arena::Region second =
        moments.planFloats("optimizer", "second", table.blockFloats());
    DECAY_RETURN_IF_ERROR(moments.allocate(*machine.device));
    std::vector<Parameter> list;
    for (const ParameterInfo &info : table.infos())
      list.push_back(trainedParameter(model, info, moments.floats(first),
                                      moments.floats(second)));
    optimizer.emplace(std::move(list), AdamWOptions{});
    return {};
  }

private:
  Machine &machine;
  LanguageModel &model;
  int64_t B, T;
  Arena moments;
  std::vector<int32_t> tokens;
  std::optional<AdamW> optimizer;
  double lastLoss = 0;
};

Result<std::string> benchStep(const StepOptions &options) {
  const TrainConfig &config = options.config;
  DECAY_ASSIGN_OR_RETURN(
      Machine machine,
      Machine::create(config.threads, config.device, config.activationType()));
  DesignRequest request{
      config.design, {}, std::string(machine.device->target())};
  DECAY_ASSIGN_OR_RETURN(request.settings, config.designSettings());
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(request, packageFolder()));
  DECAY_ASSIGN_OR_RETURN(ModelConfig sizes, config.model(options.vocabulary));
  RunShape shape;
  shape.B = config.batch, shape.T = config.sequence;
  shape.training = true;
  DECAY_ASSIGN_OR_RETURN(auto model,
                         LanguageModel::create(machine.backend(), sizes,
                                               packages.kernels(), shape));
  DECAY_RETURN_IF_ERROR(model->initialise(1));
  StepBench bench(machine, *model, config.batch, config.sequence);
  DECAY_RETURN_IF_ERROR(bench.planMoments());
  std::vector<StepTimes> all;
  for (int64_t i = 0; i <= options.repeats; ++i) {
    DECAY_ASSIGN_OR_RETURN(StepTimes times, bench.run());
    if (i > 0) // the first one warms up
      all.push_back(times);
  }
  std::sort(all.begin(), all.end(), [](const StepTimes &a, const StepTimes &b) {
    return a.total() < b.total();
  });
  StepTimes median = all[all.size() / 2];
  size_t memory = model->plannedBytes() + bench.momentBytes();
  double rate = double(config.batch * config.sequence) / median.total();
  if (options.json)
    return writeJson({{"design", config.design},
                      {"device", machine.device->describe()},
                      {"parameters", model->parameters().count()},
                      {"batch", config.batch},
                      {"sequence", config.sequence},
                      {"tokens_per_second", rate},
                      {"loss", bench.loss()},
                      {"memory_bytes", memory},
                      {"seconds",
                       {{"step", median.total()},
                        {"forward", median.forward},
                        {"loss", median.loss},
                        {"backward", median.backward},
                        {"update", median.update}}}});
  return fmt::format(
      "{}, {} parameters, {} x {} tokens, {}\n"
      "  {:.0f} tokens/s, {} planned; step {:.1f} ms = forward {:.1f} + "
      "head and loss {:.1f} + "
      "backward {:.1f} + update {:.1f}\n",
      config.design, model->parameters().count(), config.batch, config.sequence,
      machine.device->describe(), rate, formatBytes(memory),
      1e3 * median.total(), 1e3 * median.forward, 1e3 * median.loss,
      1e3 * median.backward, 1e3 * median.update);
}

CLI::App *addStep(CLI::App &bench, StepOptions &options) {
  TrainConfig &config = options.config;
  CLI::App *step =
      bench.add_subcommand("step", "Time a whole training step, part by part");
  step->add_option("--design", config.design, "Library design or .decay file");
  step->add_option("--set", config.set, "A setting: p=0.9, granularity=scalar")
      ->allow_extra_args(false);
  step->add_option("--width", config.width, "D");
  step->add_option("--layers", config.layers, "Layers");
  step->add_option("--heads", config.heads, "Heads");
  step->add_option("--vocabulary", options.vocabulary, "Tokens")
      ->check(CLI::Range(2, 1 << 20));
  step->add_option("--batch", config.batch, "Sequences")
      ->check(CLI::Range(1, 65536));
  step->add_option("--seq-len", config.sequence, "Tokens in each")
      ->check(CLI::Range(1, 1 << 20));
  step->add_option("--multiple-of", config.gluMultiple,
                   "GLU width is rounded up to it")
      ->check(CLI::Range(1, 65536));
  step->add_option("--device", config.device,
                   "What to train on; the default: " + deviceNames().front());
  step->add_option("--precision", config.precision,
                   "fp32 or bf16; the default: the device's own")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  step->add_option("--threads", config.threads, "0: one for each core");
  step->add_option("--repeats", options.repeats, "Steps timed")
      ->check(CLI::Range(1, 100000));
  step->add_flag("--json", options.json, "Print the result as JSON");
  return step;
}

} // namespace

void addBenchCommand(CLI::App &app, Action &action) {
  struct Both {
    BenchCommand kernels;
    StepOptions step;
  };
  auto options = std::make_shared<Both>();
  CLI::App *command =
      app.add_subcommand("bench", "Time kernels, or a whole training step");
  command->require_subcommand(1);
  options->kernels.attach(*command);
  CLI::App *step = addStep(*command, options->step);
  command->footer(
      "  decay bench kernels --design simple_decay\n"
      "  decay bench step --width 256 --layers 4 --batch 8 --seq-len 256");
  command->callback([options, step, &action] {
    bool whole = step->parsed();
    action = [options, whole]() -> Status {
      auto compile = [](const std::string &design,
                        const BenchCommand::Settings &settings,
                        const std::string &target) -> Result<std::string> {
        DECAY_ASSIGN_OR_RETURN(Packages packages,
                               compilePackages({design, settings, target},
                                               packageFolder() / target));
        return packages.design.path();
      };
      DECAY_ASSIGN_OR_RETURN(std::string report,
                             whole ? benchStep(options->step)
                                   : options->kernels.run(compile));
      fmt::print("{}", report);
      return {};
    };
  });
}

} // namespace decay::runtime
