//===- Parser.cpp - From words to lines
//------------------------------------===//
#include "dsl/syntax/Parser.h"
#include "dsl/syntax/ExpressionParser.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/STLExtras.h"

namespace decay::dsl {
namespace {

using Kind = DiagnosticKind;

class Parser {
public:
  Parser(std::vector<Token> tokens, Diagnostics &diagnostics)
      : stream(std::move(tokens)), diagnostics(diagnostics),
        expressions(stream, diagnostics) {}

  FileAst run();

private:
  bool parseHeader(DesignAst &design);
  bool parseStatement(Statement &statement);
  bool parseGuards(Statement &statement);
  bool parseText(Statement &statement);
  bool parseAxis(Statement &statement);
  bool parseSet(Statement &statement);
  bool parseProject(Statement &statement);
  bool parseLearn(Statement &statement);
  bool parseCarry(Statement &statement);
  bool parseWithout(Statement &statement);
  bool parseDefine(Statement &statement);
  bool failStatement(const Token &first);

  bool parseRange(NumberRange &range);
  bool parseRank(int64_t &rank);
  bool parseParameterAxes(Statement &statement);
  bool expectName(Word &word, const std::string &what);
  bool expectEquals(const std::string &after, const std::string &fix = "");
  bool expectNumber(double &value);
  bool expectEndOfLine();
  bool fail(Kind kind, std::initializer_list<std::string> arguments) {
    diagnostics.report(kind, stream.peek().place, arguments);
    return false;
  }

  TokenStream stream;
  Diagnostics &diagnostics;
  ExpressionParser expressions;
};

FileAst Parser::run() {
  FileAst file;
  bool complained = false;
  for (;;) {
    while (stream.peek().kind == Token::Kind::LineEnd)
      stream.next();
    if (stream.peek().kind == Token::Kind::FileEnd || expressions.isExhausted())
      break;
    if (stream.peek().isName("design") || stream.peek().isName("variant")) {
      DesignAst design;
      if (parseHeader(design))
        file.designs.push_back(std::move(design));
      else
        complained = true;
      stream.skipLine();
      continue;
    }
    Statement statement;
    if (file.designs.empty()) {
      if (!complained)
        fail(Kind::ExpectedDesign, {stream.peek().describe()});
      complained = true;
    } else if (expressions.countLine(stream.peek().place) &&
               parseStatement(statement) && expectEndOfLine()) {
      file.designs.back().statements.push_back(std::move(statement));
    }
    stream.skipLine();
  }
  if (file.designs.empty() && !diagnostics.hasErrors())
    diagnostics.report(Kind::EmptyFile, {1, 1});
  return file;
}

bool Parser::parseHeader(DesignAst &design) {
  bool isVariant = stream.next().isName("variant");
  if (!expectName(design.name,
                  isVariant ? "for the variant" : "for the design"))
    return false;
  if (stream.peek().isSymbol("-"))
    return fail(
        Kind::ExpectedEndOfLine,
        {stream.peek().describe(), "make names of letters, digits and _"});
  if (isVariant) {
    if (!stream.peek().isName("of"))
      return fail(Kind::ExpectedOf,
                  {stream.peek().describe(), design.name.spelled});
    stream.next();
    if (!expectName(design.base, "of the design to vary"))
      return false;
  }
  return expectEndOfLine();
}

bool Parser::parseGuards(Statement &statement) {
  while (findGuardWord(stream.peek().text) &&
         stream.peek().kind == Token::Kind::Name) {
    const Token &following = stream.peek(1);
    bool isSetting = stream.peek().isName("sharing") &&
                     (following.isName("on") || following.isName("off"));
    if (isSetting || following.isSymbol("="))
      break;
    statement.guards.push_back(stream.nextWord());
  }
  if (statement.guards.empty())
    return true;
  static constexpr llvm::StringRef plain[] = {
      "summary", "cite", "granularity", "position",
      "compat",  "set",  "without",     "sharing"};
  bool isPlain = llvm::is_contained(plain, stream.peek().text) &&
                 !stream.peek(1).isSymbol("=");
  if (stream.peek().kind == Token::Kind::Name && !isPlain)
    return true;
  diagnostics.report(
      Kind::GuardWithoutLine, statement.guards.front().place,
      {statement.guards.front().spelled, stream.peek().describe()});
  return false;
}

bool Parser::parseStatement(Statement &statement) {
  struct Row {
    llvm::StringRef word;
    bool (Parser::*parse)(Statement &);
    Statement::Kind kind;
  };
  using S = Statement::Kind;
  static constexpr Row rows[] = {
      {"summary", &Parser::parseText, S::Summary},
      {"cite", &Parser::parseText, S::Cite},
      {"granularity", &Parser::parseAxis, S::Axis},
      {"sharing", &Parser::parseAxis, S::Axis},
      {"position", &Parser::parseAxis, S::Axis},
      {"compat", &Parser::parseAxis, S::Axis},
      {"set", &Parser::parseSet, S::Set},
      {"project", &Parser::parseProject, S::Project},
      {"learn", &Parser::parseLearn, S::Learn},
      {"carry", &Parser::parseCarry, S::Carry},
      {"without", &Parser::parseWithout, S::Without},
  };
  statement.place = stream.peek().place;
  if (!parseGuards(statement))
    return false;
  if (stream.peek().kind == Token::Kind::String) { // a text sums it up
    statement.kind = Statement::Kind::Summary;
    statement.subject = {"summary", "summary", statement.place};
    statement.text = stream.next().text;
    return true;
  }
  const Row *row = llvm::find_if(
      rows, [&](const Row &each) { return stream.peek().isName(each.word); });
  if (row == std::end(rows))
    return parseDefine(statement);
  statement.kind = row->kind;
  return (this->*row->parse)(statement);
}

bool Parser::parseText(Statement &statement) {
  statement.subject = stream.nextWord();
  if (stream.peek().kind != Token::Kind::String)
    return fail(Kind::ExpectedString,
                {stream.peek().describe(), statement.subject.spelled});
  statement.text = stream.next().text;
  return true;
}

bool Parser::parseAxis(Statement &statement) {
  statement.subject = stream.nextWord();
  const AxisSetting *setting = findAxisSetting(statement.subject.name);
  do {
    if (!statement.values.empty())
      stream.next();
    Word value;
    if (!expectName(value, "that is a value of " + setting->name.str()))
      return false;
    if (!llvm::is_contained(setting->values, value.name)) {
      diagnostics.report(Kind::UnknownValue, value.place,
                         {value.spelled, setting->name.str(),
                          listOf(setting->values),
                          nearestWord(value.name, setting->values)});
      return false;
    }
    for (const Word &other : statement.values)
      if (other.name == value.name) {
        diagnostics.report(Kind::ValueTwice, value.place, {value.spelled});
        return false;
      }
    statement.values.push_back(value);
  } while (stream.peek().isSymbol(","));
  return true;
}

bool Parser::parseSet(Statement &statement) {
  stream.next();
  if (!expectName(statement.subject, "after 'set'") ||
      !expectEquals(statement.subject.spelled, "give its default: set " +
                                                   statement.subject.spelled +
                                                   " = 0.5") ||
      !expectNumber(statement.number))
    return false;
  if (!stream.peek().isName("in"))
    return true;
  stream.next();
  return parseRange(statement.range);
}

bool Parser::parseRange(NumberRange &range) {
  range.given = true;
  SourcePlace place = stream.peek().place;
  bool opens = stream.peek().isSymbol("(") || stream.peek().isSymbol("[");
  if (!opens)
    return fail(Kind::ExpectedRange, {stream.peek().describe()});
  range.lowOpen = stream.next().isSymbol("(");
  if (!expectNumber(range.low))
    return false;
  if (!stream.peek().isSymbol(","))
    return fail(Kind::ExpectedToken, {stream.peek().describe(), ",",
                                      "and the upper end of the range", ""});
  stream.next();
  if (!expectNumber(range.high))
    return false;
  if (!stream.peek().isSymbol(")") && !stream.peek().isSymbol("]"))
    return fail(Kind::ExpectedToken,
                {stream.peek().describe(), ")", "or ']' after the range", ""});
  range.highOpen = stream.next().isSymbol(")");
  bool isEmpty = range.low > range.high ||
                 (range.low == range.high && (range.lowOpen || range.highOpen));
  if (isEmpty)
    diagnostics.report(Kind::EmptyRange, place, {describeRange(range)});
  return !isEmpty;
}

bool Parser::parseRank(int64_t &rank) {
  stream.next();
  SourcePlace place = stream.peek().place;
  double value = 0;
  if (!expectNumber(value))
    return false;
  if (value < 1 || value > 65536 || value != static_cast<int64_t>(value)) {
    diagnostics.report(Kind::InvalidRank, place, {stream.peek(-1).spelled});
    return false;
  }
  rank = static_cast<int64_t>(value);
  if (!stream.peek().isSymbol(")"))
    return fail(Kind::ExpectedToken,
                {stream.peek().describe(), ")", "after the rank", ""});
  stream.next();
  return true;
}

bool Parser::parseProject(Statement &statement) {
  using Shape = ProjectionForm::Shape;
  stream.next();
  if (!expectName(statement.subject, "after 'project'"))
    return false;
  while (stream.peek().kind == Token::Kind::Name) {
    Token word = stream.next();
    ProjectionForm &form = statement.form;
    if (word.isName("bias")) {
      form.bias = true;
    } else if (word.isName("full")) {
      form.shape = Shape::Full;
    } else if (word.isName("per_head")) {
      form.shape = Shape::PerHead;
    } else if (word.isName("lowrank")) {
      form.shape = Shape::LowRank;
      if (stream.peek().isSymbol("(") && !parseRank(form.rank))
        return false;
    } else {
      diagnostics.report(
          Kind::UnknownForm, word.place,
          {word.spelled,
           nearestWord(word.text, {"full", "lowrank", "per_head", "bias"})});
      return false;
    }
  }
  return true;
}

bool Parser::parseParameterAxes(Statement &statement) {
  stream.next();
  statement.hasAxes = true;
  while (!stream.peek().isSymbol("]")) {
    if (!statement.values.empty()) {
      if (!stream.peek().isSymbol(","))
        return fail(Kind::ExpectedToken,
                    {stream.peek().describe(), "]", "after the axes", ""});
      stream.next();
    }
    Word axis;
    if (!expectName(axis, "of an axis: head, channel or layers"))
      return false;
    if (axis.name == "layer")
      axis.name = "layers";
    if (axis.name != "head" && axis.name != "channel" &&
        axis.name != "layers") {
      std::string near = nearestWord(axis.name, {"head", "channel", "layers"});
      diagnostics.report(Kind::UnknownAxis, axis.place, {axis.spelled, near});
      return false;
    }
    for (const Word &other : statement.values)
      if (other.name == axis.name) {
        diagnostics.report(Kind::AxisTwice, axis.place, {axis.spelled});
        return false;
      }
    statement.values.push_back(axis);
  }
  stream.next();
  return true;
}

bool Parser::parseLearn(Statement &statement) {
  stream.next();
  if (!expectName(statement.subject, "after 'learn'"))
    return false;
  if (stream.peek().isSymbol("[") && !parseParameterAxes(statement))
    return false;
  if (!expectEquals(statement.subject.spelled,
                    "give its initial value: learn " +
                        statement.subject.spelled + " = 0"))
    return false;
  statement.formula = expressions.parse();
  if (!statement.formula || stream.peek().kind != Token::Kind::Name)
    return statement.formula != nullptr;
  Token word = stream.next();
  if (word.isName("no_weight_decay")) {
    statement.weightDecay = false;
    return true;
  }
  diagnostics.report(Kind::UnknownAttribute, word.place,
                     {word.spelled, statement.subject.spelled,
                      nearestWord(word.text, {"no_weight_decay"})});
  return false;
}

bool Parser::parseCarry(Statement &statement) {
  stream.next();
  if (!expectName(statement.subject, "after 'carry'") ||
      !expectEquals(statement.subject.spelled))
    return false;
  static const std::vector<std::string> scans = {"cumsum", "logcumsumexp",
                                                 "latest"};
  if (!llvm::is_contained(scans, stream.peek().text) ||
      !stream.peek(1).isSymbol("("))
    return fail(Kind::ExpectedScan, {stream.peek().describe(), listOf(scans),
                                     statement.subject.spelled});
  statement.scan = stream.nextWord();
  stream.next();
  statement.formula = expressions.parse();
  if (!statement.formula)
    return false;
  if (!stream.peek().isSymbol(")"))
    return fail(Kind::ExpectedToken,
                {stream.peek().describe(), ")",
                 "after the term of the carried value", ""});
  stream.next();
  if (!stream.peek().isName("from"))
    return fail(Kind::CarryWithoutStart, {statement.subject.spelled});
  stream.next();
  statement.start = expressions.parse();
  return statement.start != nullptr;
}

bool Parser::parseWithout(Statement &statement) {
  statement.subject = stream.nextWord();
  do {
    if (!statement.values.empty())
      stream.next();
    Word name;
    if (!expectName(name, "of the learned parameter to leave out"))
      return false;
    statement.values.push_back(name);
  } while (stream.peek().isSymbol(","));
  return true;
}

/// No line begins so: says which was probably meant.
bool Parser::failStatement(const Token &first) {
  std::string spelled =
                  first.spelled.empty() ? first.describe() : first.spelled,
              fix;
  if (first.kind == Token::Kind::Name) {
    std::vector<std::string> words;
    for (llvm::StringRef word : statementWords())
      words.push_back(word.str());
    std::string near = nearestWord(first.text, words);
    if (stream.peek(1).isSymbol("["))
      fix = "write: learn " + first.spelled + "[...] = ...";
    else if (!near.empty())
      fix = "write '" + near + "'";
  } else if (first.isSymbol("/") && stream.peek(1).isSymbol("/")) {
    spelled = "//";
    fix = "begin a remark with #";
  }
  return fail(Kind::UnknownStatement, {spelled, fix});
}

bool Parser::parseDefine(Statement &statement) {
  statement.kind = Statement::Kind::Define;
  const Token first = stream.peek();
  bool isName = first.kind == Token::Kind::Name;
  if (isName && first.text == "log" &&
      stream.peek(1).kind == Token::Kind::Name) {
    statement.isLog = true;
    stream.next();
  } else if (isName && first.text == "log" && stream.peek(1).isSymbol("(") &&
             stream.peek(3).isSymbol(")") && stream.peek(4).isSymbol("=")) {
    statement.isLog = true;
    stream.next(), stream.next();
  } else if (!isName || !stream.peek(1).isSymbol("=")) {
    return failStatement(first);
  }
  if (!expectName(statement.subject, "to define"))
    return false;
  if (statement.isLog && stream.peek().isSymbol(")"))
    stream.next();
  if (!expectEquals(statement.subject.spelled))
    return false;
  statement.formula = expressions.parse();
  return statement.formula != nullptr;
}

bool Parser::expectName(Word &word, const std::string &what) {
  if (stream.peek().kind != Token::Kind::Name)
    return fail(Kind::ExpectedName, {stream.peek().describe(), what});
  word = stream.nextWord();
  return true;
}

bool Parser::expectEquals(const std::string &after, const std::string &fix) {
  if (!stream.peek().isSymbol("="))
    return fail(Kind::ExpectedEquals, {stream.peek().describe(), after, fix});
  stream.next();
  return true;
}

bool Parser::expectNumber(double &value) {
  bool isNegative = stream.peek().isSymbol("-");
  if (isNegative)
    stream.next();
  if (stream.peek().isName("inf"))
    value = std::numeric_limits<double>::infinity();
  else if (stream.peek().kind == Token::Kind::Number)
    value = stream.peek().value;
  else
    return fail(Kind::ExpectedNumber, {stream.peek().describe()});
  stream.next();
  if (stream.peek().isSymbol("/") &&
      stream.peek(1).kind == Token::Kind::Number && stream.peek(1).value != 0) {
    stream.next();
    value /= stream.next().value;
  }
  if (isNegative)
    value = -value;
  return true;
}

bool Parser::expectEndOfLine() {
  const Token &found = stream.peek();
  if (found.kind == Token::Kind::LineEnd)
    return true;
  std::string fix;
  bool startsFactor =
      found.kind == Token::Kind::Name || found.kind == Token::Kind::Number;
  if (startsFactor || found.isSymbol("("))
    fix = "if a product is meant, write *";
  if (found.isSymbol("=") && stream.peek(1).isSymbol("="))
    return fail(Kind::NotAnOperator, {"==", ""});
  if (found.isSymbol("=") || found.isSymbol("<") || found.isSymbol(">"))
    return fail(Kind::NotAnOperator, {found.spelled, ""});
  return fail(Kind::ExpectedEndOfLine,
              {found.describe(), expressions.productHint()});
}

} // namespace

FileAst parseDesign(llvm::StringRef text, Diagnostics &diagnostics) {
  std::vector<Token> tokens = tokenize(text, diagnostics);
  diagnostics.beginParsing();
  return Parser(std::move(tokens), diagnostics).run();
}

} // namespace decay::dsl
