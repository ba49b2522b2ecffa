//===- Inspect.cpp ---------------------------------------------*- C++ -*-===//
#include "runtime/eval/Inspect.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {
namespace {

/// Linear between neighbours, as most statistics programs do; `sorted` is not
/// empty.
double quantile(const std::vector<float> &sorted, double share) {
  double at = share * double(sorted.size() - 1);
  size_t below = static_cast<size_t>(at);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] +
         (at - double(below)) * (double(sorted[above]) - sorted[below]);
}

LambdaSummary summarise(std::span<const float> values) {
  std::vector<float> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  LambdaSummary summary;
  summary.least = sorted.front();
  summary.low = quantile(sorted, 0.25);
  summary.median = quantile(sorted, 0.5);
  summary.high = quantile(sorted, 0.75);
  summary.most = sorted.back();
  for (float value : sorted)
    summary.mean += value;
  summary.mean /= double(sorted.size());
  double squares = 0;
  for (float value : sorted)
    squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / double(sorted.size()));
  return summary;
}

/// The columns of table and JSON.
struct Column {
  const char *name;
  double LambdaSummary::*member;
};
constexpr Column columns[] = {
    {"least", &LambdaSummary::least},        {"low", &LambdaSummary::low},
    {"median", &LambdaSummary::median},      {"high", &LambdaSummary::high},
    {"most", &LambdaSummary::most},          {"mean", &LambdaSummary::mean},
    {"deviation", &LambdaSummary::deviation}};

} // namespace

Result<std::vector<LambdaSummary>>
inspectLambda(LanguageModel &model, std::span<const int32_t> tokens) {
  if (tokens.empty())
    return Status::user("there is no text to look at");
  if (!model.canObserve())
    return Status::user(
        "this package has no output 'lambda'; compile the design again");
  std::vector<LambdaSummary> layers;
  ForwardCall call;
  call.tokens = tokens.data();
  call.T = static_cast<int64_t>(tokens.size());
  call.observe = [&](int64_t, std::span<const float> lambda) {
    layers.push_back(summarise(lambda));
  };
  DECAY_RETURN_IF_ERROR(model.forward(call));
  DECAY_RETURN_IF_ERROR(model.readFaults());
  return layers;
}

std::string lambdaTable(std::span<const LambdaSummary> layers) {
  std::string text = "layer";
  for (const Column &column : columns)
    text += fmt::format("  {:>9}", column.name);
  text += '\n';
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    text += fmt::format("{:>5}", layer + 1);
    for (const Column &column : columns)
      text += fmt::format("  {:>9.5f}", layers[layer].*column.member);
    text += '\n';
  }
  return text;
}

Json lambdaJson(std::span<const LambdaSummary> layers) {
  Json list = Json::array();
  for (const LambdaSummary &layer : layers) {
    Json object;
    for (const Column &column : columns)
      object[column.name] = layer.*column.member;
    list.push_back(std::move(object));
  }
  return list;
}

Plot lambdaPlotOf(std::span<const LambdaSummary> layers,
                  const std::string &name) {
  Plot plot;
  plot.title = "How much of the state a token keeps";
  plot.xLabel = "layer";
  plot.yLabel = "λ: median and quartiles";
  plot.yLeast = 0;
  plot.yMost = 1;
  plot.markers = true;
  plot.wholeX = true;
  PlotSeries series;
  series.name = name;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    series.x.push_back(double(layer + 1));
    series.y.push_back(layers[layer].median);
    series.low.push_back(layers[layer].low);
    series.high.push_back(layers[layer].high);
  }
  plot.series.push_back(std::move(series));
  return plot;
}

} // namespace decay::runtime
