//===- Comparison.cpp -----------------------------------------------------===//
#include "runtime/eval/comparison/Comparison.h"

#include <algorithm>
#include <fmt/format.h>

namespace decay::runtime {

namespace {

/// A run is clearly better than the baseline when it needs at most this share
/// of its bits.
constexpr double clearlyBelow = 0.98;

bool beats(const RunSummary &run, double baseline) {
  return run.bitsPerByte < clearlyBelow * baseline;
}

size_t mostLayers(std::span<const RunSummary> runs) {
  size_t layers = 0;
  for (const RunSummary &run : runs)
    layers = std::max(layers, run.lambda.size());
  return layers;
}

/// The mean over a window of a fiftieth of the run that ends at each step.
std::vector<double> smoothed(const std::vector<double> &values) {
  const size_t window = std::max<size_t>(1, values.size() / 50);
  std::vector<double> means(values.size());
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    if (i >= window)
      sum -= values[i - window];
    means[i] = sum / double(std::min(i + 1, window));
  }
  return means;
}

} // namespace

std::string comparisonTable(std::vector<RunSummary> runs, double baseline) {
  std::ranges::sort(runs, {}, [](const RunSummary &run) {
    return std::pair(run.bitsPerByte, run.design);
  });
  size_t width = std::string_view("byte trigram").size();
  for (const RunSummary &run : runs)
    width = std::max(width, run.design.size());
  const size_t layers = mostLayers(runs);

  std::string text =
      fmt::format("{:<{}}  {:>10}  {:>13}  {:>13}", "design", width,
                  "perplexity", "bits per byte", "below trigram");
  for (size_t layer = 0; layer < layers; ++layer)
    text += fmt::format("  {:>7}", fmt::format("λ {}", layer + 1));
  text += '\n';
  for (const RunSummary &run : runs) {
    const std::string below =
        beats(run, baseline)
            ? fmt::format("{:.1f} %", 100 * (1 - run.bitsPerByte / baseline))
            : "NO";
    text += fmt::format("{:<{}}  {:>10.2f}  {:>13.4f}  {:>13}", run.design,
                        width, run.perplexity, run.bitsPerByte, below);
    for (const Quartiles &quartiles : run.lambda)
      text += fmt::format("  {:>7.4f}", quartiles.median);
    text += '\n';
  }
  return text + fmt::format("{:<{}}  {:>10}  {:>13.4f}\n", "byte trigram",
                            width, "", baseline);
}

Json comparisonJson(std::span<const RunSummary> runs, double baseline) {
  Json designs = Json::array();
  bool every = true;
  for (const RunSummary &run : runs) {
    Json layers = Json::array();
    for (const Quartiles &quartiles : run.lambda)
      layers.push_back({{"low", quartiles.low},
                        {"median", quartiles.median},
                        {"high", quartiles.high}});
    designs.push_back({{"design", run.design},
                       {"perplexity", run.perplexity},
                       {"bits_per_byte", run.bitsPerByte},
                       {"beats_baseline", beats(run, baseline)},
                       {"parameters", run.parameters},
                       {"training_seconds", run.trainingSeconds},
                       {"tokens_per_second", run.tokensPerSecond},
                       {"lambda_quartiles", layers}});
    every = every && beats(run, baseline);
  }
  return {
      {"baseline",
       {{"name", "interpolated byte trigram"}, {"bits_per_byte", baseline}}},
      {"every_run_beats_baseline", every},
      {"runs", designs}};
}

Plot lossPlot(std::span<const RunSummary> runs) {
  Plot plot;
  plot.title = "Training loss";
  plot.xLabel = "step";
  plot.yLabel = "nats per token";
  for (const RunSummary &run : runs) {
    PlotSeries series;
    series.name = run.design;
    series.x = run.lossSteps;
    series.y = smoothed(run.losses);
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot lambdaPlot(std::span<const RunSummary> runs) {
  Plot plot;
  plot.title = "How much of the state a token keeps";
  plot.xLabel = "layer";
  plot.yLabel = "λ: median and quartiles";
  plot.markers = true;
  plot.wholeX = true;
  for (const RunSummary &run : runs) {
    PlotSeries series;
    series.name = run.design;
    for (size_t layer = 0; layer < run.lambda.size(); ++layer) {
      series.x.push_back(double(layer + 1));
      series.y.push_back(run.lambda[layer].median);
      series.low.push_back(run.lambda[layer].low);
      series.high.push_back(run.lambda[layer].high);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

} // namespace decay::runtime
