//===- Shrinker.cpp - The least design that still fails -------------------===//
#include "test/numeric/random/Shrinker.h"

namespace decay::test {
namespace {

size_t sizeOf(const Formula &formula) {
  size_t size = 1;
  for (const Formula &operand : formula.operands)
    size += sizeOf(operand);
  return size;
}

/// The formula at a place in the order of a walk from the root.
Formula *at(Formula &formula, size_t place) {
  if (place == 0)
    return &formula;
  --place;
  for (Formula &operand : formula.operands) {
    size_t size = sizeOf(operand);
    if (place < size)
      return at(operand, place);
    place -= size;
  }
  return nullptr;
}

class Shrinker {
public:
  Shrinker(RandomDesign design, const Judge &judge, int64_t judgements)
      : design(std::move(design)), judge(judge), left(judgements) {}

  RandomDesign run() {
    while (left > 0 && (dropLines() || dropSettings() || cutFormulas()))
      ;
    return std::move(design);
  }

private:
  /// Keeps the candidate if it still fails.
  bool take(const RandomDesign &candidate) {
    if (left <= 0 || !check(candidate))
      return false;
    --left;
    if (!judge(candidate))
      return false;
    design = candidate;
    return true;
  }

  bool dropLines() {
    for (size_t index = design.lines.size(); index-- > 0;) {
      RandomDesign candidate = design;
      candidate.lines.erase(candidate.lines.begin() + index);
      if (take(candidate))
        return true;
    }
    return false;
  }

  bool dropSettings() {
    for (size_t index = design.settings.size(); index-- > 0;) {
      RandomDesign candidate = design;
      candidate.settings.erase(candidate.settings.begin() + index);
      if (take(candidate))
        return true;
    }
    return false;
  }

  bool cutFormulas() {
    for (size_t line = 0; line < design.lines.size(); ++line)
      if (design.lines[line].formula)
        for (size_t place = 0; place < sizeOf(*design.lines[line].formula);
             ++place)
          if (cut(line, place))
            return true;
    return false;
  }

  bool cut(size_t line, size_t place) {
    Formula whole = *at(*design.lines[line].formula, place);
    for (const Formula &operand : whole.operands)
      if (replace(line, place, operand))
        return true;
    bool isNumber = whole.operands.empty() && !isalpha(whole.head[0]);
    return !isNumber &&
           (replace(line, place, {"0.5", {}}) ||
            (whole.head != "f" && replace(line, place, {"f", {}})));
  }

  bool replace(size_t line, size_t place, const Formula &simpler) {
    RandomDesign candidate = design;
    *at(*candidate.lines[line].formula, place) = simpler;
    return take(candidate);
  }

  RandomDesign design;
  const Judge &judge;
  int64_t left;
};

} // namespace

RandomDesign shrink(RandomDesign design, const Judge &judge,
                    int64_t judgements) {
  return Shrinker(std::move(design), judge, judgements).run();
}

} // namespace decay::test
