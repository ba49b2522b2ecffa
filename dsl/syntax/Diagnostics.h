//===- Diagnostics.h - Located messages about a design ---------*- C++ -*-===//
//
// What is wrong with a `.decay` file: where, what was found, what was expected
// and how to mend it. Every kind of message stands in Diagnostics.def.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_DIAGNOSTICS_H
#define DECAY_DSL_SYNTAX_DIAGNOSTICS_H

#include "dsl/check/CheckedDesign.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace decay::dsl {

enum class DiagnosticKind : uint8_t {
#define DECAY_DIAGNOSTIC(kind, severity, message, expected, fix) kind,
#include "dsl/syntax/Diagnostics.def"
#undef DECAY_DIAGNOSTIC
};

enum class Severity : uint8_t { Error, Warning };

/// A text with designs in it, and the name that messages show for it.
struct DesignSource {
  std::string fileName;
  std::string text;
};

struct Diagnostic {
  DiagnosticKind kind;
  Severity severity;
  SourcePlace place;    ///< always a real place; columns count characters
  std::string message;  ///< what was found
  std::string expected; ///< what was expected, or empty
  std::string fix;      ///< what to do, or empty

  /// "unknown-name"
  std::string id() const;
};

/// The messages about one source, in the order of their finding.
class Diagnostics {
public:
  /// After this many, further messages are counted but not kept.
  static constexpr size_t limit = 20;

  /// The source that all places from here on refer to.
  void setSource(const DesignSource &newSource) { source = newSource; }

  /// One message per place: a second one there is dropped as a consequence.
  void report(DiagnosticKind kind, SourcePlace place,
              std::initializer_list<std::string> arguments = {});

  /// From here on, messages about a line that already has one, or about what
  /// follows a bracket that is never closed, are dropped as consequences.
  void beginParsing();

  bool hasErrors() const { return errorCount != 0; }
  llvm::ArrayRef<Diagnostic> all() const { return list; }
  /// file:line:column, message, source line, caret, expectation and fix of
  /// each.
  std::string render() const;

private:
  DesignSource source;
  std::vector<Diagnostic> list;
  std::set<unsigned> faultyLines;
  unsigned unclosedLine = std::numeric_limits<unsigned>::max();
  size_t errorCount = 0;
  size_t dropped = 0;
};

/// The names of all kinds, in the order of Diagnostics.def.
std::vector<std::string> diagnosticIds();

/// A name in both its spellings: canonical, and as the user writes it.
struct Spelling {
  std::string name, spelled;
};
/// The spelling of the candidate whose canonical name is nearest, or empty.
std::string nearestSpelling(llvm::StringRef word,
                            llvm::ArrayRef<Spelling> candidates);

/// The candidate nearest to `word` by edit distance, or empty if none is near.
std::string nearestWord(llvm::StringRef word,
                        llvm::ArrayRef<std::string> candidates);

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_DIAGNOSTICS_H
