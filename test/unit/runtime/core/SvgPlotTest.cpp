//===- SvgPlotTest.cpp ----------------------------------------------------===//

#include "runtime/core/SvgPlot.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
size_t occurrences(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1))
    ++count;
  return count;
}
} // namespace

TEST(SvgPlot, DrawsEachSeriesWithItsBand) {
  Plot plot{.title = "λ by layer <a & b>",
            .xLabel = "layer",
            .yLabel = "λ",
            .series = {{.name = "one",
                        .x = {0, 1, 2},
                        .y = {0.5, 0.6, 0.7},
                        .low = {0.4, 0.5, 0.6},
                        .high = {0.6, 0.7, 0.8}},
                       {.name = "two", .x = {0, 1, 2}, .y = {0.9, NAN, 0.8}}},
            .yLeast = 0,
            .yMost = 1,
            .markers = true,
            .wholeX = true};
  std::string svg = renderSvg(plot);
  EXPECT_TRUE(svg.starts_with("<svg xmlns"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(occurrences(svg, "<polyline"), 2u);
  EXPECT_EQ(occurrences(svg, "<polygon"), 1u);
  EXPECT_EQ(occurrences(svg, "<circle"), 5u);
  EXPECT_NE(svg.find("λ by layer &lt;a &amp; b&gt;"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  // The middle of the first series: x = 1 of [0, 2], y = 0.6 of [0, 1].
  EXPECT_NE(svg.find("308.0,181.6"), std::string::npos) << svg;
  EXPECT_EQ(svg, renderSvg(plot));
}

TEST(SvgPlot, EmptyAndConstantDataStillDraw) {
  EXPECT_EQ(renderSvg(Plot{}).find("nan"), std::string::npos);
  Plot plot{.series = {{.name = "c", .x = {1}, .y = {5}}}};
  EXPECT_EQ(renderSvg(plot).find("nan"), std::string::npos);
  EXPECT_EQ(renderSvg(plot).find("inf"), std::string::npos);
}
