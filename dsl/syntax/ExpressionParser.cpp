//===- ExpressionParser.cpp - From words to one formula
//--------------------===//
#include "dsl/syntax/ExpressionParser.h"
#include "dsl/syntax/Parser.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/ScopeExit.h"

#include <algorithm>

namespace decay::dsl {

using Kind = DiagnosticKind;

ExpressionPtr
ExpressionParser::fail(Kind kind,
                       std::initializer_list<std::string> arguments) {
  diagnostics.report(kind, stream.peek().place, arguments);
  return nullptr;
}

std::string ExpressionParser::productHint() const {
  const Token &found = stream.peek();
  bool startsFactor = found.kind == Token::Kind::Name ||
                      found.kind == Token::Kind::Number || found.isSymbol("(");
  return startsFactor ? "if a product is meant, write *" : "";
}

ExpressionPtr ExpressionParser::parse() {
  if (depth >= maximumNesting)
    return fail(Kind::NestingTooDeep, {std::to_string(maximumNesting)});
  ++depth;
  auto leave = llvm::scope_exit([&] { --depth; });
  return parseSum();
}

bool ExpressionParser::count(SourcePlace place) {
  if (++nodes <= maximumNodes)
    return true;
  if (!exhausted)
    diagnostics.report(Kind::TooManyNodes, place,
                       {std::to_string(maximumNodes)});
  exhausted = true;
  return false;
}

ExpressionPtr ExpressionParser::finish(Expression expression) {
  for (const ExpressionPtr &operand : expression.operands)
    expression.height = std::max(expression.height, operand->height + 1);
  if (expression.height > maximumNesting) {
    diagnostics.report(Kind::NestingTooDeep, expression.place,
                       {std::to_string(maximumNesting)});
    return nullptr;
  }
  if (!count(expression.place))
    return nullptr;
  return std::make_shared<const Expression>(std::move(expression));
}

ExpressionPtr
ExpressionParser::parseBinary(ExpressionPtr left, llvm::StringRef name,
                              ExpressionPtr (ExpressionParser::*parseRight)()) {
  Token op = stream.next();
  if (op.isSymbol("*") && stream.peek().isSymbol("*"))
    return fail(Kind::NotAnOperator, {"**", "write pow(x, y)"});
  if (op.isSymbol("/") && stream.peek().isSymbol("/"))
    return fail(Kind::NotAnOperator, {"//", "begin a remark with #"});
  ExpressionPtr right = (this->*parseRight)();
  if (!right)
    return nullptr;
  Expression expression;
  expression.kind = Expression::Kind::Binary;
  expression.place = op.place;
  expression.name = name;
  expression.spelled = op.spelled;
  expression.operands = {std::move(left), std::move(right)};
  return finish(std::move(expression));
}

ExpressionPtr ExpressionParser::parseSum() {
  ExpressionPtr left = parseProduct();
  while (left && (stream.peek().isSymbol("+") || stream.peek().isSymbol("-")))
    left = parseBinary(left, stream.peek().isSymbol("+") ? "add" : "sub",
                       &ExpressionParser::parseProduct);
  return left;
}

ExpressionPtr ExpressionParser::parseProduct() {
  ExpressionPtr left = parseFactor();
  while (left && (stream.peek().isSymbol("*") || stream.peek().isSymbol("/")))
    left = parseBinary(left, stream.peek().isSymbol("*") ? "mul" : "div",
                       &ExpressionParser::parseFactor);
  return left;
}

ExpressionPtr ExpressionParser::parseFactor() {
  if (!stream.peek().isSymbol("-"))
    return parsePrimary();
  if (depth >= maximumNesting)
    return fail(Kind::NestingTooDeep, {std::to_string(maximumNesting)});
  ++depth;
  auto leave = llvm::scope_exit([&] { --depth; });
  Token op = stream.next();
  ExpressionPtr operand = parseFactor();
  if (!operand)
    return nullptr;
  Expression expression;
  expression.kind = Expression::Kind::Negate;
  expression.place = op.place;
  expression.operands = {std::move(operand)};
  return finish(std::move(expression));
}

ExpressionPtr ExpressionParser::parsePrimary() {
  if (stream.peek().isSymbol("(")) {
    stream.next();
    ExpressionPtr inner = parse();
    if (!inner)
      return nullptr;
    if (!stream.peek().isSymbol(")"))
      return fail(Kind::ExpectedToken, {stream.peek().describe(), ")",
                                        "or an operator", productHint()});
    stream.next();
    return inner;
  }
  Expression expression;
  expression.place = stream.peek().place;
  expression.spelled = stream.peek().spelled;
  if (stream.peek().kind == Token::Kind::Number) {
    expression.kind = Expression::Kind::Number;
    expression.value = stream.next().value;
    return finish(std::move(expression));
  }
  if (stream.peek().kind != Token::Kind::Name)
    return fail(Kind::ExpectedExpression, {stream.peek().describe()});
  Token name = stream.next();
  if (stream.peek().isSymbol("("))
    return parseCall(name);
  bool hasArgument = stream.peek().kind == Token::Kind::Name ||
                     stream.peek().kind == Token::Kind::Number;
  if (hasArgument && isFunctionName(name.text) && name.text != "first") {
    diagnostics.report(Kind::FunctionWithoutParentheses, name.place,
                       {name.spelled});
    return nullptr;
  }
  expression.kind = Expression::Kind::Name;
  expression.name = name.text;
  return finish(std::move(expression));
}

ExpressionPtr ExpressionParser::parseCall(const Token &name) {
  Expression call;
  call.kind = Expression::Kind::Call;
  call.place = name.place;
  call.name = name.text;
  call.spelled = name.spelled;
  stream.next();
  while (!stream.peek().isSymbol(")")) {
    if (!call.operands.empty()) {
      if (!stream.peek().isSymbol(","))
        return fail(Kind::ExpectedToken,
                    {stream.peek().describe(), ")", "or ','", productHint()});
      stream.next();
    }
    Word argumentName;
    const Token &following = stream.peek(1);
    bool isFactor = following.kind == Token::Kind::Name ||
                    following.kind == Token::Kind::Number;
    if (stream.peek().kind == Token::Kind::Name && isFactor &&
        !isFunctionName(stream.peek().text))
      argumentName = stream.nextWord();
    ExpressionPtr operand = parse();
    if (!operand)
      return nullptr;
    call.operands.push_back(std::move(operand));
    call.argumentNames.push_back(argumentName);
  }
  stream.next();
  return finish(std::move(call));
}

} // namespace decay::dsl
