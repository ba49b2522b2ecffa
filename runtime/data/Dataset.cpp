//===- Dataset.cpp - A data folder that is ready --------------------------===//

#include "runtime/data/Dataset.h"

#include "runtime/core/Json.h"
#include "runtime/data/DatasetNames.h"
#include "runtime/tokenizer/Gpt2.h"

#include <algorithm>
#include <fmt/format.h>
#include <system_error>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
Result<SplitSummary> readSummary(const Json &json, const std::string &name) {
  SplitSummary summary;
  DECAY_ASSIGN_OR_RETURN(summary.bytes, jsonInteger(json, "bytes", name, 0));
  DECAY_ASSIGN_OR_RETURN(summary.tokens, jsonInteger(json, "tokens", name, 0));
  DECAY_ASSIGN_OR_RETURN(Json files, jsonArray(json, "files", name));
  for (const Json &file : files)
    if (file.is_string())
      summary.files.push_back(file.get<std::string>());
  // Where only files were documents, their number was not written.
  summary.documents = static_cast<int64_t>(summary.files.size());
  if (json.contains("documents")) {
    DECAY_ASSIGN_OR_RETURN(summary.documents,
                           jsonInteger(json, "documents", name, 0));
  }
  return summary;
}

Result<TokenSequence> openShards(const fs::path &folder, const Json &json,
                                 const std::string &name,
                                 int64_t vocabularySize) {
  DECAY_ASSIGN_OR_RETURN(Json shards, jsonArray(json, "shards", name));
  std::vector<fs::path> paths;
  for (const Json &shard : shards) {
    // A name must not lead out of the folder.
    if (!shard.is_string() || fs::path(shard.get<std::string>()).filename() !=
                                  shard.get<std::string>())
      return Status::world(fmt::format("{}: a shard's name is damaged", name));
    paths.push_back(folder / shard.get<std::string>());
  }
  return TokenSequence::open(paths, vocabularySize);
}
/// What the names of shards say that they are for.
constexpr struct {
  std::string_view word;
  Split split;
} shardWords[] = {{"_train_", Split::Train},
                  {"_val_", Split::Validation},
                  {"_test_", Split::Test}};

Result<BySplit<std::vector<fs::path>>> publishedShards(const fs::path &folder) {
  BySplit<std::vector<fs::path>> shards;
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure))
    for (auto [word, split] : shardWords)
      if (it->path().extension() == ".bin" &&
          it->path().stem().string().find(word) != std::string::npos)
        shards.of(split).push_back(it->path());
  if (failure)
    return systemError("list", folder, failure.value());
  for (Split split : allSplits)
    std::ranges::sort(shards.of(split));
  return shards;
}

Result<Dataset> openPublished(const BySplit<std::vector<fs::path>> &shards) {
  Dataset dataset;
  DECAY_ASSIGN_OR_RETURN(dataset.tokenizer, loadInstalledGpt2());
  for (Split split : allSplits) {
    DECAY_ASSIGN_OR_RETURN(
        dataset.tokens.of(split),
        TokenSequence::open(shards.of(split),
                            dataset.tokenizer.vocabularySize()));
    SplitSummary &summary = dataset.summary.of(split);
    summary.tokens = dataset.tokens.of(split).size();
    for (const fs::path &path : shards.of(split))
      summary.files.push_back(path.filename().string());
  }
  return dataset;
}
} // namespace

Result<Dataset> Dataset::open(const fs::path &folder) {
  std::string name = (folder / datasetName).string();
  std::error_code ignored;
  if (fs::is_directory(folder, ignored) &&
      !fs::exists(folder / datasetName, ignored)) {
    DECAY_ASSIGN_OR_RETURN(auto shards, publishedShards(folder));
    if (!shards.of(Split::Train).empty())
      return openPublished(shards);
    return Status::world(fmt::format(
        "{}: no dataset: neither a dataset.json, which `decay prepare` writes "
        "at its end, nor shards named *_train_*.bin",
        folder.string()));
  }
  DECAY_ASSIGN_OR_RETURN(std::string text, readFile(folder / datasetName));
  DECAY_ASSIGN_OR_RETURN(Json json, parseJson(text, name));
  DECAY_ASSIGN_OR_RETURN(int64_t found, jsonInteger(json, "format", name));
  if (found != datasetFormat)
    return Status::world(fmt::format("{}: format {}; this program reads {}",
                                     name, found, datasetFormat));
  DECAY_ASSIGN_OR_RETURN(std::string hash, jsonString(json, "tokenizer", name));
  Dataset dataset;
  DECAY_ASSIGN_OR_RETURN(dataset.tokenizer,
                         Tokenizer::load(folder / tokenizerName));
  if (dataset.tokenizer.hash() != hash)
    return Status::world(
        fmt::format("{}: its shards were made with another tokenizer than {}",
                    name, tokenizerName));
  DECAY_ASSIGN_OR_RETURN(Json splits, jsonObject(json, "splits", name));
  for (Split split : allSplits) {
    DECAY_ASSIGN_OR_RETURN(Json part,
                           jsonObject(splits, splitName(split), name));
    std::string where = fmt::format("{}: {}", name, splitName(split));
    DECAY_ASSIGN_OR_RETURN(dataset.summary.of(split), readSummary(part, where));
    DECAY_ASSIGN_OR_RETURN(
        dataset.tokens.of(split),
        openShards(folder, part, where, dataset.tokenizer.vocabularySize()));
    if (dataset.tokens.of(split).size() != dataset.summary.of(split).tokens)
      return Status::world(fmt::format("{}: its shards hold {} tokens, not {}",
                                       where, dataset.tokens.of(split).size(),
                                       dataset.summary.of(split).tokens));
  }
  return dataset;
}

} // namespace decay::runtime
