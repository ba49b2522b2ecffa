//===- AstPrinter.cpp - The tree as text
//-----------------------------------===//
#include "dsl/syntax/Ast.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <charconv>
#include <iterator>

namespace decay::dsl {
namespace {

class Printer {
public:
  std::string run(const FileAst &file) {
    for (const DesignAst &design : file.designs)
      print(design);
    return text;
  }

private:
  void print(const DesignAst &design);
  void print(const Statement &statement);
  void print(const Expression &expression, unsigned indent);
  void words(llvm::StringRef label, const std::vector<Word> &words);

  std::string text;
  llvm::raw_string_ostream out{text};
};

void Printer::print(const DesignAst &design) {
  out << "design " << design.name.name << " @" << design.name.place.line;
  if (!design.base.name.empty())
    out << " of " << design.base.name;
  out << '\n';
  for (const Statement &statement : design.statements)
    print(statement);
}

void Printer::words(llvm::StringRef label, const std::vector<Word> &words) {
  if (words.empty())
    return;
  out << ' ' << label << '=';
  llvm::interleave(
      words, out, [&](const Word &word) { out << word.name; }, ",");
}

void Printer::print(const Statement &statement) {
  static constexpr const char *kinds[] = {"summary", "cite",    "setting",
                                          "set",     "project", "learn",
                                          "carry",   "without", "define"};
  static constexpr const char *shapes[] = {"default", "full", "lowrank",
                                           "per_head"};
  using S = Statement::Kind;
  out << "  " << kinds[static_cast<size_t>(statement.kind)];
  if (statement.kind != S::Summary && statement.kind != S::Cite &&
      statement.kind != S::Without)
    out << ' ' << statement.subject.name;
  out << " @" << statement.place.line << ':' << statement.place.column;
  words("when", statement.guards);
  words(statement.kind == S::Learn ? "axes" : "values", statement.values);
  if (statement.kind == S::Summary || statement.kind == S::Cite)
    out << " \"" << statement.text << '"';
  if (statement.kind == S::Set)
    out << " number=" << spellNumber(statement.number);
  if (statement.range.given)
    out << " range=" << describeRange(statement.range);
  if (statement.kind == S::Project) {
    out << " form=" << shapes[static_cast<size_t>(statement.form.shape)];
    if (statement.form.rank)
      out << '(' << statement.form.rank << ')';
    out << (statement.form.bias ? " bias" : "");
  }
  if (!statement.scan.name.empty())
    out << " scan=" << statement.scan.name;
  out << (statement.isLog ? " log" : "")
      << (statement.weightDecay ? "" : " no_weight_decay") << '\n';
  if (statement.formula)
    print(*statement.formula, 4);
  if (statement.start)
    print(*statement.start, 4);
}

void Printer::print(const Expression &expression, unsigned indent) {
  out.indent(indent);
  switch (expression.kind) {
  case Expression::Kind::Number:
    out << spellNumber(expression.value);
    break;
  case Expression::Kind::Name:
    out << expression.name;
    break;
  case Expression::Kind::Call:
    out << expression.name << "()";
    break;
  case Expression::Kind::Negate:
    out << "neg";
    break;
  case Expression::Kind::Binary:
    out << expression.name;
    break;
  }
  out << " @" << expression.place.line << ':' << expression.place.column
      << '\n';
  for (size_t i = 0; i < expression.operands.size(); ++i) {
    bool isNamed = i < expression.argumentNames.size() &&
                   !expression.argumentNames[i].name.empty();
    if (isNamed)
      out.indent(indent + 2) << expression.argumentNames[i].name << ":\n";
    print(*expression.operands[i], indent + 2 + 2 * isNamed);
  }
}

} // namespace

std::string spellNumber(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, std::end(buffer), value).ptr};
}

std::string describeRange(const NumberRange &range) {
  return (range.lowOpen ? "(" : "[") + spellNumber(range.low) + ", " +
         spellNumber(range.high) + (range.highOpen ? ")" : "]");
}

std::string printAst(const FileAst &file) { return Printer().run(file); }

} // namespace decay::dsl
