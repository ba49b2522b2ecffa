//===- PreTokenizer.cpp - Text cut into pieces ----------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

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

CharacterClass lookUp(uint32_t code) {
  const ClassRange *found =
      std::ranges::lower_bound(ranges, code, std::less(), &ClassRange::last);
  return found != std::end(ranges) && found->first <= code
             ? found->kind
             : CharacterClass::Other;
}

constexpr uint32_t endOfAscii = 0x80, endOfBasicPlane = 0x10000;
using BasicPlane = std::array<CharacterClass, endOfBasicPlane>;

/// The classes of nearly every character in use, made once.
const BasicPlane &basicPlane() {
  static const auto classes = [] {
    auto plane = std::make_unique<BasicPlane>();
    for (auto [first, last, kind] : ranges)
      for (uint32_t code = first; code <= last && code < plane->size(); ++code)
        (*plane)[code] = kind;
    return plane;
  }();
  return *classes;
}

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
  return code < endOfBasicPlane ? basicPlane()[code] : lookUp(code);
}

PreTokenizer::PreTokenizer(std::string_view text)
    : text(text), basic(basicPlane().data()) {}

PreTokenizer::Character PreTokenizer::at(size_t offset) const {
  auto first = static_cast<uint8_t>(text[offset]);
  if (first < endOfAscii)
    return {basic[first], 1};
  CodePoint point = decodeSequence(text.substr(offset, 4));
  if (point.bytes == 0)
    return {CharacterClass::Other, 1};
  return {point.code < endOfBasicPlane ? basic[point.code] : lookUp(point.code),
          point.bytes};
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

size_t placeToCut(std::string_view text, size_t least) {
  for (size_t place = std::max<size_t>(least, 1);
       (place = text.find('\n', place)) != std::string_view::npos; ++place) {
    auto before = static_cast<uint8_t>(text[place - 1]);
    if (before < endOfAscii && classOf(before) != CharacterClass::Space)
      return place;
  }
  return text.size();
}

} // namespace decay::runtime
