//===- Checkpoint.h - A run's state on disk, whole or not at all -*- C++ -*-=//
//
// A run folder holds one folder per checkpoint:
//
//   run/step-000123/
//     model.safetensors      weights
//     optimizer.safetensors  moments
//     config.json            what the model is, Hugging Face style
//     training.json          step, data position, seed, ...
//     (files of the caller)  tokenizer.json, ...
//     checksums.txt          of the files that have none inside; sha256sum -c
//
// A checkpoint is written under another name and renamed when all of it is on
// the disk. So a folder with a checkpoint's name is complete at any instant,
// after kill -9 and after a power cut, and the latest is the one with the
// highest number.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define DECAY_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/core/Json.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

/// All that a resumed run needs besides tensors.
struct TrainingState {
  int64_t step = 0;            ///< updates made
  int64_t dataPosition = 0;    ///< of the training DataLoader
  uint64_t seed = 0;           ///< key of every Philox stream
  std::string configHash;      ///< of the configuration that the run began with
  Json extra = Json::object(); ///< counters, log position: the caller's
};

struct CheckpointContents {
  std::vector<StoredTensor> model, optimizer;
  Json config = Json::object();
  TrainingState state;
  std::map<std::string, std::string> files; ///< by plain name
};

/// Saves `contents` as step `state.step`, then removes all but the newest
/// `keep` checkpoints (0 keeps all). An older checkpoint of the same step is
/// replaced. World error, with all older checkpoints intact and no remains of
/// the new one, when the disk is full or fails.
Status saveCheckpoint(const std::filesystem::path &run,
                      const CheckpointContents &contents, int64_t keep = 0);

/// The folders of a run's checkpoints, newest first.
Result<std::vector<std::filesystem::path>>
listCheckpoints(const std::filesystem::path &run);

/// World error that names both figures when `bytes` do not fit.
Status requireSpace(const std::filesystem::path &path, uint64_t bytes);

class Checkpoint {
public:
  /// `path` is a run (its newest checkpoint is taken) or one checkpoint. All of
  /// it is verified; a damaged one is a world error that names the tensor or
  /// the file. With `fallBack` the next older one of a run is tried instead and
  /// `refused` tells why.
  static Result<Checkpoint> load(const std::filesystem::path &path,
                                 bool fallBack = false);

  const std::filesystem::path &folder() const { return place; }
  const SafetensorsFile &model() const { return modelFile; }
  const SafetensorsFile &optimizer() const { return optimizerFile; }
  const Json &config() const { return configuration; }
  const TrainingState &state() const { return training; }
  /// The caller's files, by name.
  const std::map<std::string, std::string> &files() const { return others; }
  /// One message per newer checkpoint that was passed over.
  const std::vector<std::string> &refused() const { return passedOver; }

private:
  static Result<Checkpoint> loadFolder(const std::filesystem::path &folder);
  Status readSmallFiles();
  Status openTensors(const char *fileName, SafetensorsFile &file) const;

  std::filesystem::path place;
  SafetensorsFile modelFile, optimizerFile;
  Json configuration;
  TrainingState training;
  std::map<std::string, std::string> others;
  std::vector<std::string> passedOver;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CHECKPOINT_CHECKPOINT_H
