//===- TokenShard.h - Tokens on disk ---------------------------*- C++ -*-===//
//
// The format of llm.c: 256 int32 (magic 20240520, version 1, number of tokens,
// zeros), then the tokens as uint16, all little-endian.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_DATA_TOKENSHARD_H
#define DECAY_RUNTIME_DATA_TOKENSHARD_H

#include "runtime/core/Files.h"
#include "runtime/core/Status.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace decay::runtime {

class TokenShard {
public:
  /// Maps the file. World error when it is no shard or was cut off.
  static Result<TokenShard> open(const std::filesystem::path &path);

  std::span<const uint16_t> tokens() const;

  /// Asks the system to have these tokens in memory soon; does not wait.
  void prefetch(size_t first, size_t count) const;

private:
  MappedFile file;
};

/// World error; at most 2^31 - 1 tokens.
Status writeShard(const std::filesystem::path &path,
                  std::span<const uint16_t> tokens);

/// Several shards read as one sequence.
class TokenSequence {
public:
  TokenSequence() = default;
  TokenSequence(TokenSequence &&) = default;
  TokenSequence &operator=(TokenSequence &&) = default;

  /// User error when a token is not below `vocabularySize`, with file and
  /// place: the shards were made with another tokenizer.
  static Result<TokenSequence>
  open(std::span<const std::filesystem::path> shards, int64_t vocabularySize);

  /// Tokens that are in memory already.
  static TokenSequence of(std::vector<uint16_t> tokens);

  int64_t size() const { return total; }

  /// Tokens [first, first + out.size()), which must exist.
  void read(int64_t first, std::span<int32_t> out) const;

  /// Asks the system to have tokens [first, first + count) in memory soon; does
  /// not wait.
  void prefetch(int64_t first, int64_t count) const;

private:
  struct Part {
    std::span<const uint16_t> tokens;
    int64_t first;
  };
  void add(std::span<const uint16_t> tokens);

  std::vector<TokenShard> files;
  std::vector<uint16_t> own;
  std::vector<Part> parts;
  int64_t total = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_TOKENSHARD_H
