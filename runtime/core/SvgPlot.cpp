//===- SvgPlot.cpp - Line plots as SVG text -------------------------------===//

#include "runtime/core/SvgPlot.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace decay::runtime {
namespace {
constexpr double width = 720, height = 440;
constexpr double left = 64, right = 168, top = 44, bottom = 52;
// Okabe and Ito's palette, which colour-blind readers can tell apart.
constexpr std::array colours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                "#e69f00", "#56b4e9", "#6b4c9a", "#7f7f7f"};
// For the second and third line of a colour.
constexpr std::array strokes = {
    " stroke-width=\"1.8\"", " stroke-width=\"1.8\" stroke-dasharray=\"6 3\"",
    " stroke-width=\"1.8\" stroke-dasharray=\"2 2\""};

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void add(const std::vector<double> &values) {
    for (double value : values)
      if (std::isfinite(value)) {
        least = std::min(least, value);
        most = std::max(most, value);
      }
  }
  /// Never empty, so that a position can always be computed.
  void widen() {
    if (least > most)
      least = 0, most = 1;
    if (most - least < 1e-12 * std::max(1.0, std::fabs(most)))
      least -= 0.5, most += 0.5;
  }
};

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (static_cast<unsigned char>(c) >= 32)
      out += c;
  }
  return out;
}

/// 1, 2 or 5 times a power of ten, about six steps over the range.
double tickStep(Range range, bool whole) {
  double raw = (range.most - range.least) / 6;
  double power = std::pow(10, std::floor(std::log10(raw)));
  double step = power * 10;
  for (double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) {
      step = factor * power;
      break;
    }
  return whole ? std::max(1.0, std::round(step)) : step;
}

class Canvas {
public:
  Canvas(const Plot &plot) : plot(plot) {
    for (const PlotSeries &series : plot.series) {
      xRange.add(series.x);
      yRange.add(series.y);
      yRange.add(series.low);
      yRange.add(series.high);
    }
    yRange.widen();
    double margin = 0.04 * (yRange.most - yRange.least);
    yRange.least = plot.yLeast.value_or(yRange.least - margin);
    yRange.most = plot.yMost.value_or(yRange.most + margin);
    xRange.widen();
    yRange.widen();
  }

  std::string render() {
    out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" "
                      "height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
                      "font-family=\"sans-serif\" font-size=\"12\">\n"
                      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
                      width, height);
    text((left + width - right) / 2, 24, "middle", plot.title,
         " font-size=\"15\"");
    axes();
    for (size_t i = 0; i < plot.series.size(); ++i)
      line(plot.series[i], colours[i % colours.size()], i);
    return out + "</svg>\n";
  }

private:
  double px(double x) const {
    return left + (x - xRange.least) / (xRange.most - xRange.least) *
                      (width - left - right);
  }
  double py(double y) const {
    double share = (y - yRange.least) / (yRange.most - yRange.least);
    return height - bottom -
           std::clamp(share, -0.01, 1.01) * (height - top - bottom);
  }

  void text(double x, double y, const char *anchor, const std::string &words,
            const std::string &extra = "") {
    out += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x,
        y, anchor, extra, escaped(words));
  }

  void rule(double x1, double y1, double x2, double y2, const char *colour,
            const char *extra = "") {
    out += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" "
                       "y2=\"{:.1f}\" stroke=\"{}\"{}/>\n",
                       x1, y1, x2, y2, colour, extra);
  }

  void axes() {
    double floorY = height - bottom, rightX = width - right;
    double xStep = tickStep(xRange, plot.wholeX);
    for (double i = std::ceil(xRange.least / xStep);
         i * xStep <= xRange.most * (1 + 1e-9); ++i) {
      rule(px(i * xStep), top, px(i * xStep), floorY, "#e6e6e6");
      text(px(i * xStep), floorY + 16, "middle",
           fmt::format("{:.6g}", i * xStep));
    }
    double yStep = tickStep(yRange, false);
    for (double i = std::ceil(yRange.least / yStep);
         i * yStep <= yRange.most + 1e-9 * yStep; ++i) {
      rule(left, py(i * yStep), rightX, py(i * yStep), "#e6e6e6");
      text(left - 8, py(i * yStep) + 4, "end",
           fmt::format("{:.6g}", i * yStep));
    }
    rule(left, floorY, rightX, floorY, "#444444");
    rule(left, top, left, floorY, "#444444");
    text((left + rightX) / 2, height - 14, "middle", plot.xLabel);
    text(0, 0, "middle", plot.yLabel,
         fmt::format(" transform=\"translate(16 {:.1f}) rotate(-90)\"",
                     (top + floorY) / 2));
  }

  void line(const PlotSeries &series, const char *colour, size_t index) {
    assert(series.x.size() == series.y.size());
    assert(series.low.size() == series.high.size());
    if (!series.low.empty())
      band(series, colour);
    std::string points, dots;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i]))
        continue;
      double x = px(series.x[i]), y = py(series.y[i]);
      points += fmt::format("{:.1f},{:.1f} ", x, y);
      if (plot.markers)
        dots += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, y,
            colour);
    }
    const char *stroke = strokes[index / colours.size() % strokes.size()];
    out +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{}/>\n",
                    points, colour, stroke);
    out += dots;
    double room = height - top - bottom - 8;
    double spacing =
        std::min(20.0, room / static_cast<double>(plot.series.size()));
    double y = top + 8 + spacing * static_cast<double>(index);
    rule(width - right + 14, y, width - right + 34, y, colour, stroke);
    text(width - right + 40, y + 4, "start", series.name);
  }

  void band(const PlotSeries &series, const char *colour) {
    assert(series.low.size() == series.x.size());
    std::string points, back;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.x[i]) || !std::isfinite(series.low[i]) ||
          !std::isfinite(series.high[i]))
        continue;
      points +=
          fmt::format("{:.1f},{:.1f} ", px(series.x[i]), py(series.low[i]));
      back =
          fmt::format("{:.1f},{:.1f} ", px(series.x[i]), py(series.high[i])) +
          back;
    }
    out += fmt::format(
        "<polygon points=\"{}{}\" fill=\"{}\" fill-opacity=\"0.15\"/>\n",
        points, back, colour);
  }

  const Plot &plot;
  Range xRange, yRange;
  std::string out;
};
} // namespace

std::string renderSvg(const Plot &plot) { return Canvas(plot).render(); }

} // namespace decay::runtime
