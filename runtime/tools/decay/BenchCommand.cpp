//===- BenchCommand.cpp - decay bench --------------------------*- C++ -*-===//
#include "runtime/bench/BenchCommand.h"

#include "runtime/bench/Commit.h"
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

struct TrainOptions {
  TrainConfig config;
  std::string model; ///< one of publishedModels, or empty
  int64_t vocabulary = 4096, repeats = 10;
  double peakTeraflops = 0; ///< 0: what the device says
  bool json = false;
};

/// The sizes of examples/paper (arXiv 2509.05282, and one that is quick),
/// trained on sequences of 2048.
struct PublishedModel {
  const char *name;
  int64_t width, layers, heads;
};
constexpr PublishedModel publishedModels[] = {{"30m", 256, 5, 4},
                                              {"160m", 768, 12, 12},
                                              {"410m", 1024, 24, 16},
                                              {"1450m", 2048, 24, 32}};
constexpr int64_t publishedVocabulary = 50432, publishedBatch = 16,
                  publishedSequence = 2048;

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

  /// A step as in training: the host waits behind backward alone, for loss and
  /// norm.
  Status run() {
    DECAY_RETURN_IF_ERROR(forward());
    beginLoss();
    DECAY_RETURN_IF_ERROR(model.backward());
    lastLoss = model.lossSum();
    DECAY_RETURN_IF_ERROR(model.readFaults());
    update();
    return {};
  }

  /// From one wait of the host to that of the next step.
  Result<double> time() {
    Status status;
    double seconds = secondsOf([&] { status = run(); });
    DECAY_RETURN_IF_ERROR(status);
    return seconds;
  }

  /// Each part alone: it ends when the device has done it.
  Result<StepTimes> timeApart() {
    DECAY_RETURN_IF_ERROR(machine.device->synchronise());
    Status status;
    auto time = [&](const std::function<Status()> &part) {
      return secondsOf([&] {
        if (status.ok())
          status = part();
        if (status.ok())
          status = machine.device->synchronise();
      });
    };
    StepTimes times;
    times.forward = time([&] { return forward(); });
    times.loss = time([&] { return beginLoss(), Status(); });
    times.backward = time([&] { return model.backward(); });
    times.update = time([&] { return update(), Status(); });
    DECAY_RETURN_IF_ERROR(status);
    return times;
  }

  /// Of the last step: nats of a token.
  double loss() const { return lastLoss / double(B * T); }
  size_t momentBytes() const { return moments.bytes(); }

  /// Takes the memory of model and optimiser, and says what the device should
  /// then have in use.
  Result<size_t> allocate() {
    const Parameters &table = model.parameters();
    Arena::Region first =
        moments.planFloats("optimizer", "first", table.blockFloats());
    Arena::Region second =
        moments.planFloats("optimizer", "second", table.blockFloats());
    MemoryPlan plan(*machine.device);
    plan.add(model);
    plan.add(moments);
    DECAY_RETURN_IF_ERROR(plan.check());
    DECAY_RETURN_IF_ERROR(model.allocate());
    DECAY_RETURN_IF_ERROR(moments.allocate(*machine.device));
    std::vector<Parameter> list;
    for (const ParameterInfo &info : table.infos())
      list.push_back(trainedParameter(model, info, moments.floats(first),
                                      moments.floats(second)));
    optimizer.emplace(std::move(list), AdamWOptions{});
    return plan.expectedBytes();
  }

private:
  Status forward() {
    model.beginGradients();
    ForwardCall call;
    call.tokens = tokens.data();
    call.B = B, call.T = T;
    return model.forward(call);
  }
  void beginLoss() { model.beginLoss(tokens.data(), 1.0f / float(B * T)); }
  void update() {
    double norm = gradientNorm(*machine.kernels, optimizer->parameters());
    optimizer->step(*machine.kernels, 1e-4, clippingFactor(norm, 1));
  }

  Machine &machine;
  LanguageModel &model;
  int64_t B, T;
  Arena moments;
  std::vector<int32_t> tokens;
  std::optional<AdamW> optimizer;
  double lastLoss = 0;
};

struct TrainReport {
  int64_t parameters = 0;
  double rate = 0;                   ///< tokens a second
  double peakTeraflops = 0, mfu = 0; ///< 0: not known
  size_t memory = 0;
  size_t expectedBytes = 0, usedBytes = 0; ///< in use on the device; 0: unknown
  double loss = 0; ///< of the last step, nats of a token
  std::string device;
  bool isHost = true;
  double step = 0;                ///< seconds
  StepTimes apart;                ///< the host waiting after each part
  std::optional<PartTimes> parts; ///< of one step, by kind of work
};

std::string asJson(const TrainOptions &options, const TrainReport &report) {
  const StepTimes &apart = report.apart;
  Json row = {{"model", options.model},
              {"design", options.config.design},
              {"gpus", report.isHost ? 0 : 1},
              {"card", report.device},
              {"parameters", report.parameters},
              {"batch", options.config.batch},
              {"sequence", options.config.sequence},
              {"tokens_per_s", report.rate},
              {"memory_gb", double(report.memory) / 1e9},
              {"memory_expected_gb", double(report.expectedBytes) / 1e9},
              {"memory_used_gb", double(report.usedBytes) / 1e9},
              {"loss", report.loss},
              {"commit", builtCommit()},
              {"date", today()},
              {"seconds",
               {{"step", report.step},
                {"forward", apart.forward},
                {"loss", apart.loss},
                {"backward", apart.backward},
                {"update", apart.update}}}};
  if (report.peakTeraflops > 0)
    row["mfu"] = report.mfu;
  for (size_t i = 0; report.parts && i < workKinds; ++i)
    row["parts"][std::string(toString(static_cast<WorkKind>(i)))] =
        (*report.parts)[i];
  return writeJson(row);
}

std::string asText(const TrainOptions &options, const TrainReport &report) {
  const TrainConfig &config = options.config;
  const StepTimes &apart = report.apart;
  std::string share = report.peakTeraflops > 0
                          ? fmt::format(", MFU {:.1f} % of {:g} TFLOP/s",
                                        100 * report.mfu, report.peakTeraflops)
                          : "";
  std::string parts;
  for (size_t i = 0; report.parts && i < workKinds; ++i)
    parts += fmt::format("{}{} {:.1f}", i == 0 ? "  ms: " : ", ",
                         toString(static_cast<WorkKind>(i)),
                         1e3 * (*report.parts)[i]);
  return fmt::format(
      "{}, {} parameters, {} x {} tokens, {}\n"
      "  {:.0f} tokens/s{}, {} planned; step {:.1f} ms; alone forward {:.1f}, "
      "head and loss {:.1f}, backward {:.1f}, update {:.1f}\n"
      "  {}\n{}{}",
      config.design, report.parameters, config.batch, config.sequence,
      report.device, report.rate, share, formatBytes(report.memory),
      1e3 * report.step, 1e3 * apart.forward, 1e3 * apart.loss,
      1e3 * apart.backward, 1e3 * apart.update,
      memoryVerdict(report.usedBytes, report.expectedBytes), parts,
      parts.empty() ? "" : "\n");
}

Status timeSteps(StepBench &bench, const TrainOptions &options,
                 TrainReport &report) {
  // What is done the first times is not what is repeated.
  constexpr int64_t warm = 2, most = 3;
  std::vector<double> whole;
  for (int64_t i = -warm; i < options.repeats; ++i) {
    DECAY_ASSIGN_OR_RETURN(double seconds, bench.time());
    if (i >= 0)
      whole.push_back(seconds);
  }
  std::ranges::sort(whole);
  report.step = whole[whole.size() / 2];
  std::vector<StepTimes> apart;
  for (int64_t i = 0; i < std::min(most, options.repeats); ++i) {
    DECAY_ASSIGN_OR_RETURN(StepTimes times, bench.timeApart());
    apart.push_back(times);
  }
  std::ranges::sort(apart, {}, &StepTimes::total);
  report.apart = apart[apart.size() / 2];
  return {};
}

Result<std::string> benchTrain(const TrainOptions &options) {
  const TrainConfig &config = options.config;
  DECAY_ASSIGN_OR_RETURN(
      Machine machine,
      Machine::create(config.threads, config.device, config.activationType()));
  DesignRequest request = DesignRequest::forMachine(machine, config.design);
  DECAY_ASSIGN_OR_RETURN(request.settings, config.designSettings());
  DECAY_ASSIGN_OR_RETURN(Packages packages,
                         compilePackages(request, packageFolder()));
  DECAY_RETURN_IF_ERROR(checkPrecision(machine, packages.design));
  DECAY_ASSIGN_OR_RETURN(ModelConfig sizes, config.model(options.vocabulary));
  RunShape shape;
  shape.B = config.batch, shape.T = config.sequence;
  shape.training = true;
  shape.recompute = config.activationCheckpoint == "full";
  DECAY_ASSIGN_OR_RETURN(auto model,
                         LanguageModel::prepare(machine.backend(), sizes,
                                                packages.kernels(), shape));
  StepBench bench(machine, *model, config.batch, config.sequence);
  TrainReport report;
  DECAY_ASSIGN_OR_RETURN(report.expectedBytes, bench.allocate());
  DECAY_RETURN_IF_ERROR(model->initialise(1));
  DECAY_RETURN_IF_ERROR(timeSteps(bench, options, report));
  report.parameters = model->parameters().count();
  report.rate = double(config.batch * config.sequence) / report.step;
  report.peakTeraflops = options.peakTeraflops > 0
                             ? options.peakTeraflops
                             : machine.device->peakTeraflops();
  if (report.peakTeraflops > 0)
    report.mfu = modelFlopsUtilisation(report.parameters -
                                           sizes.vocabulary * sizes.width,
                                       report.rate, report.peakTeraflops);
  DECAY_ASSIGN_OR_RETURN(
      report.parts, machine.device->timeParts([&] { return bench.run(); }));
  report.usedBytes = machine.device->usedBytes();
  report.memory = model->plannedBytes() + bench.momentBytes();
  report.loss = bench.loss();
  report.device = machine.device->describe();
  report.isHost = machine.device->isHostMemory();
  return options.json ? asJson(options, report) : asText(options, report);
}

/// What --model stands for, where no other option says otherwise.
void takeModel(const CLI::App &train, TrainOptions &options) {
  TrainConfig &config = options.config;
  for (const PublishedModel &model : publishedModels) {
    if (options.model != model.name)
      continue;
    auto take = [&](const char *option, int64_t &value, int64_t published) {
      if (train.count(option) == 0)
        value = published;
    };
    take("--width", config.width, model.width);
    take("--layers", config.layers, model.layers);
    take("--heads", config.heads, model.heads);
    take("--vocabulary", options.vocabulary, publishedVocabulary);
    take("--batch", config.batch, publishedBatch);
    take("--seq-len", config.sequence, publishedSequence);
  }
}

CLI::App *addTrain(CLI::App &bench, TrainOptions &options) {
  TrainConfig &config = options.config;
  CLI::App *train =
      bench.add_subcommand("train", "Time a whole training step, part by part");
  train->add_option("--design", config.design, "Library design or .decay file");
  train->add_option("--set", config.set, "A setting: p=0.9, granularity=scalar")
      ->allow_extra_args(false);
  train->add_option("--width", config.width, "D");
  train->add_option("--layers", config.layers, "Layers");
  train->add_option("--heads", config.heads, "Heads");
  train->add_option("--vocabulary", options.vocabulary, "Tokens")
      ->check(CLI::Range(2, 1 << 20));
  train->add_option("--batch", config.batch, "Sequences")
      ->check(CLI::Range(1, 65536));
  train->add_option("--seq-len", config.sequence, "Tokens in each")
      ->check(CLI::Range(1, 1 << 20));
  train
      ->add_option("--multiple-of", config.gluMultiple,
                   "GLU width is rounded up to it")
      ->check(CLI::Range(1, 65536));
  train
      ->add_option("--activation-checkpoint", config.activationCheckpoint,
                   "full: layers are made again in backward")
      ->check(CLI::IsMember({"none", "full"}));
  train->add_option("--device", config.device,
                    "What to train on; the default: " + deviceNames().front());
  train
      ->add_option("--precision", config.precision,
                   "fp32 or bf16; the default: the device's own")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  train->add_option("--threads", config.threads, "0: one for each core");
  train->add_option("--repeats", options.repeats, "Steps timed")
      ->check(CLI::Range(1, 100000));
  train->add_flag("--json", options.json, "Print the result as JSON");
  train
      ->add_option("--peak-tflops", options.peakTeraflops,
                   "For MFU = 6 x parameters without the input embedding x "
                   "tokens/s / this; the default: what the device says")
      ->check(CLI::PositiveNumber);
  std::vector<std::string> names;
  for (const PublishedModel &model : publishedModels)
    names.emplace_back(model.name);
  train
      ->add_option("--model", options.model,
                   "A size of examples/paper, with batches of 16 x 2048 "
                   "tokens and a vocabulary of 50432, unless told")
      ->check(CLI::IsMember(names));
  train->callback([train, &options] { takeModel(*train, options); });
  return train;
}

} // namespace

void addBenchCommand(CLI::App &app, Action &action) {
  struct Both {
    BenchCommand kernels;
    TrainOptions train;
  };
  auto options = std::make_shared<Both>();
  CLI::App *command =
      app.add_subcommand("bench", "Time kernels, or a whole training step");
  command->require_subcommand(1);
  options->kernels.attach(*command);
  CLI::App *train = addTrain(*command, options->train);
  command->footer(
      "  decay bench kernels --design simple_decay\n"
      "  decay bench train --width 256 --layers 4 --batch 8 --seq-len 256");
  command->callback([options, train, &action] {
    bool whole = train->parsed();
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
                             whole ? benchTrain(options->train)
                                   : options->kernels.run(compile));
      fmt::print("{}", report);
      return {};
    };
  });
}

} // namespace decay::runtime
