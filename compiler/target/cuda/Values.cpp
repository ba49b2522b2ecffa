//===- Values.cpp - Designs whose values change on their way --------------===//
#include "compiler/target/cuda/Values.h"

namespace decay::cuda {

using dsl::Node;
using dsl::NodeId;
using dsl::NodeKind;

void moveValueFactors(dsl::CheckedDesign &design) {
  while (design.nodes[design.v].kind == NodeKind::Operator) {
    const Node changed = design.nodes[design.v];
    bool isProduct = changed.name == "mul", isQuotient = changed.name == "div";
    auto isFactor = [&](size_t operand) {
      return (isProduct || (isQuotient && operand == 1)) &&
             !design.nodes[changed.operands[operand]].axes.channel;
    };
    if ((!isProduct && !isQuotient) || (!isFactor(0) && !isFactor(1)))
      return;
    size_t factor = isFactor(1) ? 1 : 0;
    Node scaled = changed;
    scaled.operands = {design.k, changed.operands[factor]};
    // Behind all that it refers to.
    design.k = static_cast<NodeId>(design.nodes.size());
    design.nodes.push_back(std::move(scaled));
    design.v = changed.operands[1 - factor];
  }
}

} // namespace decay::cuda
