//===- Sampler.cpp ---------------------------------------------*- C++ -*-===//
#include "runtime/eval/Sampler.h"

#include "runtime/core/Philox.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <vector>

namespace decay::runtime {

Status SamplingOptions::check() const {
  if (!(temperature >= 0 && temperature <= 100))
    return Status::user(fmt::format(
        "temperature is {}; it must lie between 0 and 100", temperature));
  if (topK < 0)
    return Status::user(
        fmt::format("top-k is {}; it must be 0 (all) or more", topK));
  if (!(topP > 0 && topP <= 1))
    return Status::user(
        fmt::format("top-p is {}; it must lie in (0, 1]", topP));
  return {};
}

int32_t sampleToken(std::span<const float> logits, int64_t allowed,
                    const SamplingOptions &options, int64_t position) {
  size_t count = std::min(logits.size(), static_cast<size_t>(allowed));
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  // Ties fall to the smaller token, so that the order is the same everywhere.
  auto better = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  if (options.temperature == 0)
    return *std::min_element(order.begin(), order.end(), better);
  std::sort(order.begin(), order.end(), better);
  if (options.topK > 0)
    order.resize(std::min(order.size(), static_cast<size_t>(options.topK)));

  std::vector<double> weight;
  double sum = 0;
  for (int32_t token : order) {
    weight.push_back(std::exp((double(logits[token]) - logits[order[0]]) /
                              options.temperature));
    sum += weight.back();
  }
  double kept = 0;
  size_t last = 0;
  while (last < order.size() && kept < options.topP * sum)
    kept += weight[last++];
  Philox random(options.seed, /*stream=*/0x73616d706c65);
  double target = random.uniform(static_cast<uint64_t>(position)) * kept;
  for (size_t i = 0; i < last; ++i)
    if ((target -= weight[i]) < 0)
      return order[i];
  return order[last - 1];
}

} // namespace decay::runtime
