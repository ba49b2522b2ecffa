//===- PreTokenizer.cpp - Text cut into pieces ----------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include <algorithm>
#include <array>
#include <functional>

namespace decay::runtime {
namespace {
struct ClassRange {
  uint32_t first, last;
  CharacterClass kind;
};

constexpr ClassRange ranges[] = {
#define Letter CharacterClass::Letter
#define Number CharacterClass::Number
#define Space CharacterClass::Space
#include "runtime/tokenizer/UnicodeClasses.inc"
#undef Letter
#undef Number
#undef Space
};

constexpr CharacterClass lookUp(uint32_t code) {
  const ClassRange *found =
      std::ranges::lower_bound(ranges, code, std::less(), &ClassRange::last);
  return found != std::end(ranges) && found->first <= code
             ? found->kind
             : CharacterClass::Other;
}

constexpr auto asciiClasses = [] {
  std::array<CharacterClass, 128> classes{};
  for (uint32_t code = 0; code < classes.size(); ++code)
    classes[code] = lookUp(code);
  return classes;
}();

struct CodePoint {
  uint32_t code;
  size_t bytes; ///< 0: not a valid sequence
};

/// The UTF-8 sequence at the front of a text that begins with a byte >= 0x80.
CodePoint decodeSequence(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t length = byte(0) < 0xC2   ? 0
                  : byte(0) < 0xE0 ? 2
                  : byte(0) < 0xF0 ? 3
                  : byte(0) < 0xF5 ? 4
                                   : 0;
  if (length == 0 || text.size() < length)
    return {0, 0};
  uint32_t code = byte(0) & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80)
      return {0, 0};
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < least[length] || code > 0x10FFFF || surrogate)
    return {0, 0};
  return {code, length};
}

constexpr std::string_view contractions[] = {"'s", "'t",  "'re", "'ve",
                                             "'m", "'ll", "'d"};
} // namespace

CharacterClass classOf(uint32_t code) {
  return code < asciiClasses.size() ? asciiClasses[code] : lookUp(code);
}

PreTokenizer::Character PreTokenizer::at(size_t offset) const {
  auto first = static_cast<uint8_t>(text[offset]);
  if (first < asciiClasses.size())
    return {asciiClasses[first], 1};
  CodePoint point = decodeSequence(text.substr(offset, 4));
  if (point.bytes == 0)
    return {CharacterClass::Other, 1};
  return {lookUp(point.code), point.bytes};
}

size_t PreTokenizer::endOfRun(size_t offset, CharacterClass kind) const {
  while (offset < text.size()) {
    Character character = at(offset);
    if (character.kind != kind)
      break;
    offset += character.bytes;
  }
  return offset;
}

// Where white space begins: all of it at the end of the text; otherwise its
// last character is left to what follows, unless it is the only one.
size_t PreTokenizer::endOfSpaces(size_t offset) const {
  size_t end = offset, last = offset;
  while (end < text.size()) {
    Character character = at(end);
    if (character.kind != CharacterClass::Space)
      return last > offset ? last : end;
    last = end;
    end += character.bytes;
  }
  return end;
}

std::string_view PreTokenizer::next() {
  if (position >= text.size())
    return {};
  size_t start = position;
  std::string_view rest = text.substr(start);
  if (rest[0] == '\'')
    for (std::string_view contraction : contractions)
      if (rest.starts_with(contraction)) {
        position += contraction.size();
        return contraction;
      }
  size_t word = start + (rest[0] == ' ' && rest.size() > 1 ? 1 : 0);
  CharacterClass kind = at(word).kind;
  position =
      kind == CharacterClass::Space ? endOfSpaces(start) : endOfRun(word, kind);
  return text.substr(start, position - start);
}

} // namespace decay::runtime
