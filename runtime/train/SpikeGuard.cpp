//===- SpikeGuard.cpp -----------------------------------------*- C++ -*-===//
#include "runtime/train/SpikeGuard.h"

#include <algorithm>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void append(std::vector<double> &values, double value, int64_t most) {
  values.push_back(value);
  if (static_cast<int64_t>(values.size()) > most)
    values.erase(values.begin());
}
} // namespace

std::string SpikeGuard::judge(double loss, double gradientNorm) const {
  if (factor == 0 || 2 * static_cast<int64_t>(losses.size()) < window)
    return {};
  std::string spike = judgeOne("gradient norm", gradientNorm, norms);
  return spike.empty() ? judgeOne("loss", loss, losses) : spike;
}

std::string SpikeGuard::judgeOne(const char *what, double value,
                                 const std::vector<double> &before) const {
  double usual = median(before);
  if (!(value > factor * usual))
    return {};
  return fmt::format("{} {:.4g} is {:.1f} times the median of the last {} "
                     "updates",
                     what, value, value / usual, before.size());
}

void SpikeGuard::remember(double loss, double gradientNorm) {
  if (factor == 0)
    return;
  append(losses, loss, window);
  append(norms, gradientNorm, window);
}

Json SpikeGuard::state() const {
  return {{"losses", losses}, {"gradient_norms", norms}};
}

Status SpikeGuard::restore(const Json &state, const std::string &file) {
  for (auto [key, values] :
       {std::pair{"losses", &losses}, std::pair{"gradient_norms", &norms}}) {
    values->clear();
    auto list = state.find(key);
    if (list == state.end() || !list->is_array())
      return Status::user(
          fmt::format("{}: expected a list of numbers, '{}'", file, key));
    for (const Json &value : *list) {
      if (!value.is_number())
        return Status::user(
            fmt::format("{}: expected numbers in '{}'", file, key));
      values->push_back(value.get<double>());
    }
  }
  return {};
}

} // namespace decay::runtime
