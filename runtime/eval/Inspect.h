//===- Inspect.h - What a trained decay does with a text -------*- C++ -*-===//
#ifndef DECAY_RUNTIME_EVAL_INSPECT_H
#define DECAY_RUNTIME_EVAL_INSPECT_H

#include "runtime/core/Json.h"
#include "runtime/core/SvgPlot.h"
#include "runtime/nn/models/LanguageModel.h"

#include <span>
#include <string>
#include <vector>

namespace decay::runtime {

/// λ of one layer over all tokens, heads and channels of a text.
struct LambdaSummary {
  double least = 0, low = 0, median = 0, high = 0,
         most = 0; ///< quartiles between the ends
  double mean = 0, deviation = 0;
};

/// One summary a layer. `tokens` are one sequence, at most what the model was
/// planned for (RunShape::lambda). A user error if the package cannot say its
/// λ.
Result<std::vector<LambdaSummary>>
inspectLambda(LanguageModel &model, std::span<const int32_t> tokens);

/// "layer  least  25 %  median  75 %  most  mean  deviation"
std::string lambdaTable(std::span<const LambdaSummary> layers);
Json lambdaJson(std::span<const LambdaSummary> layers);
/// Median over layers, quartiles as a band.
Plot lambdaPlotOf(std::span<const LambdaSummary> layers,
                  const std::string &name);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_EVAL_INSPECT_H
