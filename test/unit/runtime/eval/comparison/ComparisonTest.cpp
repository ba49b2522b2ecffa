//===- ComparisonTest.cpp -------------------------------------------------===//
#include "runtime/eval/comparison/Comparison.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {

RunSummary run(std::string design, double bitsPerByte) {
  RunSummary summary;
  summary.design = std::move(design);
  summary.perplexity = 12.5;
  summary.bitsPerByte = bitsPerByte;
  summary.lambda = {{0.1, 0.5, 0.9}, {0.2, 0.75, 0.95}};
  return summary;
}

TEST(Comparison, theTableIsSortedAndSaysWhoBeatsTheBaseline) {
  const std::string table =
      comparisonTable({run("worse", 3.0), run("better", 2.0)}, 2.5);
  EXPECT_EQ(table,
            "design        perplexity  bits per byte  below trigram      λ 1"
            "      λ 2\n"
            "better             12.50         2.0000         20.0 %   0.5000"
            "   0.7500\n"
            "worse              12.50         3.0000             NO   0.5000"
            "   0.7500\n"
            "byte trigram                     2.5000\n");
}

TEST(Comparison, nearlyTheBaselineIsNotClearlyBelowIt) {
  EXPECT_TRUE(comparisonJson(std::vector{run("a", 2.4)},
                             2.5)["every_run_beats_baseline"]);
  EXPECT_FALSE(comparisonJson(std::vector{run("a", 2.4), run("b", 2.46)},
                              2.5)["every_run_beats_baseline"]);
}

TEST(Comparison, theLossIsSmoothedOverAFiftiethOfTheRun) {
  RunSummary summary = run("a", 2);
  for (int step = 0; step < 100; ++step) {
    summary.lossSteps.push_back(step);
    summary.losses.push_back(step % 2 ? 1.0 : 3.0);
  }
  const Plot plot = lossPlot({&summary, 1});
  ASSERT_EQ(plot.series.size(), 1u);
  EXPECT_EQ(plot.series[0].y[0], 3);
  EXPECT_EQ(plot.series[0].y[1], 2);
  EXPECT_EQ(plot.series[0].y[99], 2);
}

TEST(Comparison, lambdaIsPlottedByLayerFromOne) {
  const RunSummary summary = run("a", 2);
  const Plot plot = lambdaPlot({&summary, 1});
  EXPECT_EQ(plot.series[0].x, (std::vector<double>{1, 2}));
  EXPECT_EQ(plot.series[0].low, (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(plot.series[0].high, (std::vector<double>{0.9, 0.95}));
}

} // namespace
