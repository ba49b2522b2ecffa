//===- Trainer.h - The training loop ---------------------------*- C++ -*-===//
//
// next batch, forward, loss, backward, clip, step, log, save. All that decides
// the bits of a run is in its checkpoint, so that a run which was killed at any
// instant goes on to the same weights and the same log.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_TRAINER_H
#define DECAY_RUNTIME_TRAIN_TRAINER_H

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/data/DataLoader.h"
#include "runtime/data/Dataset.h"
#include "runtime/device/HostArray.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/optim/AdamW.h"
#include "runtime/optim/Schedule.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/RunFolder.h"
#include "runtime/train/TrainConfig.h"

#include <functional>
#include <memory>
#include <optional>

namespace decay::runtime {

/// What a run is made of; all of it outlives the trainer.
struct TrainerParts {
  Backend backend;
  ModelKernels kernels;
  const Dataset &dataset;
  RunFolder &run;
  Json record; ///< the design's identity: becomes part of config.json
};

/// How a trainer speaks. Nothing is printed otherwise.
struct TrainerOutput {
  std::function<void(std::string_view line)> say = [](std::string_view) {};
  std::function<void(int64_t tokens, std::string_view note)> progress =
      [](int64_t, std::string_view) {};
  std::function<bool()> stopRequested = [] { return false; };
};

enum class TrainEnd : uint8_t { Finished, Stopped };

struct TrainOutcome {
  TrainEnd end = TrainEnd::Finished;
  int64_t step = 0;
  double lastLoss = 0; ///< nats per token
  int64_t skipped = 0; ///< updates left out because of NaN or Inf
};

/// What the optimiser needs of one of a model's parameters, with moments in two
/// blocks of the model's layout.
Parameter trainedParameter(const LanguageModel &model,
                           const ParameterInfo &info, float *firstMoments,
                           float *secondMoments);

class Trainer {
public:
  /// Plans memory, then starts anew or goes on from the newest checkpoint of
  /// the run's folder. With `fallBack` a damaged checkpoint is passed over for
  /// the one before it. User error: the configuration differs from the one that
  /// the run began with.
  static Result<std::unique_ptr<Trainer>> create(const TrainConfig &config,
                                                 TrainerParts parts,
                                                 TrainerOutput output,
                                                 bool fallBack = false);

  /// Trains to the end, or until a stop is requested; saves at both.
  Result<TrainOutcome> run();

  const LanguageModel &model() const { return *network; }
  int64_t step() const { return stepsDone; }
  int64_t tokensPerStep() const {
    return config.batch * config.sequence * config.accumulation;
  }

private:
  Trainer(const TrainConfig &config, TrainerParts parts, TrainerOutput output)
      : config(config), parts(parts), output(std::move(output)) {}

  Status prepare(bool fallBack);
  Status planOptimizer();
  Status start();
  Status resume(const Checkpoint &checkpoint);
  Status openLogs(int64_t keep);
  Status openMetrics();
  Status update();
  Status accumulateGradients(double &loss);
  Status skipUpdate(double loss, double norm);
  Status report(double loss, double norm, double rate);
  Status afterStep();
  Status validate();
  Status sample();
  Status save();
  HostArray hostBlock(float *block) const;

  TrainConfig config;
  TrainerParts parts;
  TrainerOutput output;
  std::unique_ptr<LanguageModel> network;
  std::optional<DataLoader> loader;
  std::optional<AdamW> optimizer;
  WsdSchedule schedule;
  Arena moments;
  Arena::Region firstMoments, secondMoments;
  std::optional<RunLog> log;
  std::optional<Metrics> metrics;
  std::vector<int32_t> tokens, targets;

  int64_t stepsDone = 0, skipped = 0, skippedInRow = 0;
  int64_t savedStep = -1;
  double lastLoss = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_TRAINER_H
