//===- Utf8.h - Characters of a source text --------------------*- C++ -*-===//
//
// Decoding of UTF-8 one character at a time, and the Latin names of Greek
// letters: in a name, λ and lambda are the same.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_UTF8_H
#define DECAY_DSL_SYNTAX_UTF8_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace decay::dsl {

/// One decoded character; `length` 0: the bytes are not UTF-8.
struct Character {
  uint32_t code = 0;
  unsigned length = 0;
};

/// The character that `text`, which is not empty, begins with.
Character decodeCharacter(llvm::StringRef text);

/// "lambda" for λ and Λ, empty for what is no Greek letter.
llvm::StringRef greekName(uint32_t code);

/// Takes the first character from a line that is not empty, for display:
/// control and invisible characters and bytes that are not UTF-8 are '?'.
std::string takeCharacter(llvm::StringRef &line);

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_UTF8_H
