//===- Diagnostic.cpp - Errors that point into a text ---------------------===//

#include "runtime/core/Diagnostic.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <vector>

namespace decay::runtime {
namespace {
constexpr size_t longestShownLine = 160;

size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string_view lineOf(std::string_view text, size_t line) {
  size_t start = 0;
  for (size_t at = 1; at < line; ++at) {
    size_t end = text.find('\n', start);
    if (end == std::string_view::npos)
      return {};
    start = end + 1;
  }
  return text.substr(start, text.find('\n', start) - start);
}
} // namespace

TextPlace placeOf(std::string_view text, size_t offset) {
  std::string_view before = text.substr(0, std::min(offset, text.size()));
  size_t lineStart = before.rfind('\n');
  return {
      static_cast<size_t>(std::ranges::count(before, '\n')) + 1,
      before.size() -
          (lineStart == std::string_view::npos ? size_t{0} : lineStart + 1) +
          1};
}

std::string locate(std::string_view name, std::string_view text,
                   TextPlace place, std::string_view message) {
  std::string head = fmt::format("{}:{}:{}: error: {}", name, place.line,
                                 place.column, message);
  std::string_view line = lineOf(text, place.line);
  if (line.empty() || place.column > longestShownLine)
    return head;
  std::string shown(line.substr(0, longestShownLine));
  // Terminals must not be steered by what a file holds.
  std::ranges::replace_if(
      shown, [](unsigned char c) { return c < 32 || c == 127; }, ' ');
  size_t width = std::max<size_t>(3, std::to_string(place.line).size());
  return fmt::format("{}\n{:>{}} | {}\n{:>{}} | {:>{}}", head, place.line,
                     width, shown, "", width, "^", place.column);
}

std::string_view nearest(std::string_view written,
                         std::span<const std::string> candidates) {
  std::string_view best;
  size_t bestDistance = std::max<size_t>(1, written.size() / 3) + 1;
  if (written.size() > 255)
    return best;
  for (const std::string &candidate : candidates) {
    size_t distance = editDistance(written, candidate);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

} // namespace decay::runtime
