//===- Parser.h - From words to lines and formulas -------------*- C++ -*-===//
//
// Recursive descent over the grammar of LANGUAGE.md. After a fault it goes on
// with the next line, so that one run shows all faults.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_PARSER_H
#define DECAY_DSL_SYNTAX_PARSER_H

#include "dsl/syntax/Ast.h"
#include "dsl/syntax/Diagnostics.h"

namespace decay::dsl {

/// A formula's tree is at most this high.
inline constexpr unsigned maximumNesting = 256;
/// A file has at most this many lines and nodes of formulas together, and a
/// checked design as many nodes.
inline constexpr unsigned maximumNodes = 4096;

/// What the source says. Where it has faults, these are reported and the lines
/// concerned are left out.
FileAst parseDesign(llvm::StringRef text, Diagnostics &diagnostics);

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_PARSER_H
