//===- Dataset.cpp - From text files to token shards ----------------------===//

#include "runtime/data/Dataset.h"

#include "runtime/core/Json.h"
#include "runtime/core/Progress.h"

#include <algorithm>
#include <fmt/format.h>
#include <system_error>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
constexpr const char *tokenizerName = "tokenizer.json";
constexpr const char *datasetName = "dataset.json";
constexpr int64_t format = 1;

/// Collects tokens and writes a shard whenever there are enough.
class ShardWriter {
public:
  ShardWriter(const fs::path &folder, Split split, int64_t shardTokens)
      : folder(folder), split(split),
        shardTokens(static_cast<size_t>(shardTokens)) {}

  Status add(Token token) {
    pending.push_back(static_cast<uint16_t>(token));
    return pending.size() == shardTokens ? flush() : Status();
  }
  Status flush() {
    std::string name =
        fmt::format("{}-{:03}.bin", splitName(split), names.size());
    DECAY_RETURN_IF_ERROR(writeShard(folder / name, pending));
    names.push_back(name);
    pending.clear();
    return {};
  }
  Status finish() { return pending.empty() ? Status() : flush(); }

  Json shards() const { return names; }

private:
  fs::path folder;
  Split split;
  size_t shardTokens;
  std::vector<uint16_t> pending;
  std::vector<std::string> names;
};

Result<Json> encodeSplit(const std::vector<fs::path> &files,
                         const Tokenizer &tokenizer, ShardWriter writer) {
  Json names = Json::array();
  int64_t bytes = 0, tokens = 0;
  for (const fs::path &path : files) {
    DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path));
    DECAY_RETURN_IF_ERROR(writer.add(tokenizer.endOfText()));
    std::vector<Token> encoded = tokenizer.encode(text);
    for (Token token : encoded)
      DECAY_RETURN_IF_ERROR(writer.add(token));
    names.push_back(path.filename().string());
    bytes += static_cast<int64_t>(text.size());
    tokens += static_cast<int64_t>(encoded.size()) + 1;
  }
  DECAY_RETURN_IF_ERROR(writer.finish());
  return Json{{"files", names},
              {"bytes", bytes},
              {"tokens", tokens},
              {"shards", writer.shards()}};
}

Result<Tokenizer> trainOn(const std::vector<fs::path> &files,
                          int64_t vocabularySize) {
  std::vector<std::string> texts;
  for (const fs::path &path : files) {
    DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path));
    texts.push_back(std::move(text));
  }
  if (std::ranges::all_of(texts, &std::string::empty))
    return Status::user("the training files hold no text");
  std::vector<std::string_view> views(texts.begin(), texts.end());
  return trainTokenizer(views, {.vocabularySize = vocabularySize});
}

Result<SplitSummary> readSummary(const Json &json, const std::string &name) {
  SplitSummary summary;
  DECAY_ASSIGN_OR_RETURN(summary.bytes, jsonInteger(json, "bytes", name, 0));
  DECAY_ASSIGN_OR_RETURN(summary.tokens, jsonInteger(json, "tokens", name, 0));
  DECAY_ASSIGN_OR_RETURN(Json files, jsonArray(json, "files", name));
  for (const Json &file : files)
    if (file.is_string())
      summary.files.push_back(file.get<std::string>());
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
} // namespace

Status prepareDataset(const SplitFiles &files, const fs::path &folder,
                      const DatasetOptions &options,
                      const std::function<void(std::string_view)> &report) {
  DECAY_RETURN_IF_ERROR(createFolders(folder));
  std::error_code failure;
  fs::remove(folder / datasetName, failure);
  if (failure)
    return systemError("replace", folder / datasetName, failure.value());

  report(fmt::format("training a tokenizer of {} tokens on {} files",
                     options.vocabularySize, files.of(Split::Train).size()));
  DECAY_ASSIGN_OR_RETURN(Tokenizer tokenizer, trainOn(files.of(Split::Train),
                                                      options.vocabularySize));
  DECAY_RETURN_IF_ERROR(tokenizer.save(folder / tokenizerName));

  Json splits = Json::object();
  for (Split split : allSplits) {
    std::string name(splitName(split));
    DECAY_ASSIGN_OR_RETURN(
        splits[name],
        encodeSplit(files.of(split), tokenizer,
                    ShardWriter(folder, split, options.shardTokens)));
    auto bytes = splits[name]["bytes"].get<double>();
    auto tokens = splits[name]["tokens"].get<double>();
    report(fmt::format("{}: {} files, {} bytes, {} tokens", name,
                       files.of(split).size(), formatCount(bytes),
                       formatCount(tokens)));
  }
  return writeFileAtomic(folder / datasetName,
                         writeJson({{"format", format},
                                    {"tokenizer", tokenizer.hash()},
                                    {"splits", splits}}));
}

Result<Dataset> Dataset::open(const fs::path &folder) {
  std::string name = (folder / datasetName).string();
  DECAY_ASSIGN_OR_RETURN(std::string text, readFile(folder / datasetName));
  DECAY_ASSIGN_OR_RETURN(Json json, parseJson(text, name));
  DECAY_ASSIGN_OR_RETURN(int64_t found, jsonInteger(json, "format", name));
  if (found != format)
    return Status::world(fmt::format("{}: format {}; this program reads {}",
                                     name, found, format));
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
