//===- SvgPlot.h - Line plots as SVG text ----------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_CORE_SVGPLOT_H
#define DECAY_RUNTIME_CORE_SVGPLOT_H

#include <optional>
#include <string>
#include <vector>

namespace decay::runtime {

/// One line, with a band around it when `low` and `high` are given (quartiles).
/// Points that are not finite are left out.
struct PlotSeries {
  std::string name = {};
  std::vector<double> x = {}, y = {};      ///< same length
  std::vector<double> low = {}, high = {}; ///< empty, or as long as x
};

struct Plot {
  std::string title = {}, xLabel = {}, yLabel = {};
  std::vector<PlotSeries> series = {};
  std::optional<double> yLeast = {}, yMost = {}; ///< else taken from the data
  bool markers = false;                          ///< a dot at each point
  bool wholeX = false; ///< ticks only at integers (layers)
};

/// A self-contained SVG of 720 by 440 with axes, grid and legend. The same
/// text for the same plot.
std::string renderSvg(const Plot &plot);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_SVGPLOT_H
