//===- PreTokenizer.h - Text cut into pieces -------------------*- C++ -*-===//
//
// The pieces of GPT-2's regular expression
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// matched from left to right by hand, in linear time. Letters, numbers and
// white space are Unicode's (UnicodeClasses.inc). A byte that is no part of a
// valid UTF-8 sequence counts as one character that is none of the three.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TOKENIZER_PRETOKENIZER_H
#define DECAY_RUNTIME_TOKENIZER_PRETOKENIZER_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace decay::runtime {

enum class CharacterClass : uint8_t { Other, Letter, Number, Space };

CharacterClass classOf(uint32_t codePoint);

/// Cuts a text piece by piece; together the pieces are the text.
class PreTokenizer {
public:
  explicit PreTokenizer(std::string_view text);

  /// The next piece; empty at the end.
  std::string_view next();

private:
  struct Character {
    CharacterClass kind;
    size_t bytes;
  };
  Character at(size_t offset) const;
  size_t endOfRun(size_t offset, CharacterClass kind) const;
  size_t endOfSpaces(size_t offset) const;

  std::string_view text;
  const CharacterClass *basic; ///< by code point, below 65,536
  size_t position = 0;
};

/// The first place from `least` on at which a text may be cut in two that are
/// encoded apart, with the same tokens as the whole: a line's end after what is
/// no white space. The text's size when there is none.
size_t placeToCut(std::string_view text, size_t least);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOKENIZER_PRETOKENIZER_H
