//===- Scans.cpp - Values carried along the tokens ------------------------===//
#include "compiler/interpreter/Evaluate.h"

namespace decay::interpreter {
namespace {

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

enum class Kind { Cumsum, Logcumsumexp, Latest };

Kind kindOf(llvm::StringRef name) {
  return name == "cumsum"         ? Kind::Cumsum
         : name == "logcumsumexp" ? Kind::Logcumsumexp
                                  : Kind::Latest;
}

/// z after a token, from z before it and the token's term.
Bounded advance(Kind kind, Bounded z, Bounded x) {
  if (kind == Kind::Latest)
    return x;
  if (kind == Kind::Cumsum) {
    double sum = z.value + x.value;
    return {sum, roundedBound(sum, z.bound + x.bound)};
  }
  double larger = std::max(z.value, x.value);
  double next = larger + std::log1p(std::exp(-std::fabs(z.value - x.value)));
  double bound = sigmoid(z.value - x.value) * z.bound +
                 sigmoid(x.value - z.value) * x.bound + std::fabs(larger);
  return {next, roundedBound(next, bound)};
}

/// What a token's gradient is multiplied by on its way to the term (`toTerm`)
/// and to the token before (`back`).
struct Weights {
  Bounded toTerm, back;

  Weights(Kind kind, Bounded before, Bounded x) {
    if (kind != Kind::Logcumsumexp) {
      toTerm.value = 1;
      back.value = kind == Kind::Cumsum ? 1 : 0;
      return;
    }
    double difference = x.value - before.value;
    toTerm.value = sigmoid(difference);
    back.value = sigmoid(-difference);
    double doubt = toTerm.value * back.value *
                   (x.bound + before.bound + std::fabs(difference));
    toTerm.bound = roundedBound(2 * toTerm.value, doubt);
    back.bound = roundedBound(2 * back.value, doubt);
  }
};

Bounded product(Bounded a, Bounded b) {
  double value = a.value * b.value;
  return {value, roundedBound(value, std::fabs(a.value) * b.bound +
                                         std::fabs(b.value) * a.bound)};
}

Bounded sum(Bounded a, Bounded b) {
  double value = a.value + b.value;
  return {value, roundedBound(value, a.bound + b.bound)};
}

Bounded get(const Field &field, int64_t index) {
  return {field.values[index], field.boundAt(index)};
}

void set(Field &field, int64_t index, Bounded number) {
  field.values[index] = number.value;
  if (!field.bounds.empty())
    field.bounds[index] = number.bound;
}

} // namespace

Results evaluate(ir::ScanOp op, Operands operands, Call &call) {
  const Field &term = *operands[0], &initial = *operands[1];
  Field inclusive = call.make(op.getInclusive().getType());
  Field exclusive = call.make(op.getExclusive().getType());
  Field last = call.make(op.getFinal().getType());
  Kind kind = kindOf(op.getKind());
  auto sequences = sequencesOf(call.sizes);
  int64_t width =
      static_cast<int64_t>(term.values.size()) / (call.sizes.B * call.sizes.T);
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t lane = 0; lane < width; ++lane) {
      Bounded z = get(initial, n * width + lane);
      for (int64_t t = 0; t < sequence.length; ++t) {
        int64_t index = (sequence.first + t) * width + lane;
        set(exclusive, index, z);
        z = advance(kind, z, get(term, index));
        set(inclusive, index, z);
      }
      set(last, n * width + lane, z);
    }
  return {std::move(inclusive), std::move(exclusive), std::move(last)};
}

Results evaluate(ir::ScanGradientOp op, Operands operands, Call &call) {
  const Field &term = *operands[0], &exclusive = *operands[1];
  const Field &dInclusive = *operands[2], &dExclusive = *operands[3];
  const Field &dFinal = *operands[4];
  Field dTerm = call.make(op.getDTerm().getType());
  Field dInitial = call.make(op.getDInitial().getType());
  Kind kind = kindOf(op.getKind());
  auto sequences = sequencesOf(call.sizes);
  int64_t width =
      static_cast<int64_t>(term.values.size()) / (call.sizes.B * call.sizes.T);
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t lane = 0; lane < width; ++lane) {
      // What reaches z after the token at hand from later tokens.
      Bounded later = get(dFinal, n * width + lane);
      for (int64_t t = sequence.length; t-- > 0;) {
        int64_t index = (sequence.first + t) * width + lane;
        Weights weights(kind, get(exclusive, index), get(term, index));
        Bounded here = sum(get(dInclusive, index), later);
        set(dTerm, index, product(here, weights.toTerm));
        later = sum(get(dExclusive, index), product(here, weights.back));
      }
      set(dInitial, n * width + lane, later);
    }
  return {std::move(dTerm), std::move(dInitial)};
}

} // namespace decay::interpreter
