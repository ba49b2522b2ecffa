//===- Elaborator.cpp - Lines: projections, parameters, carries, outputs
//---===//
#include "dsl/check/Elaborator.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/STLExtras.h"

#include <set>

namespace decay::dsl {

using Kind = DiagnosticKind;
using Line = Statement::Kind;

void Elaborator::declare(const std::vector<const Statement *> &lines) {
  for (const Statement *line : lines) {
    bool isNamed = line->kind == Line::Project || line->kind == Line::Learn ||
                   line->kind == Line::Carry || line->kind == Line::Define ||
                   line->kind == Line::Set;
    if (!isNamed)
      continue;
    llvm::StringRef meaning = reservedMeaning(line->subject.name);
    bool isOperand = line->kind != Line::Define && line->kind != Line::Set;
    if (meaning.empty() && isOperand)
      meaning = operandMeaning(line->subject.name);
    if (!meaning.empty()) {
      diagnostics.report(Kind::ReservedName, line->subject.place,
                         {line->subject.spelled, meaning.str()});
      continue;
    }
    bool isOutput =
        llvm::is_contained({"lambda", "q", "k", "v"}, line->subject.name);
    if (isOutput && line->kind != Line::Define && line->kind != Line::Project) {
      diagnostics.report(Kind::ReservedName, line->subject.place,
                         {line->subject.spelled, "one of the outputs"});
      continue;
    }
    if (line->isLog && line->subject.name != "lambda")
      diagnostics.report(Kind::LogOfOther, line->subject.place,
                         {line->subject.spelled});
    entities[keyOf(*line)].line = line;
  }
}

void Elaborator::checkSharing() {
  checked.sharing = choice.is("sharing", "on");
  if (!checked.sharing)
    return;
  auto f = entities.find("f");
  bool isProjected =
      f != entities.end() && f->second.line->kind == Line::Project;
  if (checked.granularity == Granularity::Scalar)
    diagnostics.report(Kind::SharingNeedsVector, design.name.place);
  else if (!isProjected)
    diagnostics.report(Kind::SharingNeedsProjection, design.name.place);
}

void Elaborator::run(const std::vector<const Statement *> &lines) {
  checked.granularity = choice.is("granularity", "scalar")
                            ? Granularity::Scalar
                            : Granularity::Vector;
  declare(lines);
  checkSharing();
  if (diagnostics.hasErrors())
    return;
  for (const Statement *line : lines)
    if (auto found = entities.find(keyOf(*line)); found != entities.end())
      if (line->kind != Line::Project && line->kind != Line::Set)
        evaluateEntity(found->first, line->subject.place);
  if (!entities.count("lambda"))
    reportNoDecay();
  if (!diagnostics.hasErrors())
    finishOutputs();
}

void Elaborator::reportNoDecay() {
  std::string fix;
  for (const auto &[name, entity] : entities)
    if (entity.line->kind == Line::Define &&
        !nearestWord(name.substr(0, 6), {"lambda"}).empty())
      fix = "write λ for '" + entity.line->subject.spelled + "'";
  diagnostics.report(Kind::NoDecay, design.name.place,
                     {design.name.spelled, fix});
}

NodeId Elaborator::withContext(Context inner, const ExpressionPtr &expression) {
  std::swap(context, inner);
  NodeId node = evaluate(*expression);
  std::swap(context, inner);
  return node;
}

NodeId Elaborator::evaluateEntity(const std::string &name, SourcePlace place) {
  Entity &entity = entities.at(name);
  if (entity.state == Entity::State::Running) {
    reportCycle(name, place);
    return noNode;
  }
  if (entity.state == Entity::State::Waiting) {
    entity.state = Entity::State::Running;
    running.push_back(name);
    if (running.size() > maximumNesting)
      diagnostics.report(Kind::ChainTooLong, place,
                         {std::to_string(maximumNesting)});
    else
      entity.node = evaluateLine(entity);
    running.pop_back();
    entity.state = Entity::State::Done;
  }
  return entity.node;
}

NodeId Elaborator::evaluateLine(Entity &entity) {
  const Statement &line = *entity.line;
  switch (line.kind) {
  case Line::Project: {
    bool isShared = checked.sharing && line.subject.name == "f";
    return rawProjection(isShared ? "k" : line.subject.name,
                         line.subject.place);
  }
  case Line::Learn:
    return evaluateLearn(entity);
  case Line::Carry:
    return evaluateCarry(entity);
  case Line::Define: {
    NodeId node =
        withContext({line.subject.name, line.subject.spelled}, line.formula);
    if (!line.isLog || node == noNode)
      return node;
    checked.logLambda = builder.atLayer(node, line.subject.place);
    return make("exp", {node}, line.subject.place);
  }
  default:
    assert(line.kind == Line::Set && "a line without a value");
    return number(choice.numbers.at(line.subject.name), line.subject.place);
  }
}

NodeId Elaborator::rawProjection(const std::string &name, SourcePlace place) {
  using Shape = ProjectionForm::Shape;
  using Form = Projection::Kind;
  bool isOutput = name == "q" || name == "k" || name == "v";
  auto own = entities.find(isOutput ? "project " + name : name);
  const Statement *line = own == entities.end() ? nullptr : own->second.line;
  ProjectionForm form = line ? line->form : ProjectionForm{};
  bool isScalar = checked.granularity == Granularity::Scalar;
  Projection projection;
  projection.name = name;
  switch (form.shape) {
  case Shape::Default:
    projection.kind = isOutput   ? Form::Full
                      : isScalar ? Form::PerHead
                                 : Form::LowRank;
    break;
  case Shape::Full:
    projection.kind = Form::Full;
    break;
  case Shape::LowRank:
    projection.kind = Form::LowRank;
    break;
  case Shape::PerHead:
    projection.kind = Form::PerHead;
    break;
  }
  if (isOutput && projection.kind == Form::PerHead) {
    diagnostics.report(Kind::PerHeadProjection, line->subject.place, {name});
    return noNode;
  }
  projection.rank = form.rank;
  projection.bias = form.bias;
  projection.axes.token = projection.axes.head = true;
  projection.axes.channel = projection.kind != Form::PerHead;
  projection.place = line ? line->subject.place : design.name.place;
  auto known = llvm::find_if(checked.projections, [&](const Projection &each) {
    return each.name == name;
  });
  auto index = static_cast<int32_t>(known - checked.projections.begin());
  if (known == checked.projections.end())
    checked.projections.push_back(projection);
  return builder.input(NodeKind::Projection, index, projection.axes,
                       name == "v", place);
}

Axes Elaborator::parameterAxes(const Statement &line) const {
  Axes axes;
  bool namesShape = line.hasAxes && line.values.empty();
  for (const Word &axis : line.values) {
    axes.layer |= axis.name == "layers";
    axes.head |= axis.name == "head";
    axes.channel |= axis.name == "channel";
    namesShape |= axis.name != "layers";
  }
  if (!namesShape) {
    axes.head = true;
    axes.channel = checked.granularity == Granularity::Vector;
  }
  return axes;
}

NodeId Elaborator::evaluateLearn(Entity &entity) {
  const Statement &line = *entity.line;
  Parameter parameter;
  parameter.name = line.subject.name;
  parameter.axes = parameterAxes(line);
  parameter.weightDecay = line.weightDecay;
  parameter.place = line.subject.place;
  parameter.initialiser = withContext({line.subject.name, line.subject.spelled,
                                       Part::InitialValue, parameter.axes},
                                      line.formula);
  checkInitialiser(parameter, line);
  entity.index = static_cast<int32_t>(checked.parameters.size());
  checked.parameters.push_back(parameter);
  return builder.input(NodeKind::Parameter, entity.index, parameter.axes, false,
                       line.subject.place);
}

/// The initial value must not vary over what the parameter does not.
void Elaborator::checkInitialiser(const Parameter &parameter,
                                  const Statement &line) {
  if (parameter.initialiser == noNode)
    return;
  if (builder.node(parameter.initialiser).axes.head && !parameter.axes.head)
    diagnostics.report(Kind::InitialiserHasHeads, line.formula->place,
                       {line.subject.spelled});
  if (!parameter.axes.layer)
    return;
  std::vector<NodeId> pending = {parameter.initialiser};
  std::set<NodeId> seen;
  while (!pending.empty()) {
    NodeId id = pending.back();
    pending.pop_back();
    if (!seen.insert(id).second)
      continue;
    const Node &node = builder.node(id);
    if (node.kind == NodeKind::LayerIndex)
      diagnostics.report(Kind::InitialiserHasLayer, node.place,
                         {line.subject.spelled});
    pending.insert(pending.end(), node.operands.begin(), node.operands.end());
  }
}

NodeId Elaborator::evaluateCarry(Entity &entity) {
  const Statement &line = *entity.line;
  NodeId term =
      withContext({line.subject.name, line.subject.spelled}, line.formula);
  NodeId start = withContext(
      {line.subject.name, line.subject.spelled, Part::CarryStart}, line.start);
  term = builder.atLayer(term, line.subject.place);
  if (term == noNode || start == noNode)
    return noNode;
  if (!builder.node(term).axes.token) {
    diagnostics.report(Kind::CarryConstant, line.formula->place,
                       {line.subject.spelled});
    return noNode;
  }
  Carry carry;
  carry.name = line.subject.name;
  carry.axes = builder.node(term).axes;
  carry.axes.token = false;
  carry.place = line.subject.place;
  entity.index = static_cast<int32_t>(checked.carries.size());
  checked.carries.push_back(carry);
  return builder.scan(line.scan.name, term, start, entity.index,
                      line.subject.place);
}

void Elaborator::reportCycle(const std::string &name, SourcePlace place) {
  std::string way;
  auto begin = llvm::find(running, name);
  for (auto each = begin; each != running.end(); ++each)
    way += entities.at(*each).line->subject.spelled + " → ";
  auto isOnWay = [&](llvm::StringRef each) {
    return std::find(begin, running.end(), each) != running.end();
  };
  const std::string &spelled = entities.at(name).line->subject.spelled;
  std::string fix;
  if (entities.at(name).line->kind == Line::Carry)
    fix = "a carried value sums its term by itself: leave '" + spelled +
          "' out of the term";
  else if (isOnWay("k") && isOnWay("lambda"))
    fix = "let λ use f instead of k";
  diagnostics.report(Kind::Cycle, place, {spelled, way + spelled, fix});
}

std::string Elaborator::spelledName(const std::string &name) const {
  auto entity = entities.find(name);
  return entity == entities.end() ? name : entity->second.line->subject.spelled;
}

void Elaborator::checkDecayAxes(NodeId decay, SourcePlace place) {
  const Axes &axes = builder.node(decay).axes;
  bool isScalar = checked.granularity == Granularity::Scalar;
  if (!isScalar && !axes.channel)
    diagnostics.report(Kind::DecayIsPerHead, place);
  if (!isScalar || !axes.channel)
    return;
  // The input that brings the channels in.
  NodeId at = decay;
  while (!builder.node(at).operands.empty())
    at = *llvm::find_if(builder.node(at).operands, [&](NodeId id) {
      return builder.node(id).axes.channel;
    });
  const Node &leaf = builder.node(at);
  bool isParameter = leaf.kind == NodeKind::Parameter;
  std::string name =
      spelledName(isParameter ? checked.parameters[leaf.index].name
                              : checked.projections[leaf.index].name);
  std::string fix = "write: project " + name + " per_head";
  if (isParameter)
    fix = "write: learn " + name + "[head] = ...";
  else if (name == "q" || name == "k")
    fix = "project what λ needs per head, for example: project f";
  diagnostics.report(Kind::DecayHasChannels, place, {name, fix});
}

void Elaborator::finishDecay() {
  const Statement &line = *entities.at("lambda").line;
  NodeId lambda =
      builder.atLayer(entities.at("lambda").node, line.subject.place);
  if (lambda == noNode)
    return;
  // Where exp(log λ) has a form of its own, as sigmoid, λ is that.
  bool staysLog =
      checked.logLambda != noNode && builder.isOperator(lambda, "exp");
  if (staysLog)
    return checkDecayAxes(checked.logLambda, line.formula->place);
  checked.lambda = lambda;
  checked.logLambda = noNode;
  checkDecayAxes(lambda, line.formula->place);
}

void Elaborator::finishOutputs() {
  finishDecay();
  struct Output {
    const char *name;
    NodeId CheckedDesign::*slot;
  };
  constexpr Output outputs[] = {{"q", &CheckedDesign::q},
                                {"k", &CheckedDesign::k},
                                {"v", &CheckedDesign::v}};
  for (const Output &output : outputs) {
    auto entity = entities.find(output.name);
    NodeId node = noNode;
    if (entity != entities.end()) {
      node = builder.atLayer(entity->second.node,
                             entity->second.line->subject.place);
    } else {
      node = rawProjection(output.name, design.name.place);
      if (llvm::StringRef(output.name) != "v")
        node = make("silu", {node}, design.name.place);
    }
    checked.*output.slot = node;
    if (node == noNode || llvm::StringRef(output.name) != "v")
      continue;
    if (builder.node(node).axes.channel && !builder.factsOf(node).countsValues)
      diagnostics.report(Kind::KeyChannelInValue,
                         entity->second.line->formula->place);
  }
}

bool elaborate(const FlatDesign &design, const Choice &choice,
               const std::vector<const Statement *> &lines,
               GraphBuilder &builder, CheckedDesign &checked,
               Diagnostics &diagnostics) {
  Elaborator(design, choice, builder, checked, diagnostics).run(lines);
  return !diagnostics.hasErrors();
}

} // namespace decay::dsl
