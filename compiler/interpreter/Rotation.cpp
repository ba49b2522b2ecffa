//===- Rotation.cpp - Positional encodings --------------------------------===//
#include "compiler/interpreter/Evaluate.h"

namespace decay::interpreter {
namespace {

/// The cosine and sine of each channel's angle at one position.
struct Angles {
  std::vector<double> cosine, sine;

  Angles(int64_t position, int64_t count, double exponentStep) {
    for (int64_t c = 0; c < count; ++c) {
      double frequency = std::pow(10000.0, -exponentStep * c);
      cosine.push_back(std::cos(position * frequency));
      sine.push_back(std::sin(position * frequency));
    }
  }
};

struct Row {
  Field &field;
  int64_t first;

  Bounded get(int64_t offset) const {
    return {field.values[first + offset], field.boundAt(first + offset)};
  }
  /// Writes a x + b y, where a and b are correct to an ulp or so of 1.
  void set(int64_t offset, double a, Bounded x, double b, Bounded y) const {
    double value = a * x.value + b * y.value;
    field.values[first + offset] = value;
    if (!field.bounds.empty())
      field.bounds[first + offset] = roundedBound(
          value, std::fabs(a) * x.bound + std::fabs(b) * y.bound +
                     2 * (std::fabs(x.value) + std::fabs(y.value)));
  }
};

void rope(const Row &from, const Row &to, const Angles &angles, bool adjoint) {
  int64_t half = static_cast<int64_t>(angles.cosine.size());
  for (int64_t c = 0; c < half; ++c) {
    Bounded x = from.get(c), y = from.get(c + half);
    double sine = adjoint ? -angles.sine[c] : angles.sine[c];
    to.set(c, angles.cosine[c], x, -sine, y);
    to.set(c + half, sine, x, angles.cosine[c], y);
  }
}

void lrpe(const Row &from, const Row &to, const Angles &angles, bool adjoint) {
  int64_t width = static_cast<int64_t>(angles.cosine.size());
  for (int64_t c = 0; c < width; ++c) {
    if (adjoint) {
      to.set(c, angles.cosine[c], from.get(c), angles.sine[c],
             from.get(c + width));
      continue;
    }
    to.set(c, angles.cosine[c], from.get(c), 0, {});
    to.set(c + width, angles.sine[c], from.get(c), 0, {});
  }
}

} // namespace

Results evaluate(ir::RotateOp op, Operands operands, Call &call) {
  Field operand = *operands[0];
  Field result = call.make(op.getType());
  const Sizes &sizes = call.sizes;
  bool isRope = op.getKind() == "rope";
  int64_t count = isRope ? sizes.K / 2 : sizes.K;
  double step = (isRope ? 2.0 : 1.0) / sizes.K;
  int64_t rows = sizes.B * sizes.T * sizes.H;
  int64_t fromWidth = static_cast<int64_t>(operand.values.size()) / rows;
  int64_t toWidth = static_cast<int64_t>(result.values.size()) / rows;
  for (const Sequence &sequence : sequencesOf(sizes))
    for (int64_t t = 0; t < sequence.length; ++t) {
      Angles angles(sizes.position + t, count, step);
      for (int64_t h = 0; h < sizes.H; ++h) {
        int64_t row = (sequence.first + t) * sizes.H + h;
        Row from{operand, row * fromWidth}, to{result, row * toWidth};
        isRope ? rope(from, to, angles, op.getAdjoint())
               : lrpe(from, to, angles, op.getAdjoint());
      }
    }
  return {std::move(result)};
}

} // namespace decay::interpreter
