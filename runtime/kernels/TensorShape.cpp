//===- TensorShape.cpp - The axes of an operand ---------------------------===//

#include "runtime/kernels/TensorShape.h"

namespace decay::runtime {

static constexpr std::string_view knownAxes = "BTHKVNLSW";

Result<TensorShape> TensorShape::parse(std::string_view text) {
  TensorShape shape;
  for (size_t i = 0; i < text.size(); ++i) {
    bool isSeparator = i % 2 == 1;
    bool wellFormed = isSeparator
                          ? text[i] == ' ' && i + 1 < text.size()
                          : knownAxes.find(text[i]) != std::string_view::npos &&
                                !shape.has(text[i]);
    if (!wellFormed)
      return Status::user("the shape '" + std::string(text) +
                          "' is not a list of different axes from B T H K V N "
                          "L S W, such as 'B T H K'");
    shape.axes += text[i];
  }
  return shape;
}

static int64_t extentOf(char axis, const DecayDims &dims, int64_t stateWidth) {
  switch (axis) {
  case 'B':
    return dims.B;
  case 'T':
    return dims.T;
  case 'H':
    return dims.H;
  case 'K':
    return dims.K;
  case 'V':
    return dims.V;
  case 'N':
    return sequenceCount(dims);
  case 'L':
    return dims.layers;
  case 'S':
    return dims.B * dims.T / 64 + sequenceCount(dims);
  case 'W':
    return stateWidth * dims.K;
  }
  assert(false && "parse lets no other axis in");
  return 0;
}

std::vector<int64_t> TensorShape::extents(const DecayDims &dims,
                                          int64_t stateWidth) const {
  std::vector<int64_t> result;
  for (size_t i = 0; i < axes.size(); i += 2)
    result.push_back(extentOf(axes[i], dims, stateWidth));
  return result;
}

static int64_t product(std::string_view axes, const DecayDims &dims,
                       int64_t stateWidth) {
  int64_t result = 1;
  for (size_t i = 0; i < axes.size(); i += 2)
    result *= extentOf(axes[i], dims, stateWidth);
  return result;
}

int64_t TensorShape::elements(const DecayDims &dims, int64_t stateWidth) const {
  return product(axes, dims, stateWidth);
}

int64_t TensorShape::rowElements(const DecayDims &dims,
                                 int64_t stateWidth) const {
  size_t token = axes.find('T');
  assert(token != std::string::npos);
  return product(
      std::string_view(axes).substr(std::min(token + 2, axes.size())), dims,
      stateWidth);
}

int64_t TensorShape::span(const DecayDims &dims, int64_t stateWidth,
                          int64_t rowStride) const {
  if (rowStride == 0 || !has('T'))
    return elements(dims, stateWidth);
  int64_t row = rowElements(dims, stateWidth);
  int64_t tokens = elements(dims, stateWidth) / row;
  return (tokens - 1) * rowStride + row;
}

} // namespace decay::runtime
