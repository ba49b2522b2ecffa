//===- Values.cpp - Designs whose values change on their way --------------===//
#include "compiler/target/cuda/Values.h"

namespace decay::cuda {

using dsl::Node;
using dsl::NodeId;
using dsl::NodeKind;

std::optional<Refusal> moveValueFactors(dsl::CheckedDesign &design) {
  while (design.nodes[design.v].kind != NodeKind::Projection) {
    const Node changed = design.nodes[design.v];
    bool isProduct = changed.name == "mul", isQuotient = changed.name == "div";
    auto isFactor = [&](size_t operand) {
      return (isProduct || (isQuotient && operand == 1)) &&
             !design.nodes[changed.operands[operand]].axes.channel;
    };
    if (changed.kind != NodeKind::Operator || (!isProduct && !isQuotient) ||
        (!isFactor(0) && !isFactor(1)))
      return Refusal{changed.place, "a change of v that is no factor per head",
                     "v as it is projected, or times numbers per head",
                     "change k instead, or leave out --target"};
    size_t factor = isFactor(1) ? 1 : 0;
    Node scaled = changed;
    scaled.operands = {design.k, changed.operands[factor]};
    // Behind all that it refers to.
    design.k = static_cast<NodeId>(design.nodes.size());
    design.nodes.push_back(std::move(scaled));
    design.v = changed.operands[1 - factor];
  }
  return std::nullopt;
}

} // namespace decay::cuda
