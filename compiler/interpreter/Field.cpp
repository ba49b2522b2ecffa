//===- Field.cpp - Numbers over named axes, in float64 --------------------===//
#include "compiler/interpreter/Field.h"

namespace decay {

int64_t Sizes::sequences() const {
  return cuSeqlens.empty() ? B : static_cast<int64_t>(cuSeqlens.size()) - 1;
}

int64_t Sizes::of(ir::Axis axis) const {
  switch (axis) {
  case ir::Axis::Sequence:
    return sequences();
  case ir::Axis::Layer:
    return layers;
  case ir::Axis::Token:
    return B * T;
  case ir::Axis::Head:
    return H;
  case ir::Axis::Pair:
    return 2;
  case ir::Axis::Channel:
    return K;
  case ir::Axis::Value:
    return V;
  }
  llvm_unreachable("an axis without a size");
}

std::vector<Sequence> sequencesOf(const Sizes &sizes) {
  std::vector<Sequence> result;
  for (int64_t n = 0; n < sizes.sequences(); ++n) {
    if (sizes.cuSeqlens.empty())
      result.push_back({n * sizes.T, sizes.T});
    else
      result.push_back(
          {sizes.cuSeqlens[n], sizes.cuSeqlens[n + 1] - sizes.cuSeqlens[n]});
  }
  return result;
}

Layout::Layout(unsigned axes, const Sizes &sizes) {
  size.fill(1);
  for (unsigned axis = ir::axisCount; axis-- > 0;) {
    if (!(axes >> axis & 1))
      continue;
    size[axis] = sizes.of(static_cast<ir::Axis>(axis));
    stride[axis] = count;
    count *= size[axis];
  }
}

Field makeField(unsigned axes, const Sizes &sizes, bool bounds) {
  size_t count = Layout(axes, sizes).count;
  return {axes, std::vector<double>(count),
          std::vector<double>(bounds ? count : 0)};
}

} // namespace decay
