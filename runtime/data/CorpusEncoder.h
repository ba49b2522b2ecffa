//===- CorpusEncoder.h - Files to tokens, on several threads ---*- C++ -*-===//
#ifndef DECAY_RUNTIME_DATA_CORPUSENCODER_H
#define DECAY_RUNTIME_DATA_CORPUSENCODER_H

#include "runtime/core/Files.h"
#include "runtime/core/Status.h"
#include "runtime/data/Documents.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace decay::runtime {

/// Encodes file after file, an end of text before each document. The tokens
/// come in the order of the files, the same for any number of threads.
class CorpusEncoder {
public:
  /// Takes what has been encoded, in order.
  using Sink = std::function<Status(std::span<const Token>)>;

  /// `tokenizer` must outlive the encoder. 0 threads: one for each core.
  CorpusEncoder(const Tokenizer &tokenizer, size_t threads, Sink sink);

  /// World error when the file cannot be read; of what is wrong in it, and of
  /// the sink, this call tells or a later one.
  Status add(const std::filesystem::path &path, const LineFilter &wanted = {});
  Status finish();

  int64_t textBytes() const { return bytes; }
  int64_t documents() const { return documentCount; }

private:
  struct Work {
    DocumentPart part;
    size_t file;
    std::vector<Token> tokens;
    size_t textBytes = 0;
    Status status;
  };
  Status encodeBatch();
  Status encode(Work &work, PieceEncoder &encoder) const;

  const Tokenizer &tokenizer;
  Sink sink;
  std::vector<PieceEncoder> encoders; ///< by thread
  std::vector<MappedFile> files;      ///< of the batch
  std::vector<std::filesystem::path> paths;
  std::vector<Work> batch;
  size_t batchBytes = 0;
  int64_t bytes = 0, documentCount = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_CORPUSENCODER_H
