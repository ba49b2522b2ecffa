//===- Ast.h - A source file as written ------------------------*- C++ -*-===//
//
// What the parser hands to the checker: lines and formulas, nothing resolved.
// Names are canonical (ASCII); `spelled` keeps what the user wrote.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_AST_H
#define DECAY_DSL_SYNTAX_AST_H

#include "dsl/check/CheckedDesign.h"

#include "llvm/ADT/StringRef.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace decay::dsl {

/// A word of the source.
struct Word {
  std::string name;    ///< canonical: "lambda"
  std::string spelled; ///< as written: "λ"
  SourcePlace place;
};

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

struct Expression {
  enum class Kind : uint8_t { Number, Name, Call, Negate, Binary };
  Kind kind = Kind::Number;
  SourcePlace place;   ///< Binary: of the operator
  std::string name;    ///< Name, Call: canonical; Binary: add, sub, mul, div
  std::string spelled; ///< as written
  double value = 0;    ///< Number
  std::vector<ExpressionPtr> operands;
  std::vector<Word>
      argumentNames;   ///< Call: one for each operand, empty where not named
  unsigned height = 1; ///< of the tree
};

/// A range of a setting.
struct NumberRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool lowOpen = true, highOpen = true;
  bool given = false;
};

/// How `project` asks for a projection.
struct ProjectionForm {
  enum class Shape : uint8_t {
    Default,
    Full,
    LowRank,
    PerHead
  } shape = Shape::Default;
  int64_t rank = 0;
  bool bias = false;
};

/// One line of a design.
struct Statement {
  enum class Kind : uint8_t {
    Summary, ///< text
    Cite,    ///< text
    Axis,    ///< subject granularity, sharing, position or compat; values
    Set,     ///< subject = number in range
    Project, ///< subject, form
    Learn,   ///< subject, values = axes, formula, weightDecay
    Carry,   ///< subject = scan(formula) from start
    Without, ///< values
    Define,  ///< [log] subject = formula
  };
  Kind kind = Kind::Define;
  SourcePlace place;        ///< of the first word
  std::vector<Word> guards; ///< sharing, authors, ... in front of the line
  Word subject;
  std::string text; ///< Summary, Cite
  std::vector<Word> values;
  bool hasAxes = false;    ///< Learn: brackets are there
  double number = 0;       ///< Set
  NumberRange range;       ///< Set
  ProjectionForm form;     ///< Project
  bool weightDecay = true; ///< Learn
  Word scan;               ///< Carry
  bool isLog = false;      ///< Define
  ExpressionPtr formula;   ///< Learn, Carry (the term), Define
  ExpressionPtr start;     ///< Carry
};

struct DesignAst {
  Word name;
  Word base; ///< empty unless a variant
  std::vector<Statement> statements;
};

struct FileAst {
  std::vector<DesignAst> designs;
};

/// The shortest text that reads as the number: "400", "0.99", "1e-05", "inf".
std::string spellNumber(double value);

/// "(0, 1]"
std::string describeRange(const NumberRange &range);

/// The tree as indented text, for --emit=ast. Ends with a newline.
std::string printAst(const FileAst &file);

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_AST_H
