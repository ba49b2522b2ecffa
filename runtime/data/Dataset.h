//===- Dataset.h - From text files to token shards -------------*- C++ -*-===//
//
// A data folder holds
//
//   tokenizer.json
//   train-000.bin ...  validation-000.bin ...  test-000.bin ...   token shards
//   dataset.json       which file went where, bytes and tokens
//
// Text files are split as a whole: no held-out file has a part that was trained
// on. Of JSONL files, documents are.
//
// A folder with shards alone is a dataset too, where their names say what they
// are for: *_train_*.bin, *_val_*.bin, *_test_*.bin, as the shards of FineWeb
// and FineWeb-Edu are called. They are of GPT-2's tokens.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DATA_DATASET_H
#define DECAY_RUNTIME_DATA_DATASET_H

#include "runtime/core/Status.h"
#include "runtime/data/Documents.h"
#include "runtime/data/TokenShard.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
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

struct SplitFiles : BySplit<std::vector<std::filesystem::path>> {
  /// JSONL files of which each document goes to one of the splits.
  std::vector<std::filesystem::path> shared;
};

struct DatasetOptions {
  double validationShare = 0.05, testShare = 0.05; ///< of bytes or documents
  uint64_t seed = 42;                              ///< decides what is held out
  int64_t vocabularySize = 4096; ///< of the tokenizer that is trained
  int64_t shardTokens = int64_t{1} << 27;
  int64_t threads = 0; ///< 0: one for each core
};

/// The text files of `inputs`, which are files or folders, by split. A folder
/// that has a folder `train` is split already, by its folders train, validation
/// and test. Otherwise all files are shuffled by the seed, and whole files are
/// held out until each share of the bytes is reached: a function of names,
/// sizes and options alone. JSONL files are shared. Files whose name begins
/// with a dot are left out.
/// User error when there is no file, or there are too few to hold some out, or
/// one is packed.
Result<SplitFiles>
chooseSplits(const std::vector<std::filesystem::path> &inputs,
             const DatasetOptions &options);

/// The lines of a shared file whose documents fall to `split`, drawn with the
/// shares' probabilities: a function of seed, file name and line alone.
LineFilter linesOf(Split split, const std::filesystem::path &file,
                   const DatasetOptions &options);

/// What one split holds.
struct SplitSummary {
  std::vector<std::string> files;
  int64_t documents = 0;
  int64_t bytes = 0;  ///< of text: bits per byte are relative to these
  int64_t tokens = 0; ///< with an end of text before each document
};

/// How a preparation speaks.
struct PrepareOutput {
  std::function<void(std::string_view line)> say = [](std::string_view) {};
  /// Bytes of text encoded so far, of how many there are about.
  std::function<void(int64_t bytes, int64_t total)> progress = [](int64_t,
                                                                  int64_t) {};
};

/// Encodes all files and writes the data folder, with the tokenizer that is
/// given or, if there is none, one that is trained on the training files.
/// dataset.json comes last, so that a folder which has it is whole. User error
/// when there is no text to train on, or nothing falls to a split that has a
/// share.
Status prepareDataset(const SplitFiles &files,
                      const std::filesystem::path &folder,
                      const DatasetOptions &options,
                      std::optional<Tokenizer> tokenizer,
                      const PrepareOutput &output);

/// A data folder that is ready.
struct Dataset {
  Tokenizer tokenizer;
  BySplit<SplitSummary> summary;
  BySplit<TokenSequence> tokens;

  /// World error when a file is missing or damaged, or does not belong to the
  /// others. User error when a token is beyond the vocabulary, or shards need
  /// GPT-2's and this machine has none.
  static Result<Dataset> open(const std::filesystem::path &folder);
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_DATASET_H
