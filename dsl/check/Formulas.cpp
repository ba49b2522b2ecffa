//===- Formulas.cpp - Formulas: names, operators and calls
//-----------------===//
#include "dsl/check/Elaborator.h"
#include "dsl/operators/PointwiseOperators.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/STLExtras.h"

namespace decay::dsl {

using Kind = DiagnosticKind;

NodeId Elaborator::evaluate(const Expression &expression) {
  switch (expression.kind) {
  case Expression::Kind::Number:
    return number(expression.value, expression.place);
  case Expression::Kind::Name:
    return evaluateName(expression);
  case Expression::Kind::Negate:
    return make("neg", {evaluate(*expression.operands[0])}, expression.place);
  case Expression::Kind::Binary:
    return evaluateBinary(expression);
  case Expression::Kind::Call:
    return evaluateCall(expression);
  }
  return noNode;
}

NodeId Elaborator::evaluateBinary(const Expression &expression) {
  const Expression &right = *expression.operands[1];
  NodeId left = evaluate(*expression.operands[0]);
  bool isFirst = right.kind == Expression::Kind::Name && right.name == "first";
  NodeId second =
      isFirst ? acrossLayers("first", left, right) : evaluate(right);
  return make(expression.name, {left, second}, expression.place);
}

/// Initial values are computed before there are tokens.
bool Elaborator::refuseVarying(const Expression &expression,
                               llvm::StringRef what) {
  if (context.part == Part::Formula)
    return false;
  if (context.part == Part::InitialValue)
    diagnostics.report(Kind::InitialiserVaries, expression.place,
                       {context.spelled, expression.spelled, what.str()});
  else
    diagnostics.report(Kind::CarryStartVaries, expression.place,
                       {context.spelled, expression.spelled});
  return true;
}

NodeId Elaborator::evaluateNumberWord(const Expression &expression,
                                      bool &isNumberWord) {
  struct Row {
    llvm::StringRef word;
    NodeKind kind;
  };
  static constexpr Row rows[] = {{"head", NodeKind::HeadIndex},
                                 {"heads", NodeKind::Heads},
                                 {"layer", NodeKind::LayerIndex},
                                 {"layers", NodeKind::Layers}};
  for (const Row &row : rows)
    if (expression.name == row.word) {
      isNumberWord = true;
      return builder.index(row.kind, expression.place);
    }
  isNumberWord = false;
  return noNode;
}

NodeId Elaborator::evaluateName(const Expression &expression) {
  const std::string &name = expression.name;
  bool isNumberWord = false;
  NodeId word = evaluateNumberWord(expression, isNumberWord);
  if (isNumberWord)
    return word;
  if (name == "first") {
    diagnostics.report(Kind::MisplacedFirst, expression.place);
    return noNode;
  }
  if (design.leftOut.count(name))
    return number(0, expression.place);
  auto entity = entities.find(name);
  bool isDefined = entity != entities.end();
  if (isDefined && entity->second.line->kind == Statement::Kind::Set)
    return evaluateEntity(name, expression.place);
  bool isOutput = name == "q" || name == "k" || name == "v";
  if (!isOutput && !isDefined)
    return unknownName(expression);
  if (refuseVarying(expression, isOutput || entity->second.line->kind !=
                                                Statement::Kind::Learn
                                    ? "which is known only with the tokens"
                                    : "a learned parameter"))
    return noNode;
  if (name == "v" && context.name != "v") {
    diagnostics.report(
        Kind::ValueOutsideValue, expression.place,
        {context.name == "lambda" ? "λ" : "'" + context.spelled + "'"});
    return noNode;
  }
  if (!isOutput)
    return evaluateEntity(name, expression.place);
  // In its own definition the name is the raw projection.
  if (context.name == name)
    return rawProjection(name, expression.place);
  if (isDefined)
    return evaluateEntity(name, expression.place);
  return make("silu", {rawProjection(name, expression.place)},
              expression.place);
}

NodeId Elaborator::unknownName(const Expression &expression) {
  if (expression.name == "f" || expression.name == "g") {
    diagnostics.report(Kind::MissingProjection, expression.place,
                       {expression.spelled});
    return noNode;
  }
  if (isFunctionName(expression.name)) {
    diagnostics.report(Kind::FunctionWithoutParentheses, expression.place,
                       {expression.spelled});
    return noNode;
  }
  std::vector<Spelling> known;
  for (const char *word : {"q", "k", "v", "head", "heads", "layer", "layers"})
    known.push_back({word, word});
  for (const auto &[name, entity] : entities)
    known.push_back({entity.line->subject.name, entity.line->subject.spelled});
  std::string near = nearestSpelling(expression.name, known);
  std::string fix = near.empty() ? "add a line, for example: learn " +
                                       expression.spelled + " = 0"
                                 : "write '" + near + "'";
  diagnostics.report(Kind::UnknownName, expression.place,
                     {expression.spelled, fix});
  return noNode;
}

bool Elaborator::checkArguments(const Expression &call, unsigned arity,
                                const std::string &usage) {
  for (const Word &name : call.argumentNames)
    if (!name.name.empty()) {
      diagnostics.report(Kind::UnknownArgumentName, name.place,
                         {call.spelled, name.spelled, usage});
      return false;
    }
  if (call.operands.size() == arity)
    return true;
  std::string wanted =
      std::to_string(arity) + (arity == 1 ? " argument" : " arguments");
  diagnostics.report(
      Kind::WrongArgumentCount, call.place,
      {call.spelled, wanted, std::to_string(call.operands.size()), usage});
  return false;
}

NodeId Elaborator::evaluateCall(const Expression &call) {
  struct Row {
    llvm::StringRef name;
    NodeId (Elaborator::*evaluate)(const Expression &);
  };
  static constexpr Row rows[] = {
      {"prev", &Elaborator::callPrev},
      {"softmax", &Elaborator::callAcrossLayers},
      {"cumsum", &Elaborator::callAcrossLayers},
      {"first", &Elaborator::callAcrossLayers},
      {"geometric", &Elaborator::callGeometric},
      {"logit", &Elaborator::callLogit},
      {"inv_softplus", &Elaborator::callInvSoftplus},
      {"uniform", &Elaborator::callDraw},
      {"normal", &Elaborator::callDraw},
      {"log_uniform", &Elaborator::callLogUniform},
      {"logcumsumexp", &Elaborator::callScan},
      {"latest", &Elaborator::callScan},
  };
  for (const Row &row : rows)
    if (row.name == call.name)
      return (this->*row.evaluate)(call);
  const PointwiseOperator *card = findPointwiseOperator(call.name);
  if (!card || !card->visible) {
    if (entities.count(call.name) || !reservedMeaning(call.name).empty() ||
        call.name == "q" || call.name == "k" || call.name == "v") {
      diagnostics.report(Kind::NotAFunction, call.place, {call.spelled});
      return noNode;
    }
    diagnostics.report(Kind::UnknownFunction, call.place,
                       {call.spelled, nearestFunction(call.name)});
    return noNode;
  }
  static constexpr const char *usages[] = {"", "(x)", "(x, y)", "(x, a, b)"};
  if (!checkArguments(call, card->arity, call.name + usages[card->arity]))
    return noNode;
  std::vector<NodeId> operands;
  for (const ExpressionPtr &operand : call.operands)
    operands.push_back(evaluate(*operand));
  return make(call.name, operands, call.place);
}

NodeId Elaborator::callPrev(const Expression &call) {
  if (!checkArguments(call, 1, "prev(z)"))
    return noNode;
  const Expression &argument = *call.operands[0];
  auto entity = entities.find(argument.name);
  bool isName = argument.kind == Expression::Kind::Name;
  bool isCarry = isName && entity != entities.end() &&
                 entity->second.line->kind == Statement::Kind::Carry;
  if (isCarry && refuseVarying(call, "which is known only with the tokens"))
    return noNode;
  if (isCarry)
    return builder.previous(evaluateEntity(argument.name, argument.place),
                            call.place);
  bool isKnown = isName && (entity != entities.end() || argument.name == "q" ||
                            argument.name == "k" || argument.name == "v");
  if (isName && !isKnown)
    return unknownName(argument);
  std::string what =
      isName ? "'" + argument.spelled + "', which is not carried" : "a formula";
  std::string fix = "carry it: carry y = latest(" +
                    (isName ? argument.spelled : "...") +
                    ") from 0, and write prev(y)";
  diagnostics.report(Kind::PrevOfOther, argument.place, {what, fix});
  return noNode;
}

NodeId Elaborator::acrossLayers(llvm::StringRef kind, NodeId operand,
                                const Expression &at) {
  if (operand == noNode)
    return noNode;
  const Node &node = builder.node(operand);
  if (node.axes.layer)
    return builder.acrossLayers(kind, operand, at.place);
  if (node.axes.token && kind == "cumsum") {
    diagnostics.report(Kind::ScanInFormula, at.place, {kind.str()});
    return noNode;
  }
  std::string parameter;
  if (node.kind == NodeKind::Parameter)
    parameter = spelledName(checked.parameters[node.index].name);
  diagnostics.report(
      Kind::AcrossLayersNeedsLayers, at.place,
      {kind.str(), parameter.empty() ? "its argument" : "'" + parameter + "'",
       parameter});
  return noNode;
}

NodeId Elaborator::callAcrossLayers(const Expression &call) {
  if (!checkArguments(call, 1, call.name + "(x)"))
    return noNode;
  return acrossLayers(call.name, evaluate(*call.operands[0]), call);
}

NodeId Elaborator::callScan(const Expression &call) {
  diagnostics.report(Kind::ScanInFormula, call.place, {call.name});
  return noNode;
}

NodeId Elaborator::callGeometric(const Expression &call) {
  if (!checkArguments(call, 3, "geometric(a, b, head)"))
    return noNode;
  const Expression &index = *call.operands[2];
  bool isHead = index.kind == Expression::Kind::Name && index.name == "head";
  bool isLayer = index.kind == Expression::Kind::Name && index.name == "layer";
  if (!isHead && !isLayer) {
    std::string found = index.spelled.empty() ? "a formula" : index.spelled;
    diagnostics.report(Kind::IndexExpected, index.place, {found});
    return noNode;
  }
  // exp(log a + (log b - log a) i / (n - 1)); with one head or layer it is a.
  SourcePlace place = call.place;
  NodeId first =
      make("log", {evaluate(*call.operands[0])}, call.operands[0]->place);
  NodeId last =
      make("log", {evaluate(*call.operands[1])}, call.operands[1]->place);
  NodeId count =
      builder.index(isHead ? NodeKind::Heads : NodeKind::Layers, place);
  NodeId steps = make(
      "max", {make("sub", {count, number(1, place)}, place), number(1, place)},
      place);
  NodeId way = make("div", {evaluate(index), steps}, place);
  NodeId rise = make("mul", {make("sub", {last, first}, place), way}, place);
  return make("exp", {make("add", {first, rise}, place)}, place);
}

NodeId Elaborator::callLogit(const Expression &call) {
  if (!checkArguments(call, 1, "logit(p)"))
    return noNode;
  NodeId p = evaluate(*call.operands[0]);
  NodeId rest = make("sub", {number(1, call.place), p}, call.place);
  return make("log", {make("div", {p, rest}, call.place)}, call.place);
}

NodeId Elaborator::callInvSoftplus(const Expression &call) {
  if (!checkArguments(call, 1, "inv_softplus(x)"))
    return noNode;
  // x + log(1 - exp(-x)), exact for small x.
  SourcePlace place = call.place;
  NodeId x = evaluate(*call.operands[0]);
  NodeId rest =
      make("neg", {make("expm1", {make("neg", {x}, place)}, place)}, place);
  return make("add", {x, make("log", {rest}, place)}, place);
}

bool Elaborator::mayDraw(const Expression &call) {
  if (context.part != Part::InitialValue) {
    diagnostics.report(Kind::RandomOutsideInitialiser, call.place, {call.name});
    return false;
  }
  if (context.hasDrawn) {
    diagnostics.report(Kind::RandomTwice, call.place, {context.spelled});
    return false;
  }
  context.hasDrawn = true;
  return true;
}

NodeId Elaborator::callDraw(const Expression &call) {
  bool isUniform = call.name == "uniform";
  std::string usage = isUniform ? "uniform(a, b)" : "normal(mean, deviation)";
  if (!checkArguments(call, 2, usage) || !mayDraw(call))
    return noNode;
  NodeId first = evaluate(*call.operands[0]),
         second = evaluate(*call.operands[1]);
  return builder.draw(isUniform ? NodeKind::Uniform : NodeKind::Normal, first,
                      second, context.axes, call.place);
}

NodeId Elaborator::callLogUniform(const Expression &call) {
  const std::string usage = "log_uniform(a, b) or log_uniform(a, b, floor c)";
  Expression plain = call;
  ExpressionPtr floor;
  bool hasFloor =
      call.operands.size() == 3 && call.argumentNames.back().name == "floor";
  if (hasFloor) {
    floor = plain.operands.back();
    plain.operands.pop_back();
    plain.argumentNames.pop_back();
  }
  if (!checkArguments(plain, 2, usage) || !mayDraw(call))
    return noNode;
  NodeId first =
      make("log", {evaluate(*call.operands[0])}, call.operands[0]->place);
  NodeId second =
      make("log", {evaluate(*call.operands[1])}, call.operands[1]->place);
  NodeId value = make("exp",
                      {builder.draw(NodeKind::Uniform, first, second,
                                    context.axes, call.place)},
                      call.place);
  return floor ? make("max", {value, evaluate(*floor)}, call.place) : value;
}

} // namespace decay::dsl
