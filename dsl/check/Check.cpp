//===- Check.cpp - From a source text to a checked design
//------------------===//
#include "dsl/check/Check.h"
#include "dsl/check/Elaborate.h"
#include "dsl/check/RangeAnalysis.h"
#include "dsl/operators/PointwiseOperators.h"

#include "llvm/ADT/STLExtras.h"

#include <set>

namespace decay::dsl {
namespace {

using Kind = DiagnosticKind;

const DesignAst *chooseDesign(const FileAst &file, const std::string &name,
                              Diagnostics &diagnostics) {
  if (file.designs.empty())
    return nullptr;
  if (name.empty())
    return &file.designs.front();
  if (const DesignAst *design = findDesign(file, name))
    return design;
  std::vector<std::string> names;
  for (const DesignAst &design : file.designs)
    names.push_back(design.name.name);
  diagnostics.report(
      Kind::UnknownDesign, file.designs.front().name.place,
      {name, names.size() == 1 ? names.front() : nearestWord(name, names)});
  return nullptr;
}

void checkDesignNames(const FileAst &file, Diagnostics &diagnostics) {
  for (size_t i = 0; i < file.designs.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (file.designs[i].name.name == file.designs[j].name.name) {
        const Word &first = file.designs[j].name;
        diagnostics.report(
            Kind::DesignTwice, file.designs[i].name.place,
            {file.designs[i].name.spelled, std::to_string(first.place.line)});
        break;
      }
}

void collectNames(const Expression &expression, std::set<std::string> &names) {
  if (expression.kind == Expression::Kind::Name)
    names.insert(expression.name);
  for (const ExpressionPtr &operand : expression.operands)
    collectNames(*operand, names);
}

/// Names that no line of the design mentions, whatever the settings.
void warnUnused(const FlatDesign &design, Diagnostics &diagnostics) {
  std::set<std::string> used = {"lambda", "q", "k", "v"};
  for (const Statement &line : design.statements)
    for (const ExpressionPtr &formula : {line.formula, line.start})
      if (formula)
        collectNames(*formula, used);
  struct Row {
    Statement::Kind kind;
    const char *what;
  };
  static constexpr Row rows[] = {
      {Statement::Kind::Set, "the setting"},
      {Statement::Kind::Project, "the projection"},
      {Statement::Kind::Learn, "the learned parameter"},
      {Statement::Kind::Carry, "the carried value"},
      {Statement::Kind::Define, "the definition"}};
  for (const Statement &line : design.statements)
    for (const Row &row : rows)
      if (line.kind == row.kind && !used.count(line.subject.name))
        diagnostics.report(Kind::Unused, line.subject.place,
                           {row.what, line.subject.spelled});
}

CheckedDesign describe(const FlatDesign &design, const Choice &choice,
                       const std::string &fileName) {
  CheckedDesign checked;
  checked.name = design.name.name;
  checked.base = design.base;
  checked.summary = design.summary;
  checked.citation = design.citation;
  checked.fileName = fileName;
  checked.settings = choice.settings;
  static constexpr std::pair<const char *, Position> positions[] = {
      {"none", Position::None},
      {"rope", Position::Rope},
      {"lrpe_cosine", Position::LrpeCosine},
      {"tpe", Position::Tpe}};
  for (const auto &[word, position] : positions)
    if (choice.is("position", word))
      checked.position = position;
  checked.compatibility = choice.is("compat", "authors")
                              ? Compatibility::Authors
                              : Compatibility::Published;
  return checked;
}

/// Keeps the entries that nodes of `kind` refer to; the nodes get the new
/// index.
template <typename Entry>
void keepUsed(std::vector<Entry> &entries, std::vector<Node> &nodes,
              NodeKind kind) {
  std::vector<int32_t> newIndex(entries.size(), -1);
  std::vector<bool> used(entries.size(), false);
  for (const Node &node : nodes)
    if (node.kind == kind)
      used[node.index] = true;
  std::vector<Entry> kept;
  for (size_t i = 0; i < entries.size(); ++i)
    if (used[i]) {
      newIndex[i] = static_cast<int32_t>(kept.size());
      kept.push_back(std::move(entries[i]));
    }
  for (Node &node : nodes)
    if (node.kind == kind)
      node.index = newIndex[node.index];
  entries = std::move(kept);
}

/// The nodes reached from the outputs and from the initial values of the
/// parameters that the outputs use.
std::vector<bool> reachable(const GraphBuilder &builder,
                            const CheckedDesign &checked) {
  std::vector<bool> reached(builder.allNodes().size(), false);
  std::vector<NodeId> pending = {checked.lambda, checked.logLambda, checked.q,
                                 checked.k, checked.v};
  while (!pending.empty()) {
    NodeId id = pending.back();
    pending.pop_back();
    if (id == noNode || reached[id])
      continue;
    reached[id] = true;
    const Node &node = builder.node(id);
    pending.insert(pending.end(), node.operands.begin(), node.operands.end());
    if (node.kind == NodeKind::Parameter)
      pending.push_back(checked.parameters[node.index].initialiser);
  }
  return reached;
}

/// q, k, v, then the design's own as they were met.
void orderProjections(CheckedDesign &checked) {
  auto rank = [](const Projection &projection) {
    size_t place = llvm::StringRef("qkv").find(projection.name);
    return projection.name.size() == 1 ? std::min<size_t>(place, 3) : 3;
  };
  std::vector<Projection> ordered;
  for (size_t wanted = 0; wanted <= 3; ++wanted)
    for (const Projection &each : checked.projections)
      if (rank(each) == wanted)
        ordered.push_back(each);
  for (Node &node : checked.nodes)
    if (node.kind == NodeKind::Projection) {
      const std::string &name = checked.projections[node.index].name;
      auto found = llvm::find_if(
          ordered, [&](const Projection &each) { return each.name == name; });
      node.index = static_cast<int32_t>(found - ordered.begin());
    }
  checked.projections = std::move(ordered);
}

/// What a node's code takes to compile, beside that of an addition: measured,
/// with gradients, in all entries.
unsigned weightOf(const Node &node) {
  switch (node.kind) {
  case NodeKind::Operator:
    return findPointwiseOperator(node.name)->weight;
  case NodeKind::Parameter:
    return 32;
  case NodeKind::Projection:
    return 40;
  case NodeKind::Scan:
    return 70;
  case NodeKind::AcrossLayers:
    return 20;
  default:
    return 1;
  }
}

/// Reports the node at which the design becomes too heavy.
void checkWeight(const CheckedDesign &checked, Diagnostics &diagnostics) {
  unsigned weight = 0;
  for (const Node &node : checked.nodes) {
    weight += weightOf(node);
    if (weight <= maximumWeight)
      continue;
    diagnostics.report(Kind::DesignTooHeavy, node.place,
                       {std::to_string(weight), std::to_string(maximumWeight)});
    return;
  }
}

} // namespace

std::vector<NodeId> prune(const GraphBuilder &builder, CheckedDesign &checked) {
  std::vector<bool> reached = reachable(builder, checked);
  std::vector<NodeId> kept, newId(reached.size(), noNode);
  for (NodeId id = 0; id < static_cast<NodeId>(reached.size()); ++id) {
    if (!reached[id])
      continue;
    newId[id] = static_cast<NodeId>(kept.size());
    kept.push_back(id);
    Node node = builder.node(id);
    for (NodeId &operand : node.operands)
      operand = newId[operand];
    checked.nodes.push_back(std::move(node));
  }
  for (NodeId *slot : {&checked.lambda, &checked.logLambda, &checked.q,
                       &checked.k, &checked.v})
    *slot = *slot == noNode ? noNode : newId[*slot];
  orderProjections(checked);
  keepUsed(checked.projections, checked.nodes, NodeKind::Projection);
  keepUsed(checked.parameters, checked.nodes, NodeKind::Parameter);
  keepUsed(checked.carries, checked.nodes, NodeKind::Scan);
  for (Parameter &parameter : checked.parameters)
    parameter.initialiser = newId[parameter.initialiser];
  return kept;
}

std::optional<CheckedDesign> checkDesign(const DesignSource &source,
                                         const std::string &designName,
                                         const SettingChoices &settings,
                                         Diagnostics &diagnostics) {
  diagnostics.setSource(source);
  FileAst file = parseDesign(source.text, diagnostics);
  checkDesignNames(file, diagnostics);
  // Each step assumes that the one before it found no fault: so no message is
  // the mere consequence of another.
  if (diagnostics.hasErrors())
    return std::nullopt;
  const DesignAst *chosen = chooseDesign(file, designName, diagnostics);
  if (!chosen)
    return std::nullopt;
  std::optional<FlatDesign> design = flatten(file, *chosen, diagnostics);
  if (!design || diagnostics.hasErrors())
    return std::nullopt;
  Choice choice = chooseSettings(*design, settings, diagnostics);
  std::vector<const Statement *> lines =
      activeStatements(*design, choice, diagnostics);
  if (diagnostics.hasErrors())
    return std::nullopt;
  CheckedDesign checked = describe(*design, choice, source.fileName);
  GraphBuilder builder(diagnostics);
  if (!elaborate(*design, choice, lines, builder, checked, diagnostics))
    return std::nullopt;
  warnUnused(*design, diagnostics);
  std::vector<NodeId> kept = prune(builder, checked);
  checkWeight(checked, diagnostics);
  std::vector<Interval> ranges = analyzeRanges(builder, kept, diagnostics);
  const Statement *decay = *llvm::find_if(lines, [](const Statement *line) {
    return line->kind == Statement::Kind::Define &&
           line->subject.name == "lambda";
  });
  std::map<std::string, std::string> spelled;
  for (const Statement *line : lines)
    spelled[line->subject.name] = line->subject.spelled;
  checkDecayRange(ranges, spelled, checked, decay->subject.place, diagnostics);
  if (diagnostics.hasErrors())
    return std::nullopt;
  return checked;
}

} // namespace decay::dsl
