//===- GraphBuilder.cpp - Nodes of a checked design, made once
//-------------===//
#include "dsl/check/GraphBuilder.h"
#include "dsl/operators/PointwiseOperators.h"
#include "dsl/syntax/Parser.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

namespace decay::dsl {

using Kind = DiagnosticKind;

NodeId GraphBuilder::add(Node node, NodeFacts nodeFacts, bool isUnique) {
  Key key{node.kind, node.name, node.operands, node.value, node.index};
  if (!isUnique)
    if (auto found = known.find(key); found != known.end())
      return found->second;
  for (NodeId operand : node.operands)
    nodeFacts.height = std::max(nodeFacts.height, facts[operand].height + 1);
  bool isTooHigh = nodeFacts.height > maximumHeight;
  if (isTooHigh || nodes.size() >= maximumNodes) {
    if (!isFull)
      diagnostics.report(
          isTooHigh ? Kind::ChainTooLong : Kind::TooManyNodes, node.place,
          {std::to_string(isTooHigh ? maximumHeight : maximumNodes)});
    isFull = true;
    return noNode;
  }
  auto id = static_cast<NodeId>(nodes.size());
  if (!isUnique)
    known.emplace(std::move(key), id);
  nodes.push_back(std::move(node));
  facts.push_back(nodeFacts);
  return id;
}

NodeId GraphBuilder::constant(double value, SourcePlace place) {
  Node node;
  node.value = value == 0 ? 0 : value; // -0 and 0 are one number
  node.place = place;
  return add(std::move(node), {});
}

NodeId GraphBuilder::index(NodeKind kind, SourcePlace place) {
  Node node;
  node.kind = kind;
  node.axes.head = kind == NodeKind::HeadIndex;
  node.place = place;
  // The layer at hand is another number in each layer.
  return add(std::move(node), {false, kind != NodeKind::LayerIndex});
}

NodeId GraphBuilder::input(NodeKind kind, int32_t index, Axes axes,
                           bool countsValues, SourcePlace place) {
  Node node;
  node.kind = kind;
  node.index = index;
  node.axes = axes;
  node.place = place;
  return add(std::move(node), {countsValues, axes.layer});
}

bool GraphBuilder::isConstant(NodeId id, double value) const {
  return id != noNode && nodes[id].kind == NodeKind::Constant &&
         nodes[id].value == value;
}

bool GraphBuilder::isOperator(NodeId id, llvm::StringRef name) const {
  return id != noNode && nodes[id].kind == NodeKind::Operator &&
         nodes[id].name == name;
}

bool GraphBuilder::isScan(NodeId id, llvm::StringRef kind) const {
  return id != noNode && nodes[id].kind == NodeKind::Scan &&
         nodes[id].name == kind;
}

bool GraphBuilder::areComplements(NodeId a, NodeId b) const {
  for (auto [whole, rest] : {std::pair(a, b), std::pair(b, a)})
    if (isOperator(rest, "sub") && isConstant(nodes[rest].operands[0], 1) &&
        nodes[rest].operands[1] == whole)
      return true;
  auto [first, last] = complements.equal_range(std::min(a, b));
  return std::any_of(first, last, [&](const auto &pair) {
    return pair.second == std::max(a, b);
  });
}

std::optional<double>
GraphBuilder::fold(llvm::StringRef name,
                   llvm::ArrayRef<NodeId> operands) const {
  double values[maximumArity];
  for (size_t i = 0; i < operands.size(); ++i) {
    if (nodes[operands[i]].kind != NodeKind::Constant)
      return std::nullopt;
    values[i] = nodes[operands[i]].value;
  }
  double value = findPointwiseOperator(name)->value(values);
  // What is not a number stays as it is, for range analysis to name.
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool GraphBuilder::alignChannels(llvm::ArrayRef<NodeId> operands,
                                 SourcePlace place) {
  bool hasValues =
      llvm::any_of(operands, [&](NodeId id) { return facts[id].countsValues; });
  if (!hasValues)
    return true;
  for (NodeId id : operands)
    if (nodes[id].axes.channel && !facts[id].countsValues) {
      diagnostics.report(Kind::KeyChannelInValue, place);
      return false;
    }
  return true;
}

NodeId GraphBuilder::apply(llvm::StringRef name, llvm::ArrayRef<NodeId> given,
                           SourcePlace place) {
  if (llvm::is_contained(given, noNode))
    return noNode;
  std::vector<NodeId> operands = given.vec();
  bool isModelWide =
      llvm::all_of(operands, [&](NodeId id) { return facts[id].isModelWide; });
  if (!isModelWide)
    for (NodeId &operand : operands)
      operand = atLayer(operand, place);
  if (llvm::is_contained(operands, noNode) || !alignChannels(operands, place))
    return noNode;
  if (std::optional<double> value = fold(name, operands))
    return constant(*value, place);
  if (NodeId simpler = simplify(*this, name, operands, place);
      simpler != noNode)
    return simpler;
  Node node;
  node.kind = NodeKind::Operator;
  node.name = name;
  node.operands = operands;
  node.place = place;
  NodeFacts nodeFacts{false, isModelWide};
  for (NodeId id : operands) {
    const Axes &axes = nodes[id].axes;
    node.axes.layer |= axes.layer;
    node.axes.token |= axes.token;
    node.axes.head |= axes.head;
    node.axes.channel |= axes.channel;
    nodeFacts.countsValues |= facts[id].countsValues;
  }
  return add(std::move(node), nodeFacts);
}

NodeId GraphBuilder::scan(llvm::StringRef kind, NodeId term, NodeId initial,
                          int32_t carry, SourcePlace place) {
  if (term == noNode || initial == noNode)
    return noNode;
  Node node;
  node.kind = NodeKind::Scan;
  node.name = kind;
  node.operands = {term, initial};
  node.index = carry;
  node.axes = nodes[term].axes;
  node.place = place;
  return add(std::move(node), {facts[term].countsValues, false});
}

NodeId GraphBuilder::previous(NodeId scanNode, SourcePlace place) {
  if (scanNode == noNode)
    return noNode;
  Node node;
  node.kind = NodeKind::Previous;
  node.operands = {scanNode};
  node.axes = nodes[scanNode].axes;
  node.place = place;
  return add(std::move(node), facts[scanNode]);
}

NodeId GraphBuilder::acrossLayers(llvm::StringRef kind, NodeId operand,
                                  SourcePlace place) {
  if (operand == noNode)
    return noNode;
  Node node;
  node.kind = NodeKind::AcrossLayers;
  node.name = kind;
  node.operands = {operand};
  node.axes = nodes[operand].axes;
  node.axes.layer = kind != "first";
  node.place = place;
  return add(std::move(node), facts[operand]);
}

NodeId GraphBuilder::atLayer(NodeId id, SourcePlace place) {
  if (id == noNode || !nodes[id].axes.layer)
    return id;
  if (auto found = slices.find(id); found != slices.end())
    return found->second;
  NodeId slice = noNode;
  if (nodes[id].kind == NodeKind::Operator) {
    // A slice of a pointwise value is the value of the slices: less to compute.
    std::string name = nodes[id].name;
    std::vector<NodeId> operands = nodes[id].operands;
    for (NodeId &operand : operands)
      operand = atLayer(operand, place);
    slice = apply(name, operands, nodes[id].place);
  } else {
    Node node;
    node.kind = NodeKind::AtLayer;
    node.operands = {id};
    node.axes = nodes[id].axes;
    node.axes.layer = false;
    node.place = place;
    slice = add(std::move(node), {facts[id].countsValues, false});
  }
  slices.emplace(id, slice);
  return slice;
}

NodeId GraphBuilder::draw(NodeKind kind, NodeId first, NodeId second, Axes axes,
                          SourcePlace place) {
  if (first == noNode || second == noNode)
    return noNode;
  Node node;
  node.kind = kind;
  node.operands = {first, second};
  node.axes = axes;
  node.place = place;
  return add(std::move(node), {}, true);
}

} // namespace decay::dsl
