//===- RangeAnalysis.cpp - What values a design can take
//-------------------===//
#include "dsl/check/RangeAnalysis.h"
#include "dsl/operators/PointwiseOperators.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <map>
#include <optional>

namespace decay::dsl {
namespace {

using Kind = DiagnosticKind;
constexpr double infinity = std::numeric_limits<double>::infinity();
const Interval unit = Interval::closed(0, 1);

class Analyzer {
public:
  Analyzer(const GraphBuilder &builder, Diagnostics &diagnostics)
      : builder(builder), diagnostics(diagnostics) {}

  Interval analyze(NodeId id) {
    Interval range = rangeOf(id);
    ranges[id] = range;
    return range;
  }

private:
  Interval rangeOf(NodeId id);
  Interval rangeOfScan(const Node &node);
  Interval rangeOfLayers(const Node &node);
  Interval rangeOfDraw(const Node &node);
  Interval rangeOfOperator(const Node &node);
  /// What the operands' relation adds to their intervals.
  Interval relation(const Node &node);
  Interval relationOfAdd(const Node &node);
  Interval relationOfSub(const Node &node);
  Interval relationOfDiv(NodeId x, NodeId y);
  std::optional<double> aboveLast(NodeId id, NodeKind count) const;
  std::optional<double> offsetOfIndex(NodeId id, NodeKind index) const;
  bool isRunningSum(NodeId prev, NodeId sum) const;
  NodeId unsliced(NodeId id) const;
  void checkDomain(const Node &node, const PointwiseOperator &card,
                   const Interval *operands);
  void checkDivisor(const Node &node, const Interval &divisor);

  const Interval &at(NodeId id) const { return ranges.at(id); }
  const Node &node(NodeId id) const { return builder.node(id); }

  const GraphBuilder &builder;
  Diagnostics &diagnostics;
  std::map<NodeId, Interval> ranges;
};

Interval Analyzer::rangeOf(NodeId id) {
  const Node &each = node(id);
  switch (each.kind) {
  case NodeKind::Constant:
    if (!(std::fabs(each.value) <= std::numeric_limits<float>::max()))
      diagnostics.report(Kind::NotFinite, each.place,
                         {Interval::point(each.value).str()});
    return Interval::point(each.value);
  case NodeKind::Projection:
  case NodeKind::Parameter:
    return Interval::everything();
  case NodeKind::HeadIndex:
  case NodeKind::LayerIndex:
    return Interval::atLeast(0);
  case NodeKind::Heads:
  case NodeKind::Layers:
    return Interval::atLeast(1);
  case NodeKind::Operator:
    return rangeOfOperator(each);
  case NodeKind::Scan:
    return rangeOfScan(each);
  case NodeKind::Previous: {
    const Node &scan = node(each.operands[0]);
    return hull(at(each.operands[0]), at(scan.operands[1]));
  }
  case NodeKind::AcrossLayers:
    return rangeOfLayers(each);
  case NodeKind::AtLayer:
    return at(each.operands[0]);
  case NodeKind::Uniform:
  case NodeKind::Normal:
    return rangeOfDraw(each);
  }
  return Interval::everything();
}

Interval Analyzer::rangeOfScan(const Node &each) {
  const Interval &term = at(each.operands[0]), &start = at(each.operands[1]);
  if (each.name == "latest")
    return term;
  if (each.name == "logcumsumexp")
    return {start.low, infinity, true, true};
  Interval range;
  if (term.low >= 0) {
    range.low = start.low + term.low;
    range.lowOpen = start.lowOpen || term.lowOpen;
  }
  if (term.high <= 0) {
    range.high = start.high + term.high;
    range.highOpen = start.highOpen || term.highOpen;
  }
  return range;
}

Interval Analyzer::rangeOfLayers(const Node &each) {
  const Node &operand = node(each.operands[0]);
  const Interval &range = at(each.operands[0]);
  if (each.name == "softmax")
    return {0, 1, true, false};
  if (each.name == "first")
    return range;
  bool isDistribution =
      operand.kind == NodeKind::AcrossLayers && operand.name == "softmax";
  if (isDistribution)
    return {0, 1, true, false};
  Interval sum;
  if (range.low >= 0) {
    sum.low = range.low;
    sum.lowOpen = range.lowOpen;
  }
  if (range.high <= 0) {
    sum.high = range.high;
    sum.highOpen = range.highOpen;
  }
  return sum;
}

Interval Analyzer::rangeOfDraw(const Node &each) {
  const Interval &first = at(each.operands[0]), &second = at(each.operands[1]);
  if (each.kind == NodeKind::Normal) {
    if (second.low < 0)
      diagnostics.report(Kind::EmptyDraw, each.place,
                         {"normal", "its deviation lies in " + second.str(),
                          "a deviation of 0 or more"});
    return Interval::everything();
  }
  if (!(first.high < second.low))
    diagnostics.report(Kind::EmptyDraw, each.place,
                       {"uniform",
                        "from " + first.str() + " to " + second.str(),
                        "a lower end below the upper end"});
  return hull(first, second);
}

/// The largest s that is known with `id` ≥ (the number of heads or layers - 1)
/// + s for every number of them.
std::optional<double> Analyzer::aboveLast(NodeId id, NodeKind count) const {
  const Node &each = node(id);
  if (each.kind == count)
    return 1;
  if (each.kind != NodeKind::Operator)
    return std::nullopt;
  auto number = [&](NodeId operand) {
    return node(operand).kind == NodeKind::Constant
               ? std::optional(node(operand).value)
               : std::nullopt;
  };
  NodeId x = each.operands[0], y = each.operands.back();
  if (each.name == "sub" && node(x).kind == count && number(y))
    return 1 - *number(y);
  if (each.name == "add" && node(x).kind == count && number(y))
    return 1 + *number(y);
  if (each.name == "add" && node(y).kind == count && number(x))
    return 1 + *number(x);
  // nullopt is less than any number.
  if (each.name == "max")
    return std::max(aboveLast(x, count), aboveLast(y, count));
  return std::nullopt;
}

/// c where `id` is head + c or layer + c, c ≥ 0.
std::optional<double> Analyzer::offsetOfIndex(NodeId id, NodeKind index) const {
  const Node &each = node(id);
  if (each.kind == index)
    return 0;
  if (!builder.isOperator(id, "add"))
    return std::nullopt;
  for (int side : {0, 1}) {
    const Node &number = node(each.operands[1 - side]);
    if (node(each.operands[side]).kind == index &&
        number.kind == NodeKind::Constant && number.value >= 0)
      return number.value;
  }
  return std::nullopt;
}

/// `prev` is the value before this token of the running sum `sum`.
bool Analyzer::isRunningSum(NodeId prev, NodeId sum) const {
  return builder.isScan(sum, "cumsum") &&
         node(prev).kind == NodeKind::Previous && node(prev).operands[0] == sum;
}

NodeId Analyzer::unsliced(NodeId id) const {
  return node(id).kind == NodeKind::AtLayer ? node(id).operands[0] : id;
}

/// w + (1 - w) y and w x + (1 - w) y lie between x (or 1) and y for w in [0,
/// 1].
Interval Analyzer::relationOfAdd(const Node &each) {
  for (int side : {0, 1}) {
    NodeId left = each.operands[side], right = each.operands[1 - side];
    if (!builder.isOperator(right, "mul"))
      continue;
    for (int factor : {0, 1}) {
      NodeId rest = node(right).operands[factor],
             y = node(right).operands[1 - factor];
      auto isWeight = [&](NodeId w) {
        return builder.areComplements(w, rest) && unit.includes(at(w));
      };
      if (isWeight(left))
        return hull(Interval::point(1), at(y));
      if (!builder.isOperator(left, "mul"))
        continue;
      for (int i : {0, 1})
        if (isWeight(node(left).operands[i]))
          return hull(at(node(left).operands[1 - i]), at(y));
    }
  }
  return Interval::everything();
}

Interval Analyzer::relationOfSub(const Node &each) {
  NodeId x = each.operands[0], y = each.operands[1];
  const Node &left = node(x), &right = node(y);
  bool isRest =
      (left.kind == NodeKind::Layers && right.kind == NodeKind::LayerIndex) ||
      (left.kind == NodeKind::Heads && right.kind == NodeKind::HeadIndex);
  if (isRest)
    return Interval::atLeast(1);
  // A cumulative sum over layers less its first value: the terms after the
  // first.
  const Node &sum = node(unsliced(x));
  bool isSum = sum.kind == NodeKind::AcrossLayers && sum.name == "cumsum";
  bool isFirst = right.kind == NodeKind::AcrossLayers && right.name == "first";
  if (!isSum || !isFirst)
    return Interval::everything();
  NodeId from = right.operands[0], terms = sum.operands[0];
  bool isSame = from == unsliced(x) || from == terms;
  if (!isSame || at(terms).low < 0)
    return Interval::everything();
  return Interval{0, at(unsliced(x)).high, false, true};
}

Interval Analyzer::relationOfDiv(NodeId x, NodeId y) {
  if (builder.isOperator(x, "mul"))
    for (int side : {0, 1})
      if (node(node(x).operands[side]).kind == NodeKind::Constant)
        return at(node(x).operands[side]) *
               relationOfDiv(node(x).operands[1 - side], y);
  constexpr std::pair<NodeKind, NodeKind> indices[] = {
      {NodeKind::HeadIndex, NodeKind::Heads},
      {NodeKind::LayerIndex, NodeKind::Layers}};
  for (auto [index, count] : indices) {
    std::optional<double> offset = offsetOfIndex(x, index);
    if (offset && aboveLast(y, count) >= offset)
      return unit;
  }
  if (isRunningSum(x, y) && at(node(y).operands[0]).low >= 0 &&
      at(node(y).operands[1]).low >= 0)
    return {0, 1, at(x).lowOpen || at(x).low > 0, false};
  return Interval::everything();
}

Interval Analyzer::relation(const Node &each) {
  if (each.name == "add")
    return relationOfAdd(each);
  if (each.name == "sub")
    return each.operands[0] == each.operands[1] ? Interval::point(0)
                                                : relationOfSub(each);
  if (each.name == "div")
    return relationOfDiv(each.operands[0], each.operands[1]);
  if (each.name == "mul" && each.operands[0] == each.operands[1])
    return Interval::atLeast(0);
  return Interval::everything();
}

Interval Analyzer::rangeOfOperator(const Node &each) {
  const PointwiseOperator &card = *findPointwiseOperator(each.name);
  Interval operands[maximumArity];
  for (size_t i = 0; i < each.operands.size(); ++i)
    operands[i] = at(each.operands[i]);
  checkDomain(each, card, operands);
  Interval range = card.range(operands);
  bool isBroken = std::isnan(range.low) || std::isnan(range.high);
  return isBroken ? Interval::everything() : intersect(range, relation(each));
}

void Analyzer::checkDivisor(const Node &each, const Interval &divisor) {
  if (divisor == Interval::point(0))
    return diagnostics.report(Kind::DivisionByZero, each.place, {"zero", ""});
  if (!divisor.contains(0))
    return;
  NodeId y = each.operands[1];
  bool isLast = aboveLast(y, NodeKind::Layers) || aboveLast(y, NodeKind::Heads);
  bool isEdge = divisor.low == 0 || divisor.high == 0;
  std::string fix =
      isLast
          ? "write max(..., 1) around the divisor: a model may have one of them"
      : isEdge ? "add a small number to the divisor"
               : "divide by exp(...) or softplus(...) of it";
  diagnostics.report(isEdge ? Kind::DivisionEdge : Kind::DivisionMayFail,
                     each.place, {divisor.str(), fix});
}

void Analyzer::checkDomain(const Node &each, const PointwiseOperator &card,
                           const Interval *operands) {
  const OperandDomain &domain = card.domain;
  if (domain.operand < 0)
    return;
  const Interval &operand = operands[domain.operand];
  if (domain.nonZero)
    return checkDivisor(each, operand);
  if (domain.allowed.includes(operand))
    return;
  std::string name = each.name, text = domain.text.str();
  if (operand.isDisjoint(domain.allowed))
    return diagnostics.report(Kind::NeverInDomain, each.place,
                              {name, operand.str(), text});
  // Only the closed end itself is outside: log of 0 is an infinity, not a
  // nonsense.
  bool isEdge = operand.low == domain.allowed.low && !operand.lowOpen;
  struct Fix {
    llvm::StringRef name, text;
  };
  static constexpr Fix fixes[] = {
      {"sqrt", "write sqrt(max(x, 0))"},
      {"log", "make it positive by exp(...), softplus(...) or max(x, 1e-6)"},
      {"pow",
       "make the base positive by exp(...), softplus(...) or max(x, 1e-6)"},
      {"log1p", "make it at least 0 by exp(...), softplus(...) or max(x, 0)"},
  };
  std::string fix;
  for (const Fix &row : fixes)
    if (row.name == name)
      fix = row.text;
  diagnostics.report(isEdge ? Kind::DomainEdge : Kind::OutsideDomain,
                     each.place, {name, operand.str(), text, fix});
}

/// The input because of which a value has no bound, for people.
std::string unboundedInput(const CheckedDesign &checked,
                           llvm::ArrayRef<Interval> ranges,
                           const std::map<std::string, std::string> &spelled,
                           NodeId id) {
  auto spell = [&](const std::string &name) {
    auto found = spelled.find(name);
    return "'" + (found == spelled.end() ? name : found->second) + "'";
  };
  auto width = [&](NodeId each) {
    return ranges[each].high - ranges[each].low;
  };
  while (!checked.nodes[id].operands.empty()) {
    const std::vector<NodeId> &operands = checked.nodes[id].operands;
    id = *std::max_element(
        operands.begin(), operands.end(),
        [&](NodeId a, NodeId b) { return width(a) < width(b); });
  }
  const Node &leaf = checked.nodes[id];
  switch (leaf.kind) {
  case NodeKind::Parameter:
    return "the learned parameter " +
           spell(checked.parameters[leaf.index].name);
  case NodeKind::Projection:
    return "the projection " + spell(checked.projections[leaf.index].name);
  case NodeKind::LayerIndex:
  case NodeKind::Layers:
    return "the number of layers";
  case NodeKind::HeadIndex:
  case NodeKind::Heads:
    return "the number of heads";
  default:
    return {};
  }
}

} // namespace

std::vector<Interval> analyzeRanges(const GraphBuilder &builder,
                                    llvm::ArrayRef<NodeId> kept,
                                    Diagnostics &diagnostics) {
  Analyzer analyzer(builder, diagnostics);
  std::vector<Interval> ranges;
  for (NodeId id : kept)
    ranges.push_back(analyzer.analyze(id));
  return ranges;
}

void checkDecayRange(llvm::ArrayRef<Interval> ranges,
                     const std::map<std::string, std::string> &spelled,
                     CheckedDesign &checked, SourcePlace place,
                     Diagnostics &diagnostics) {
  bool isLog = checked.logLambda != noNode;
  NodeId decay = isLog ? checked.logLambda : checked.lambda;
  const Interval &range = ranges[decay];
  Interval wanted = isLog ? Interval::atMost(0) : unit;
  if (wanted.includes(range))
    return;
  if (wanted.isDisjoint(range)) {
    std::string fix;
    if (isLog)
      fix = unit.includes(range) ? "if the formula is λ itself, write: λ = ..."
                                 : "put a minus in front of the formula";
    else if (range.high <= 0)
      fix = "if the formula is the logarithm of λ, write: log λ = ...";
    return diagnostics.report(isLog ? Kind::LogDecayNeverInRange
                                    : Kind::DecayNeverInRange,
                              place, {range.str(), fix});
  }
  checked.checkLambdaAtRunTime = true;
  std::string why = (isLog ? "log λ lies in " : "it lies in ") + range.str();
  if (std::string input = unboundedInput(checked, ranges, spelled, decay);
      !input.empty())
    why += ", as " + input + " has no bound";
  std::string fix =
      isLog ? "bound it, for example by -softplus(...) or -exp(...)"
            : "bound it, for example by sigmoid(...) or exp(-softplus(...))";
  diagnostics.report(Kind::DecayNotProved, place, {why, fix});
}

} // namespace decay::dsl
