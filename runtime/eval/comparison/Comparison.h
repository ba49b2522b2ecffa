//===- Comparison.h - Designs side by side ---------------------*- C++ -*-===//
//
// What several training runs came to, as a table for people, as JSON and as
// plots. Bits per byte are on texts that no run has trained on.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_EVAL_COMPARISON_COMPARISON_H
#define DECAY_RUNTIME_EVAL_COMPARISON_COMPARISON_H

#include "runtime/core/Json.h"
#include "runtime/core/SvgPlot.h"

#include <span>
#include <string>
#include <vector>

namespace decay::runtime {

struct Quartiles {
  double low = 0, median = 0, high = 0;
};

struct RunSummary {
  std::string design;
  double perplexity = 0, bitsPerByte = 0;
  double trainingSeconds = 0, tokensPerSecond = 0;
  int64_t parameters = 0;
  std::vector<double> lossSteps, losses; ///< training loss, nats per token
  std::vector<Quartiles> lambda;         ///< one a layer
};

/// Sorted by bits per byte, best first, the baseline as the last line; a column
/// says how much better than the baseline each run is, or "NO". λ in the
/// columns is the median over tokens, heads and channels of a layer.
std::string comparisonTable(std::vector<RunSummary> runs,
                            double baselineBitsPerByte);

/// The same numbers, and "every_run_beats_baseline".
Json comparisonJson(std::span<const RunSummary> runs,
                    double baselineBitsPerByte);

/// Training loss over steps, smoothed over about a fiftieth of the run.
Plot lossPlot(std::span<const RunSummary> runs);

/// Median of λ over layers, with its quartiles as a band.
Plot lambdaPlot(std::span<const RunSummary> runs);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_COMPARISON_COMPARISON_H
