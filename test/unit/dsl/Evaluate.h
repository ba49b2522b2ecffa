//===- Evaluate.h - A checked design, evaluated at one channel -*- C++ -*-===//
//
// Runs the nodes of a checked design in float64 for one head, channel and
// layer, token by token, so that tests can see what a graph means.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_TEST_UNIT_DSL_EVALUATE_H
#define DECAY_TEST_UNIT_DSL_EVALUATE_H

#include "dsl/check/CheckedDesign.h"
#include "dsl/operators/PointwiseOperators.h"

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace decay::dsl {

/// Where a design is evaluated.
struct Site {
  double head = 0, heads = 1, layer = 0, layers = 1;
  double draw = 0.5; ///< where in its range each random draw falls
  /// A projection's value at a token.
  std::function<double(const std::string &name, int token)> projection =
      [](const std::string &, int) { return 0.0; };
  /// Learned parameters that are not at their initial value.
  std::map<std::string, double> parameters;
};

class Evaluator {
public:
  Evaluator(const CheckedDesign &design, Site site)
      : design(design), site(std::move(site)) {}

  /// The values of all nodes at the next token; where a node varies over
  /// layers, at each layer.
  using Values = std::vector<std::vector<double>>;
  const Values &step() {
    values.assign(design.nodes.size(), {});
    for (size_t id = 0; id < design.nodes.size(); ++id)
      values[id] = evaluate(design.nodes[id]);
    for (size_t id = 0; id < design.nodes.size(); ++id)
      if (design.nodes[id].kind == NodeKind::Scan)
        carried[static_cast<NodeId>(id)] = values[id][0];
    ++token;
    return values;
  }
  double at(NodeId id) const { return values[id][0]; }
  double lambda() const {
    return design.lambda != noNode ? at(design.lambda)
                                   : std::exp(at(design.logLambda));
  }

private:
  /// The scan before this token.
  double before(NodeId scan) const {
    auto found = carried.find(scan);
    return found != carried.end() ? found->second
                                  : at(design.nodes[scan].operands[1]);
  }
  std::vector<double> evaluate(const Node &node);
  std::vector<double> pointwise(const Node &node) const;
  std::vector<double> acrossLayers(const Node &node) const;
  double scan(const Node &node) const;

  const CheckedDesign &design;
  Site site;
  Values values;
  std::map<NodeId, double> carried;
  int token = 0;
};

inline std::vector<double> Evaluator::pointwise(const Node &node) const {
  size_t size = 1;
  for (NodeId id : node.operands)
    size = std::max(size, values[id].size());
  std::vector<double> result(size);
  for (size_t layer = 0; layer < size; ++layer) {
    double operands[maximumArity];
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const std::vector<double> &operand = values[node.operands[i]];
      operands[i] = operand[operand.size() == 1 ? 0 : layer];
    }
    result[layer] = findPointwiseOperator(node.name)->value(operands);
  }
  return result;
}

inline std::vector<double> Evaluator::acrossLayers(const Node &node) const {
  std::vector<double> result = values[node.operands[0]];
  if (node.name == "first")
    return {result[0]};
  double sum = 0;
  if (node.name == "softmax") {
    for (double &each : result)
      sum += each = std::exp(each);
    for (double &each : result)
      each /= sum;
  } else {
    for (double &each : result)
      each = sum += each;
  }
  return result;
}

inline double Evaluator::scan(const Node &node) const {
  double term = at(node.operands[0]);
  if (node.name == "latest")
    return term;
  auto self = static_cast<NodeId>(&node - design.nodes.data());
  double old = before(self);
  if (node.name == "cumsum")
    return old + term;
  double operands[] = {old, term};
  return findPointwiseOperator("logaddexp")->value(operands);
}

inline std::vector<double> Evaluator::evaluate(const Node &node) {
  switch (node.kind) {
  case NodeKind::Constant:
    return {node.value};
  case NodeKind::Projection:
    return {site.projection(design.projections[node.index].name, token)};
  case NodeKind::Parameter: {
    const Parameter &parameter = design.parameters[node.index];
    auto given = site.parameters.find(parameter.name);
    double value = given != site.parameters.end() ? given->second
                                                  : at(parameter.initialiser);
    size_t size = parameter.axes.layer ? static_cast<size_t>(site.layers) : 1;
    return std::vector<double>(size, value);
  }
  case NodeKind::HeadIndex:
    return {site.head};
  case NodeKind::Heads:
    return {site.heads};
  case NodeKind::LayerIndex:
    return {site.layer};
  case NodeKind::Layers:
    return {site.layers};
  case NodeKind::Operator:
    return pointwise(node);
  case NodeKind::Scan:
    return {scan(node)};
  case NodeKind::Previous:
    return {before(node.operands[0])};
  case NodeKind::AcrossLayers:
    return acrossLayers(node);
  case NodeKind::AtLayer:
    return {values[node.operands[0]][static_cast<size_t>(site.layer)]};
  case NodeKind::Uniform:
  case NodeKind::Normal: {
    double first = at(node.operands[0]), second = at(node.operands[1]);
    return {first + site.draw * (second - first)};
  }
  }
  return {};
}

} // namespace decay::dsl

#endif // DECAY_TEST_UNIT_DSL_EVALUATE_H
