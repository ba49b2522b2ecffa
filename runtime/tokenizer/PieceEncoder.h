//===- PieceEncoder.h - The merges inside one piece ------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H
#define DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H

#include "runtime/tokenizer/Tokenizer.h"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace decay::runtime {

/// A token's spelling may have this many bytes, so that no vocabulary of 65,536
/// tokens can exhaust the memory.
inline constexpr size_t longestToken = 1024;

inline uint64_t pairKey(Token left, Token right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
         static_cast<uint32_t>(right);
}

/// Merges, always the earliest found pair first and of equal ones the leftmost,
/// until no pair is left. Remembers short pieces, which texts repeat.
class PieceEncoder {
public:
  /// `merged` gives the token that a pair becomes; must outlive the encoder.
  explicit PieceEncoder(const std::unordered_map<uint64_t, Token> &merged)
      : merged(merged) {}

  /// Appends the tokens of `piece`, which must outlive the encoder.
  void append(std::string_view piece, std::vector<Token> &out);

private:
  static constexpr Token none = -1;
  Token mergeOf(Token left, Token right) const {
    auto found = merged.find(pairKey(left, right));
    return found == merged.end() ? none : found->second;
  }
  void encodeShort(std::string_view piece, std::vector<Token> &out);
  void encodeLong(std::string_view piece, std::vector<Token> &out) const;

  const std::unordered_map<uint64_t, Token> &merged;
  std::unordered_map<std::string_view, std::vector<Token>> known;
  std::vector<Token> work;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H
