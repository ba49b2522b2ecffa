//===- Preparation.cpp - From text files to token shards ------------------===//

#include "runtime/core/Json.h"
#include "runtime/core/Progress.h"
#include "runtime/data/CorpusEncoder.h"
#include "runtime/data/Dataset.h"
#include "runtime/data/DatasetNames.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <system_error>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
/// Of text that a tokenizer is trained on: more finds the same pairs.
constexpr size_t mostTrainingBytes = size_t{1} << 28;

fs::path shardPath(const fs::path &folder, Split split, size_t number) {
  return folder / fmt::format("{}-{:03}.bin", splitName(split), number);
}

/// Collects tokens and writes a shard whenever there are enough.
class ShardWriter {
public:
  ShardWriter(const fs::path &folder, Split split, int64_t shardTokens)
      : folder(folder), split(split),
        shardTokens(static_cast<size_t>(shardTokens)) {}

  Status add(std::span<const Token> tokens) {
    total += static_cast<int64_t>(tokens.size());
    while (!tokens.empty()) {
      size_t count = std::min(tokens.size(), shardTokens - pending.size());
      for (Token token : tokens.first(count))
        pending.push_back(static_cast<uint16_t>(token));
      tokens = tokens.subspan(count);
      if (pending.size() == shardTokens)
        DECAY_RETURN_IF_ERROR(flush());
    }
    return {};
  }
  Status finish() { return pending.empty() ? Status() : flush(); }

  const std::vector<std::string> &shards() const { return names; }
  int64_t tokens() const { return total; }

private:
  Status flush() {
    fs::path path = shardPath(folder, split, names.size());
    DECAY_RETURN_IF_ERROR(writeShard(path, pending));
    names.push_back(path.filename().string());
    pending.clear();
    return {};
  }

  fs::path folder;
  Split split;
  size_t shardTokens;
  std::vector<uint16_t> pending;
  std::vector<std::string> names;
  int64_t total = 0;
};

/// Visits all files of a split, with the lines that are wanted of each.
template <typename Visit>
Status forEachFile(const SplitFiles &files, Split split,
                   const DatasetOptions &options, const Visit &visit) {
  for (const fs::path &path : files.of(split))
    DECAY_RETURN_IF_ERROR(visit(path, LineFilter()));
  for (const fs::path &path : files.shared)
    DECAY_RETURN_IF_ERROR(visit(path, linesOf(split, path, options)));
  return {};
}

Result<Tokenizer> trainOn(const SplitFiles &files,
                          const DatasetOptions &options) {
  std::vector<std::string> texts;
  size_t bytes = 0;
  auto visit = [&](const fs::path &path, const LineFilter &wanted) -> Status {
    if (bytes >= mostTrainingBytes)
      return {};
    DECAY_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
    Status status;
    forEachPart(file, path, wanted, [&](const DocumentPart &part) {
      if (bytes >= mostTrainingBytes || !status.ok())
        return;
      std::string store;
      Result<std::string_view> text = textOf(part, path, store);
      if (!text.ok()) {
        status = text.status();
        return;
      }
      bytes += text->size();
      texts.emplace_back(*text);
    });
    return status;
  };
  DECAY_RETURN_IF_ERROR(forEachFile(files, Split::Train, options, visit));
  if (bytes == 0)
    return Status::user("the training files hold no text");
  std::vector<std::string_view> views(texts.begin(), texts.end());
  return trainTokenizer(views, {.vocabularySize = options.vocabularySize});
}

/// How much text there is to encode; a line of JSON counts as its text.
int64_t sizeOf(const SplitFiles &files) {
  auto sum = [](int64_t before, const fs::path &path) {
    std::error_code failure;
    auto bytes = static_cast<int64_t>(fs::file_size(path, failure));
    return failure ? before : before + bytes;
  };
  int64_t total = std::accumulate(files.shared.begin(), files.shared.end(),
                                  int64_t{0}, sum);
  for (Split split : allSplits)
    total = std::accumulate(files.of(split).begin(), files.of(split).end(),
                            total, sum);
  return total;
}

/// What a preparation has done so far.
struct Preparation {
  const SplitFiles &files;
  const fs::path &folder;
  const DatasetOptions &options;
  const PrepareOutput &output;
  int64_t total, bytesDone = 0;

  Result<Json> encode(Split split, const Tokenizer &tokenizer) {
    ShardWriter writer(folder, split, options.shardTokens);
    const CorpusEncoder *running = nullptr;
    CorpusEncoder encoder(tokenizer, static_cast<size_t>(options.threads),
                          [&](std::span<const Token> tokens) {
                            output.progress(bytesDone + running->textBytes(),
                                            total);
                            return writer.add(tokens);
                          });
    running = &encoder;
    Json names = Json::array();
    DECAY_RETURN_IF_ERROR(
        forEachFile(files, split, options,
                    [&](const fs::path &path, const LineFilter &wanted) {
                      names.push_back(path.filename().string());
                      return encoder.add(path, wanted);
                    }));
    DECAY_RETURN_IF_ERROR(encoder.finish());
    DECAY_RETURN_IF_ERROR(writer.finish());
    bytesDone += encoder.textBytes();
    output.say(
        fmt::format("{}: {} documents, {} bytes, {} tokens", splitName(split),
                    encoder.documents(),
                    formatCount(static_cast<double>(encoder.textBytes())),
                    formatCount(static_cast<double>(writer.tokens()))));
    return Json{{"files", names},
                {"documents", encoder.documents()},
                {"bytes", encoder.textBytes()},
                {"tokens", writer.tokens()},
                {"shards", writer.shards()}};
  }
};

/// The dataset that was in the folder before: first what says that it is whole.
Status removeOld(const fs::path &folder) {
  std::error_code failure;
  fs::remove(folder / datasetName, failure);
  if (failure)
    return systemError("replace", folder / datasetName, failure.value());
  for (Split split : allSplits)
    for (size_t number = 0;
         fs::remove(shardPath(folder, split, number), failure); ++number)
      ;
  return {};
}

Status checkShare(const Json &part, Split split,
                  const DatasetOptions &options) {
  const double shares[] = {1, options.validationShare, options.testShare};
  if (shares[static_cast<size_t>(split)] <= 0 ||
      part["documents"].get<int64_t>() > 0)
    return {};
  return Status::user(fmt::format(
      "no document fell to '{}'; give more documents, a larger share or 0",
      splitName(split)));
}
} // namespace

Status prepareDataset(const SplitFiles &files, const fs::path &folder,
                      const DatasetOptions &options,
                      std::optional<Tokenizer> tokenizer,
                      const PrepareOutput &output) {
  DECAY_RETURN_IF_ERROR(createFolders(folder));
  DECAY_RETURN_IF_ERROR(removeOld(folder));
  if (!tokenizer) {
    output.say(fmt::format("training a tokenizer of {} tokens",
                           options.vocabularySize));
    DECAY_ASSIGN_OR_RETURN(tokenizer, trainOn(files, options));
  }
  DECAY_RETURN_IF_ERROR(tokenizer->save(folder / tokenizerName));

  Preparation preparation{files, folder, options, output, sizeOf(files)};
  Json splits = Json::object();
  for (Split split : allSplits) {
    std::string name(splitName(split));
    DECAY_ASSIGN_OR_RETURN(splits[name], preparation.encode(split, *tokenizer));
    DECAY_RETURN_IF_ERROR(checkShare(splits[name], split, options));
  }
  return writeFileAtomic(folder / datasetName,
                         writeJson({{"format", datasetFormat},
                                    {"tokenizer", tokenizer->hash()},
                                    {"splits", splits}}));
}

} // namespace decay::runtime
