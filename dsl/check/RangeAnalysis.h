//===- RangeAnalysis.h - What values a design can take ---------*- C++ -*-===//
//
// Interval arithmetic over the graph, with the relations that published designs
// rest on: layer ≤ layers - 1, running sums, convex combinations. Reports where
// a function leaves its domain, and proves 0 ≤ λ ≤ 1 or says why it cannot.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_RANGEANALYSIS_H
#define DECAY_DSL_CHECK_RANGEANALYSIS_H

#include "dsl/check/GraphBuilder.h"
#include "dsl/operators/Interval.h"

#include <map>

namespace decay::dsl {

/// The range of each of the builder's nodes in `kept`, which is in topological
/// order; indexed like `kept`. Domain faults are reported.
std::vector<Interval> analyzeRanges(const GraphBuilder &builder,
                                    llvm::ArrayRef<NodeId> kept,
                                    Diagnostics &diagnostics);

/// Sets `checkLambdaAtRunTime`, with a warning, where λ in [0, 1] is not
/// proved; an error where λ can never be in it. `ranges` are those of
/// `checked.nodes`.
void checkDecayRange(llvm::ArrayRef<Interval> ranges,
                     const std::map<std::string, std::string> &spelled,
                     CheckedDesign &checked, SourcePlace place,
                     Diagnostics &diagnostics);

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_RANGEANALYSIS_H
