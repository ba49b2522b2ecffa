//===- PieceEncoder.h - The merges inside one piece ------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H
#define DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H

#include "runtime/tokenizer/PairTable.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace decay::runtime {

/// A token's spelling may have this many bytes, so that no vocabulary of 65,536
/// tokens can exhaust the memory.
inline constexpr size_t longestToken = 1024;

/// All that decides how a piece is encoded.
struct MergeRules {
  std::array<Token, 256> tokenOfByte;
  PairTable pairs;
};

/// Merges, always the earliest found pair first and of equal ones the leftmost,
/// until no pair is left. Remembers short pieces, which texts repeat: one
/// encoder serves one thread, for as many texts as it likes.
class PieceEncoder {
public:
  /// `rules` must outlive the encoder, and not change.
  explicit PieceEncoder(const MergeRules &rules)
      : rules(&rules), known(size_t{1} << rememberedBits) {}

  /// Appends the tokens of a piece.
  void append(std::string_view piece, std::vector<Token> &out);

  /// The same without memory.
  static void merge(const MergeRules &rules, std::string_view piece,
                    std::vector<Token> &out);

private:
  static constexpr int rememberedBits = 14;

  /// A piece of at most 15 bytes, its length in the last one; of all pieces
  /// with one hash the latest is remembered.
  struct Remembered {
    std::array<uint64_t, 2> key{};
    std::array<uint16_t, 7> tokens;
    uint16_t count;
  };

  const MergeRules *rules;
  std::vector<Remembered> known;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_PIECEENCODER_H
