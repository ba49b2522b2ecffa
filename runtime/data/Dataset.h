//===- Dataset.h - From text files to token shards -------------*- C++ -*-===//
//
// A data folder holds
//
//   tokenizer.json
//   train-000.bin ...  validation-000.bin ...  test-000.bin ...   token shards
//   dataset.json       which file went where, bytes and tokens
//
// Files are split as a whole: no held-out file has a part that was trained on.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DATA_DATASET_H
#define DECAY_RUNTIME_DATA_DATASET_H

#include "runtime/core/Status.h"
#include "runtime/data/TokenShard.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

enum class Split { Train, Validation, Test };
constexpr std::array allSplits = {Split::Train, Split::Validation, Split::Test};

/// "train", "validation", "test".
std::string_view splitName(Split split);

/// One of something for each split.
template <typename T> struct BySplit : std::array<T, 3> {
  T &of(Split split) { return (*this)[static_cast<size_t>(split)]; }
  const T &of(Split split) const { return (*this)[static_cast<size_t>(split)]; }
};

using SplitFiles = BySplit<std::vector<std::filesystem::path>>;

struct DatasetOptions {
  double validationShare = 0.05, testShare = 0.05; ///< of the bytes, at least
  uint64_t seed = 42;            ///< decides which files are held out
  int64_t vocabularySize = 4096; ///< of the tokenizer that is trained
  int64_t shardTokens = int64_t{1} << 27;
};

/// The text files of `inputs`, which are files or folders, by split. A folder
/// that has a folder `train` is split already, by its folders train, validation
/// and test. Otherwise all files are shuffled by the seed, and whole files are
/// held out until each share is reached: a function of names, sizes and options
/// alone. Files whose name begins with a dot are left out.
/// User error when there is no file, or there are too few to hold some out.
Result<SplitFiles>
chooseSplits(const std::vector<std::filesystem::path> &inputs,
             const DatasetOptions &options);

/// What one split holds.
struct SplitSummary {
  std::vector<std::string> files;
  int64_t bytes = 0;  ///< of text: bits per byte are relative to these
  int64_t tokens = 0; ///< with an end of text before each file
};

/// Trains a tokenizer on the training files, encodes all files and writes the
/// data folder; dataset.json comes last, so that a folder which has it is
/// whole. `report` is told what is being done, a line at a time. User error
/// when there is no text to train on.
Status prepareDataset(const SplitFiles &files,
                      const std::filesystem::path &folder,
                      const DatasetOptions &options,
                      const std::function<void(std::string_view)> &report);

/// A data folder that is ready.
struct Dataset {
  Tokenizer tokenizer;
  BySplit<SplitSummary> summary;
  BySplit<TokenSequence> tokens;

  /// World error when a file is missing or damaged, or does not belong to the
  /// others.
  static Result<Dataset> open(const std::filesystem::path &folder);
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_DATASET_H
