//===- Tokenizer.h - Text to token numbers and back ------------*- C++ -*-===//
//
// Byte-level byte pair encoding. Text is first cut into pieces by GPT-2's rules
// (PreTokenizer.h); inside a piece, neighbouring tokens are merged in the order
// in which the trainer found the pairs. Token numbers:
//
//   0 .. 255                       the bytes, in the tokenizer's order
//   256 .. 256 + merges - 1        the pairs, in order
//   vocabularySize() - 1           end of text, which no text encodes to
//
// Any bytes can be encoded, and decoding gives exactly those bytes.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TOKENIZER_TOKENIZER_H
#define DECAY_RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/core/Status.h"
#include "runtime/tokenizer/PieceEncoder.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

/// Two tokens that become one.
struct Merge {
  Token left, right;
  bool operator==(const Merge &) const = default;
};

/// Which byte each of the first 256 tokens spells.
using ByteOrder = std::array<uint8_t, 256>;

/// Token b spells the byte b.
constexpr ByteOrder countingBytes = [] {
  ByteOrder order{};
  for (size_t byte = 0; byte < order.size(); ++byte)
    order[byte] = static_cast<uint8_t>(byte);
  return order;
}();

class Tokenizer {
public:
  static constexpr Token firstMerge = 256;
  static constexpr int64_t mostTokens = 65536; ///< shards hold 16 bits

  /// Only bytes and the end of text: 257 tokens.
  Tokenizer() : Tokenizer(std::vector<Merge>(), countingBytes) {}

  /// User error when a merge names a token that does not come before it, or
  /// one that stands there twice, or there are too many. `bytes` has each byte
  /// once.
  static Result<Tokenizer> create(std::vector<Merge> merges,
                                  const ByteOrder &bytes = countingBytes);

  /// The JSON that `serialize` writes; user error with `name` and what is
  /// wrong otherwise.
  static Result<Tokenizer> parse(std::string_view text, std::string_view name);
  static Result<Tokenizer> load(const std::filesystem::path &path);
  std::string serialize() const;
  Status save(const std::filesystem::path &path) const;

  int64_t vocabularySize() const {
    return firstMerge + static_cast<int64_t>(merges().size()) + 1;
  }
  Token endOfText() const { return static_cast<Token>(vocabularySize() - 1); }
  std::span<const Merge> merges() const { return mergeList; }

  /// Time grows as n log n with the longest piece.
  std::vector<Token> encode(std::string_view text) const;

  /// Appends the tokens of `text`; the encoder, made of mergeRules(), remembers
  /// pieces from text to text.
  static void encode(std::string_view text, PieceEncoder &encoder,
                     std::vector<Token> &out);
  const MergeRules &mergeRules() const { return rules; }

  /// The bytes of one token; "" for the end of text.
  std::string_view bytesOf(Token token) const;

  /// User error for a number that is no token.
  Result<std::string> decode(std::span<const Token> tokens) const;

  /// Of everything that changes an encoding; 64 hex digits.
  std::string hash() const;

private:
  Tokenizer(std::vector<Merge> merges, const ByteOrder &bytes);

  std::vector<Merge> mergeList;
  ByteOrder bytes;
  std::vector<std::string> spellings; ///< by token
  MergeRules rules;
};

struct TokenizerTraining {
  int64_t vocabularySize = 4096; ///< 257 .. 65536, end of text included
};

/// Finds the merges that occur most often in the texts. Between pairs that
/// occur equally often the one with the smaller numbers wins, so that the same
/// texts give the same tokenizer. May end with fewer tokens than asked for when
/// no pair occurs twice.
Result<Tokenizer> trainTokenizer(std::span<const std::string_view> texts,
                                 const TokenizerTraining &options);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_TOKENIZER_H
