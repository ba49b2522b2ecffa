//===- TrainConfig.h - All settings of a training run ----------*- C++ -*-===//
//
// A flat record. One table names each setting ("training.steps"), its range and
// its meaning; reading, help and the comparison on resume all come from that
// table. Key names are those of flame where they mean the same.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TRAIN_TRAINCONFIG_H
#define DECAY_RUNTIME_TRAIN_TRAINCONFIG_H

#include "runtime/core/Config.h"
#include "runtime/nn/models/ModelConfig.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace decay::runtime {

struct TrainConfig {
  std::string runFolder;     ///< where checkpoints, logs and samples go
  std::string device;        ///< empty: the default
  std::string precision;     ///< of activations; empty: the device's
  int64_t threads = 0;       ///< 0: one for each core
  std::string communicator;  ///< of several ranks; empty: the device's
  double rankTimeout = 30;   ///< seconds of silence after which a rank is lost
  double startTimeout = 300; ///< seconds to wait for all ranks

  std::string design =
      "simple_decay"; ///< of the library, or a path to a .decay file
  std::string granularity, sharing, position,
      compat;                   ///< empty: the design's default
  std::vector<std::string> set; ///< "p=0.9": the design's own settings

  int64_t width = 256, layers = 4, heads = 4;
  int64_t gluWidth = 0; ///< 0: 8/3 of the width, rounded up to gluMultiple
  int64_t gluMultiple = 256;
  int64_t gateRank = 0;           ///< 0: the width of a head
  int64_t vocabularyMultiple = 1; ///< the softmax is padded to a multiple of it
  double normEpsilon = 1e-5;
  std::string epsilonPlace = "sum";
  std::string initialisation = "published";

  std::string dataset; ///< a folder that `decay prepare` made
  int64_t batch = 8, sequence = 256, accumulation = 1, steps = 1000;
  int64_t seed = 42;
  double maxNorm = 1;
  bool skipNonFinite = true;
  int64_t mostSkipped =
      10; ///< non-finite steps in a row after which the run stops

  double spikeFactor = 0; ///< times the median; 0: updates are never spikes
  int64_t spikeWindow = 100;
  std::string activationCheckpoint = "none";

  double rate = 3e-4, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8,
         weightDecay = 0.1;
  bool designWeightDecay = true;
  std::string schedule = "wsd";
  int64_t warmup = 100;
  double rateFloor = 0.1;

  int64_t checkpointInterval = 500, keepCheckpoints = 2;
  int64_t validationInterval = 250, validationWindows = 64;
  int64_t sampleInterval = 0, sampleTokens = 64;
  std::string samplePrompt = "The ";
  int64_t logInterval = 10;
  double peakTeraflops = 0; ///< 0: what the device says
  bool tensorboard = false;

  /// Reads every setting. User errors with their place: unknown names, wrong
  /// types, values out of range, settings that contradict each other.
  static Result<TrainConfig> read(Config &config);

  /// The settings of the design in the order in which a compiler takes them.
  Result<std::vector<std::pair<std::string, std::string>>>
  designSettings() const;

  /// The model's sizes for a tokenizer of so many tokens.
  Result<ModelConfig> model(int64_t tokens) const;

  std::optional<NumberType> activationType() const;

  /// Those settings that decide the bits of a run, one "key = value" per line.
  std::string canonical() const;

  /// What differs between two canonical texts, for people: "training.batch_size
  /// is 8, was 4".
  static std::string difference(std::string_view before, std::string_view now);

  /// The same where only the number of ranks may differ: how an update's
  /// sequences are divided is free, their number is not. Empty when nothing
  /// differs.
  static std::string differenceOfRanks(std::string_view before,
                                       int64_t ranksBefore,
                                       std::string_view now, int64_t ranksNow);

  /// A table of all settings with default and meaning, for --help.
  static std::string describe();

private:
  Status check(const Config &config) const;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TRAIN_TRAINCONFIG_H
