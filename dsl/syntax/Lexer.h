//===- Lexer.h - From characters to words ----------------------*- C++ -*-===//
//
// Splits a source into tokens. A line's end is a token, except inside brackets.
// `−` is minus, `×` and `·` are times, a Greek letter is its Latin name.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_LEXER_H
#define DECAY_DSL_SYNTAX_LEXER_H

#include "dsl/syntax/Diagnostics.h"

#include <string>
#include <vector>

namespace decay::dsl {

inline constexpr size_t maximumInputBytes = 64 * 1024;
inline constexpr size_t maximumNameBytes = 255;

struct Token {
  enum class Kind : uint8_t { Name, Number, String, Symbol, LineEnd, FileEnd };
  Kind kind = Kind::FileEnd;
  std::string text; ///< Name: canonical; Symbol: ASCII; String: what is inside
  std::string spelled; ///< as written
  double value = 0;    ///< Number
  SourcePlace place;

  bool isSymbol(llvm::StringRef symbol) const {
    return kind == Kind::Symbol && text == symbol;
  }
  bool isName(llvm::StringRef name) const {
    return kind == Kind::Name && text == name;
  }
  /// "'fx'", "the end of the line", ..., for messages.
  std::string describe() const;
};

/// All tokens; the last two are LineEnd and FileEnd. Faults are reported and
/// left out.
std::vector<Token> tokenize(llvm::StringRef text, Diagnostics &diagnostics);

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_LEXER_H
