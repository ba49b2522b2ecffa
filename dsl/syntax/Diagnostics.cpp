//===- Diagnostics.cpp - Located messages about a design
//-------------------===//
#include "dsl/syntax/Diagnostics.h"
#include "dsl/syntax/Utf8.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <iterator>

namespace decay::dsl {
namespace {

struct KindRow {
  const char *name;
  Severity severity;
  const char *message;
  const char *expected;
  const char *fix;
};

const KindRow kindRows[] = {
#define DECAY_DIAGNOSTIC(kind, severity, message, expected, fix)               \
  {#kind, Severity::severity, message, expected, fix},
#include "dsl/syntax/Diagnostics.def"
#undef DECAY_DIAGNOSTIC
};

std::string kebab(llvm::StringRef name) {
  std::string result;
  for (char letter : name) {
    if (llvm::isUpper(letter) && !result.empty())
      result += '-';
    result += llvm::toLower(letter);
  }
  return result;
}

/// `text` with {0}, {1}, ... replaced; `complete` turns false if one was empty.
std::string fill(llvm::StringRef text, llvm::ArrayRef<std::string> arguments,
                 bool &complete) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    bool isHole =
        text[i] == '{' && i + 2 < text.size() && llvm::isDigit(text[i + 1]);
    if (!isHole) {
      result += text[i];
      continue;
    }
    size_t index = text[i + 1] - '0';
    assert(index < arguments.size() &&
           "a message names an argument that was not given");
    complete &= !arguments[index].empty();
    result += arguments[index];
    i += 2;
  }
  return result;
}

llvm::StringRef lineOf(llvm::StringRef text, unsigned line) {
  for (unsigned i = 1; i < line; ++i)
    text = text.split('\n').second;
  return text.split('\n').first.rtrim('\r');
}

/// The part of a line around the column, as characters that a terminal can
/// show, and the caret under it.
std::string excerpt(llvm::StringRef line, unsigned column) {
  constexpr size_t before = 90, width = 120;
  size_t caret = column ? column - 1 : 0;
  size_t first = caret > before ? caret - before : 0;
  std::string result = first ? "  …" : "  ", under = first ? "   " : "  ";
  for (size_t i = 0; !line.empty() && i < first + width; ++i) {
    std::string character = takeCharacter(line);
    if (i < first)
      continue;
    result += character;
    if (i < caret)
      under += character == "\t" ? '\t' : ' ';
  }
  if (!line.empty())
    result += "…";
  return result + "\n" + under + "^\n";
}

} // namespace

std::string Diagnostic::id() const {
  return kebab(kindRows[static_cast<size_t>(kind)].name);
}

void Diagnostics::beginParsing() {
  for (const Diagnostic &each : list) {
    faultyLines.insert(each.place.line);
    if (each.kind == DiagnosticKind::UnclosedBracket)
      unclosedLine = std::min(unclosedLine, each.place.line);
  }
}

void Diagnostics::report(DiagnosticKind kind, SourcePlace place,
                         std::initializer_list<std::string> arguments) {
  const KindRow &row = kindRows[static_cast<size_t>(kind)];
  for (const Diagnostic &each : list)
    if (each.place.line == place.line && each.place.column == place.column &&
        (each.severity == Severity::Error || row.severity == Severity::Warning))
      return;
  if (faultyLines.count(place.line) || place.line >= unclosedLine)
    return;
  errorCount += row.severity == Severity::Error;
  if (list.size() == limit) {
    ++dropped;
    return;
  }
  Diagnostic diagnostic{kind, row.severity, place, "", "", ""};
  bool complete = true;
  diagnostic.message = fill(row.message, arguments, complete);
  complete = true;
  diagnostic.expected = fill(row.expected, arguments, complete);
  complete = true;
  std::string fix = fill(row.fix, arguments, complete);
  if (complete)
    diagnostic.fix = fix;
  list.push_back(std::move(diagnostic));
}

std::string Diagnostics::render() const {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (const Diagnostic &each : list) {
    out << source.fileName << ':' << each.place.line << ':' << each.place.column
        << (each.severity == Severity::Error ? ": error: " : ": warning: ")
        << each.message << " [" << each.id() << "]\n"
        << excerpt(lineOf(source.text, each.place.line), each.place.column);
    if (!each.expected.empty())
      out << "  expected: " << each.expected << '\n';
    if (!each.fix.empty())
      out << "  fix: " << each.fix << '\n';
  }
  if (dropped)
    out << source.fileName << ": " << dropped
        << " more messages are not shown\n";
  return text;
}

std::vector<std::string> diagnosticIds() {
  std::vector<std::string> ids;
  for (const KindRow &row : kindRows)
    ids.push_back(kebab(row.name));
  return ids;
}

std::string nearestSpelling(llvm::StringRef word,
                            llvm::ArrayRef<Spelling> candidates) {
  std::vector<std::string> names;
  for (const Spelling &candidate : candidates)
    names.push_back(candidate.name);
  std::string nearest = nearestWord(word, names);
  for (const Spelling &candidate : candidates)
    if (candidate.name == nearest)
      return candidate.spelled;
  return nearest;
}

std::string nearestWord(llvm::StringRef word,
                        llvm::ArrayRef<std::string> candidates) {
  std::string best;
  unsigned bestDistance = std::max<unsigned>(1, word.size() / 3) + 1;
  for (const std::string &candidate : candidates) {
    if (word.size() >= 4 && llvm::StringRef(candidate).starts_with(word))
      return candidate;
    unsigned distance = word.edit_distance(candidate, true, bestDistance);
    if (distance < bestDistance &&
        distance < std::max(word.size(), candidate.size())) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

} // namespace decay::dsl
