//===- Words.h - The words of the language ---------------------*- C++ -*-===//
//
// Tables of keywords, settings and built-in functions, shared by the parser,
// the checker and the documents.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_WORDS_H
#define DECAY_DSL_SYNTAX_WORDS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace decay::dsl {

/// One of the settings that every design has.
struct AxisSetting {
  llvm::StringRef name;
  std::vector<std::string> values; ///< the first is the default
  llvm::StringRef meaning;
};
llvm::ArrayRef<AxisSetting> axisSettings();
/// Null when `name` is none of them.
const AxisSetting *findAxisSetting(llvm::StringRef name);

/// A word in front of a line: the line counts only when the setting has the
/// value.
struct GuardWord {
  llvm::StringRef word, setting, value;
};
llvm::ArrayRef<GuardWord> guardWords();
const GuardWord *findGuardWord(llvm::StringRef word);

/// A function that is not a pointwise operator.
struct BuiltinFunction {
  llvm::StringRef name;
  llvm::StringRef usage; ///< "geometric(first, last, head)"
  unsigned arity;
  llvm::StringRef meaning;
};
llvm::ArrayRef<BuiltinFunction> builtinFunctions();
const BuiltinFunction *findBuiltinFunction(llvm::StringRef name);

/// An operator or a built-in function.
bool isFunctionName(llvm::StringRef name);
/// Every function that a formula may call.
std::vector<std::string> functionNames();

/// The function that a word was probably meant to be, or empty.
std::string nearestFunction(llvm::StringRef name);

/// What a built-in word is ("a function of the language"), or empty.
llvm::StringRef reservedMeaning(llvm::StringRef name);

/// An operand of a compiled package has the name: what it is, or empty.
llvm::StringRef operandMeaning(llvm::StringRef name);

/// The words that begin a line.
llvm::ArrayRef<llvm::StringRef> statementWords();

/// "a, b or c"
std::string listOf(llvm::ArrayRef<std::string> words,
                   llvm::StringRef lastJoin = " or ");

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_WORDS_H
