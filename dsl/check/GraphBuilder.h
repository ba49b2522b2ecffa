//===- GraphBuilder.h - Nodes of a checked design, made once ---*- C++ -*-===//
//
// Makes the nodes of a design: equal nodes are one node, constants are folded,
// and numerical hazards are replaced by the stable form (Simplify.cpp). Slices
// a cross-layer value at the layer at hand where it meets what one layer owns.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_GRAPHBUILDER_H
#define DECAY_DSL_CHECK_GRAPHBUILDER_H

#include "dsl/check/CheckedDesign.h"
#include "dsl/syntax/Diagnostics.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace decay::dsl {

/// What the builder knows of a node beside the node.
struct NodeFacts {
  bool countsValues = false; ///< its channel axis counts V, not K
  bool isModelWide = true; ///< made of cross-layer parameters and numbers only
  unsigned height = 1;     ///< the longest way down to an input
};

/// A checked design's longest chain of operations.
inline constexpr unsigned maximumHeight = 1024;

class GraphBuilder {
public:
  explicit GraphBuilder(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  // Each returns noNode after a fault, which is reported, and passes noNode on.
  NodeId constant(double value, SourcePlace place);
  NodeId index(NodeKind kind, SourcePlace place);
  NodeId input(NodeKind kind, int32_t index, Axes axes, bool countsValues,
               SourcePlace place);
  /// A pointwise operator, or the simpler node that equals it.
  NodeId apply(llvm::StringRef name, llvm::ArrayRef<NodeId> operands,
               SourcePlace place);
  NodeId scan(llvm::StringRef kind, NodeId term, NodeId initial, int32_t carry,
              SourcePlace place);
  NodeId previous(NodeId scanNode, SourcePlace place);
  NodeId acrossLayers(llvm::StringRef kind, NodeId operand, SourcePlace place);
  /// Without the layer axis.
  NodeId atLayer(NodeId node, SourcePlace place);
  /// A draw for each element of a parameter with these axes; two draws are
  /// never one node.
  NodeId draw(NodeKind kind, NodeId first, NodeId second, Axes axes,
              SourcePlace place);

  const Node &node(NodeId id) const { return nodes[id]; }
  const NodeFacts &factsOf(NodeId id) const { return facts[id]; }
  const std::vector<Node> &allNodes() const { return nodes; }
  bool isConstant(NodeId id, double value) const;
  bool isOperator(NodeId id, llvm::StringRef name) const;
  bool isScan(NodeId id, llvm::StringRef kind) const;

  /// `b` was made as 1 - `a`.
  void noteComplement(NodeId a, NodeId b) {
    complements.emplace(std::min(a, b), std::max(a, b));
  }
  /// One is known to be 1 minus the other.
  bool areComplements(NodeId a, NodeId b) const;

private:
  NodeId add(Node node, NodeFacts nodeFacts, bool isUnique = false);
  std::optional<double> fold(llvm::StringRef name,
                             llvm::ArrayRef<NodeId> operands) const;
  bool alignChannels(llvm::ArrayRef<NodeId> operands, SourcePlace place);

  using Key =
      std::tuple<NodeKind, std::string, std::vector<NodeId>, double, int32_t>;
  Diagnostics &diagnostics;
  std::vector<Node> nodes;
  std::vector<NodeFacts> facts;
  std::map<Key, NodeId> known;
  std::map<NodeId, NodeId> slices;
  std::multimap<NodeId, NodeId> complements;
  bool isFull = false; ///< a limit was passed and reported
};

/// The node that equals the operator and is simpler or free of a numerical
/// hazard, or noNode: log(sigmoid x) is logsigmoid x, 1 - sigmoid x is
/// sigmoid(-x), prev(z) - z has its own formula, and so on.
NodeId simplify(GraphBuilder &builder, llvm::StringRef name,
                llvm::ArrayRef<NodeId> operands, SourcePlace place);

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_GRAPHBUILDER_H
