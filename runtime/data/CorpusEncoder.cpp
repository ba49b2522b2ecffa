//===- CorpusEncoder.cpp - Files to tokens, on several threads ------------===//

#include "runtime/data/CorpusEncoder.h"

#include "runtime/core/Parallel.h"

namespace decay::runtime {
namespace {
/// Enough that starting threads and waiting for the last one cost nothing.
constexpr size_t batchBytesPerThread = size_t{8} << 20;
constexpr size_t mostFiles = 256; ///< mapped at once
} // namespace

CorpusEncoder::CorpusEncoder(const Tokenizer &tokenizer, size_t threads,
                             Sink sink)
    : tokenizer(tokenizer), sink(std::move(sink)),
      encoders(threadCount(threads), PieceEncoder(tokenizer.mergeRules())) {}

Status CorpusEncoder::add(const std::filesystem::path &path,
                          const LineFilter &wanted) {
  DECAY_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  Status status;
  auto take = [&](const DocumentPart &part) {
    if (!status.ok())
      return;
    batch.push_back({part, files.size() - 1, {}, 0, {}});
    batchBytes += part.bytes.size();
    if (batchBytes >= batchBytesPerThread * encoders.size())
      status = encodeBatch();
  };
  files.push_back(std::move(file));
  paths.push_back(path);
  // A batch that ends inside this file must not let go of it.
  forEachPart(files.back(), path, wanted, take);
  DECAY_RETURN_IF_ERROR(std::move(status));
  return files.size() < mostFiles ? Status() : finish();
}

Status CorpusEncoder::finish() {
  DECAY_RETURN_IF_ERROR(encodeBatch());
  files.clear();
  paths.clear();
  return {};
}

Status CorpusEncoder::encode(Work &work, PieceEncoder &encoder) const {
  std::string store;
  DECAY_ASSIGN_OR_RETURN(std::string_view text,
                         textOf(work.part, paths[work.file], store));
  work.textBytes = text.size();
  work.tokens.reserve(text.size() / 3 + 1);
  if (work.part.begins)
    work.tokens.push_back(tokenizer.endOfText());
  Tokenizer::encode(text, encoder, work.tokens);
  return {};
}

Status CorpusEncoder::encodeBatch() {
  inParallel(batch.size(), encoders.size(), [&](size_t index, size_t thread) {
    batch[index].status = encode(batch[index], encoders[thread]);
  });
  for (Work &work : batch) {
    DECAY_RETURN_IF_ERROR(std::move(work.status));
    DECAY_RETURN_IF_ERROR(sink(work.tokens));
    bytes += static_cast<int64_t>(work.textBytes);
    documentCount += work.part.begins;
  }
  batch.clear();
  batchBytes = 0;
  return {};
}

} // namespace decay::runtime
