//===- Trainer.h - The training loop ---------------------------*- C++ -*-===//
//
// next batch, forward, loss, backward, clip, step, log, save. All that decides
// the bits of a run is in its checkpoint, so that a run which was killed at any
// instant goes on to the same weights and the same log.
//
// Of several ranks each takes its own sequences of an update. Gradients are
// summed while the backward pass goes on, each rank updates its part of the
// weights and has the moments of that part alone (Shards.h); then all weights
// go to all, beside the next forward pass (WeightGather.h). Rank 0 logs,
// validates and saves.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_TRAINER_H
#define DECAY_RUNTIME_TRAIN_TRAINER_H

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/communication/Communicator.h"
#include "runtime/data/DataLoader.h"
#include "runtime/data/Dataset.h"
#include "runtime/device/HostArray.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/optim/AdamW.h"
#include "runtime/optim/Schedule.h"
#include "runtime/train/MemoryPlan.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/RunFolder.h"
#include "runtime/train/Shards.h"
#include "runtime/train/SpikeGuard.h"
#include "runtime/train/TrainConfig.h"
#include "runtime/train/WeightGather.h"

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
  Peers &peers;
  Communicator &communicator;
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
  int64_t skipped = 0; ///< updates left out: NaN, Inf or spikes
};

/// What the optimiser needs of one of a model's parameters, with moments in two
/// blocks of the model's layout.
Parameter trainedParameter(const LanguageModel &model,
                           const ParameterInfo &info, float *firstMoments,
                           float *secondMoments);

/// The same of what a part holds of the parameter: `size` is 0 where that is
/// nothing. The moments are those of all the rank's parts.
Parameter trainedPart(const LanguageModel &model, const ParameterInfo &info,
                      const Shards::Part &part, float *firstMoments,
                      float *secondMoments);

class Trainer {
public:
  /// Plans memory, then starts anew or goes on from the newest checkpoint of
  /// the run's folder. With `fallBack` a damaged checkpoint is passed over for
  /// the one before it. User error: the configuration differs from the one that
  /// the run began with. Of several ranks all create theirs, or none.
  static Result<std::unique_ptr<Trainer>> create(const TrainConfig &config,
                                                 TrainerParts parts,
                                                 TrainerOutput output,
                                                 bool fallBack = false);

  /// Trains to the end, or until a stop is requested of any rank; saves at
  /// both. World error when a rank is lost, by its name.
  Result<TrainOutcome> run();

  const LanguageModel &model() const { return *network; }
  int64_t step() const { return stepsDone; }
  int64_t tokensPerStep() const {
    return config.batch * config.sequence * config.accumulation *
           parts.peers.size();
  }

private:
  Trainer(const TrainConfig &config, TrainerParts parts, TrainerOutput output)
      : config(config), parts(parts), output(std::move(output)),
        spikes(config.spikeFactor, config.spikeWindow) {}

  Status prepare(bool fallBack);
  Status planOptimizer();
  Status start();
  Status resume(const Checkpoint &checkpoint);
  Status checkSettings(const Checkpoint &checkpoint,
                       const std::string &file) const;
  Status openLogs(int64_t keep);
  Status openMetrics();
  Status update();
  Status accumulateGradients(double &loss);
  /// All ranks' parts; the others' come beside what follows.
  Status updateWeights(double rate, double scale);
  Status awaitWeights();
  Status skipNonFinite(double loss, double norm);
  Status skipUpdate(const std::string &what);
  void sayMemory();
  Status report(double loss, double norm, double rate);
  Status afterStep();
  Status validate();
  Status sample();
  Status save();
  Status write(std::vector<float> &firstMoments,
               std::vector<float> &secondMoments);
  HostArray hostBlock(float *block) const;
  /// The moments of all ranks, in the block's layout, for rank 0. Gradients are
  /// lost.
  Result<std::vector<float>> wholeMoments(Arena::Region own);
  Status takeMoments(Arena::Region own, const std::vector<float> &whole);
  bool alone() const { return parts.peers.size() == 1; }

  TrainConfig config;
  TrainerParts parts;
  TrainerOutput output;
  std::unique_ptr<LanguageModel> network;
  std::optional<DataLoader> loader;
  std::optional<Shards> shards;
  std::optional<WeightGather> gather;
  std::optional<AdamW> optimizer;
  SpikeGuard spikes;
  WsdSchedule schedule;
  Arena moments;
  Arena::Region firstMoments, secondMoments;
  std::optional<RunLog> log; ///< of rank 0, as the metrics
  std::optional<Metrics> metrics;
  std::vector<int32_t> tokens, targets;

  int64_t stepsDone = 0, skipped = 0, skippedInRow = 0;
  int64_t savedStep = -1;
  double lastLoss = 0;
  size_t memoryExpected = 0;
  bool memorySaid = false;
  bool stopAgreed = false; ///< some rank was asked to
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_TRAINER_H
