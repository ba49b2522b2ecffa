//===- Utf8.cpp - Characters of a source text
//------------------------------===//
#include "dsl/syntax/Utf8.h"

namespace decay::dsl {

Character decodeCharacter(llvm::StringRef text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t lead = byte(0);
  if (lead < 0x80)
    return {lead, 1};
  unsigned length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
  if (length == 0 || lead >= 0xF8 || text.size() < length)
    return {};
  uint32_t code = lead & (0x7F >> length);
  for (unsigned i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80)
      return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool isSurrogate = code >= 0xD800 && code < 0xE000;
  if (code < smallest[length] || code > 0x10FFFF || isSurrogate)
    return {};
  return {code, length};
}

llvm::StringRef greekName(uint32_t code) {
  static constexpr const char *names[] = {
      "alpha",   "beta", "gamma", "delta",  "epsilon", "zeta", "eta",
      "theta",   "iota", "kappa", "lambda", "mu",      "nu",   "xi",
      "omicron", "pi",   "rho",   "sigma",  "sigma",   "tau",  "upsilon",
      "phi",     "chi",  "psi",   "omega"};
  if (code >= 0x3B1 && code <= 0x3C9)
    return names[code - 0x3B1];
  if (code >= 0x391 && code <= 0x3A9 && code != 0x3A2)
    return names[code - 0x391];
  switch (code) {
  case 0xB5: // the micro sign
    return "mu";
  case 0x3D1:
    return "theta";
  case 0x3D5:
    return "phi";
  case 0x3F1:
    return "rho";
  case 0x3F5:
    return "epsilon";
  case 0x2206: // the increment sign
    return "delta";
  default:
    return {};
  }
}

std::string takeCharacter(llvm::StringRef &line) {
  Character character = decodeCharacter(line);
  llvm::StringRef bytes =
      line.take_front(character.length ? character.length : 1);
  line = line.drop_front(bytes.size());
  // Control characters, and those that reorder or hide what is around them.
  struct Range {
    uint32_t first, last;
  };
  static constexpr Range hidden[] = {
      {0, 8},           {10, 0x1F},       {0x7F, 0x9F},    {0x200B, 0x200F},
      {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}};
  bool isHidden = character.length == 0;
  for (const Range &range : hidden)
    isHidden |= character.code >= range.first && character.code <= range.last;
  return isHidden ? "?" : bytes.str();
}

} // namespace decay::dsl
