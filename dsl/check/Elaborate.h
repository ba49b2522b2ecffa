//===- Elaborate.h - From lines to a graph ---------------------*- C++ -*-===//
//
// Resolves the names of the active lines and builds the nodes of λ, q, k, v, of
// the carried values and of the initial values.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_ELABORATE_H
#define DECAY_DSL_CHECK_ELABORATE_H

#include "dsl/check/Expand.h"
#include "dsl/check/GraphBuilder.h"

namespace decay::dsl {

/// Fills all of `checked` but its nodes, which stay in `builder` (prune moves
/// them). False after an error.
bool elaborate(const FlatDesign &design, const Choice &choice,
               const std::vector<const Statement *> &lines,
               GraphBuilder &builder, CheckedDesign &checked,
               Diagnostics &diagnostics);

/// Moves the nodes that `checked` needs out of the builder, in topological
/// order, and leaves out projections, parameters and carried values that none
/// of them uses. Returns the builder's node for each node kept.
std::vector<NodeId> prune(const GraphBuilder &builder, CheckedDesign &checked);

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_ELABORATE_H
