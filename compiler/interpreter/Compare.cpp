//===- Compare.cpp - A float32 result against the oracle ------------------===//
#include "compiler/interpreter/Compare.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

namespace decay {

Comparison compareWithOracle(const Field &oracle, std::span<const float> got) {
  assert(oracle.values.size() == got.size() &&
         oracle.bounds.size() == got.size() && "layouts differ");
  Comparison result;
  double differences = 0, squares = 0;
  for (size_t index = 0; index < got.size(); ++index) {
    double wanted = oracle.values[index], bound = oracle.bounds[index];
    if (!std::isfinite(bound)) {
      ++result.unbounded;
      continue;
    }
    double difference = std::fabs(got[index] - wanted);
    double excess = std::max(difference - tinyDifference, 0.0);
    if (std::isnan(difference))
      excess = INFINITY;
    differences += excess * excess;
    squares += wanted * wanted;
    double ratio = excess == 0 ? 0 : excess / (unitRoundoff * bound);
    if (ratio > result.worstRatio || result.worstIndex < 0) {
      result.worstRatio = ratio;
      result.worstIndex = static_cast<int64_t>(index);
      result.worstGot = got[index];
      result.worstWanted = wanted;
    }
  }
  result.rmsRatio = differences == 0 ? 0 : std::sqrt(differences / squares);
  return result;
}

std::string Comparison::str() const {
  return llvm::formatv("worst ratio {0:f3} at {1} ({2:e9}, oracle {3:e9}), rms "
                       "{4:e2}, unbounded {5}",
                       worstRatio, worstIndex, worstGot, worstWanted, rmsRatio,
                       unbounded);
}

} // namespace decay
