//===- Recurrence.cpp - Linear attention with decay, token by token -------===//
#include "compiler/interpreter/RecurrenceSweep.h"

namespace decay::interpreter {

void State::load(const Field &field, int64_t from) {
  std::copy_n(field.values.begin() + from, values.size(), values.begin());
  for (size_t index = 0; index < absolute.size(); ++index) {
    absolute[index] = std::fabs(values[index]);
    bounds[index] = field.boundAt(from + index);
  }
}

void State::store(Field &field, int64_t to) const {
  std::copy(values.begin(), values.end(), field.values.begin() + to);
  for (size_t index = 0; index < bounds.size(); ++index)
    field.bounds[to + index] =
        roundedBound(values[index], bounds[index] + absolute[index]);
}

RecurrenceRows::RecurrenceRows(const Field &q, const Field &k, const Field &v,
                               const Field &lambda, const Sizes &sizes)
    : W(static_cast<int64_t>(q.values.size()) / (sizes.B * sizes.T * sizes.H)),
      V(sizes.V), H(sizes.H), K(sizes.K), queries(q), keys(k), values(v),
      lambdas(lambda), lambdaLayout(lambda.axes, sizes), lambdaValues(W),
      lambdaBounds(W) {}

static Row rowOf(const Field &field, int64_t from) {
  return {field.values.data() + from,
          field.bounds.empty() ? nullptr : field.bounds.data() + from};
}

Row RecurrenceRows::q(int64_t token, int64_t head) const {
  return rowOf(queries, (token * H + head) * W);
}

Row RecurrenceRows::k(int64_t token, int64_t head) const {
  return rowOf(keys, (token * H + head) * W);
}

Row RecurrenceRows::v(int64_t token, int64_t head) const {
  return rowOf(values, (token * H + head) * V);
}

int64_t RecurrenceRows::lambdaIndex(int64_t token, int64_t head,
                                    int64_t w) const {
  auto stride = [&](ir::Axis axis) {
    return lambdaLayout.stride[static_cast<unsigned>(axis)];
  };
  return token * stride(ir::Axis::Token) + head * stride(ir::Axis::Head) +
         (w % K) * stride(ir::Axis::Channel);
}

Row RecurrenceRows::lambda(int64_t token, int64_t head) {
  for (int64_t w = 0; w < W; ++w) {
    int64_t index = lambdaIndex(token, head, w);
    lambdaValues[w] = lambdas.values[index];
    lambdaBounds[w] = lambdas.boundAt(index);
  }
  return {lambdaValues.data(), lambdaBounds.data()};
}

static void advanceRow(double *s, Row v, double k, double lambda, int64_t V) {
  for (int64_t j = 0; j < V; ++j)
    s[j] = lambda * s[j] + k * v.values[j];
}

/// As advanceRow, with bounds: that of s grows by those of λ, k and v, and by
/// the rounding of the product, the sum and the new term.
static void advanceRowBounded(double *s, double *bound, double *absolute, Row v,
                              Bounded k, Bounded lambda, int64_t V) {
  double largeK = std::fabs(k.value), largeLambda = std::fabs(lambda.value);
  for (int64_t j = 0; j < V; ++j) {
    double largeV = std::fabs(v.values[j]);
    double next = lambda.value * s[j] + k.value * v.values[j];
    bound[j] = largeLambda * bound[j] + lambda.bound * absolute[j] +
               largeK * v.bound(j) + k.bound * largeV + largeK * largeV +
               std::fabs(next) + underflowBound;
    absolute[j] = largeLambda * absolute[j] + largeK * largeV;
    s[j] = next;
  }
}

void advance(State &s, Row k, Row v, Row lambda, int64_t W, int64_t V) {
  for (int64_t i = 0; i < W; ++i) {
    double *row = s.values.data() + i * V;
    if (s.bounds.empty())
      advanceRow(row, v, k.values[i], lambda.values[i], V);
    else
      advanceRowBounded(row, s.bounds.data() + i * V, s.absolute.data() + i * V,
                        v, {k.values[i], k.bound(i)},
                        {lambda.values[i], lambda.bound(i)}, V);
  }
}

/// o = sᵀ q; `bound` may be null.
static void read(const State &s, Row q, int64_t W, int64_t V, double *o,
                 double *bound) {
  for (int64_t i = 0; i < W; ++i) {
    const double *row = s.values.data() + i * V;
    double query = q.values[i];
    for (int64_t j = 0; j < V; ++j)
      o[j] += query * row[j];
  }
  if (!bound)
    return;
  double order = sumRounding(W);
  for (int64_t i = 0; i < W; ++i) {
    const double *values = s.values.data() + i * V;
    const double *bounds = s.bounds.data() + i * V;
    const double *absolute = s.absolute.data() + i * V;
    double query = std::fabs(q.values[i]), doubt = q.bound(i);
    for (int64_t j = 0; j < V; ++j)
      bound[j] += query * (bounds[j] + order * absolute[j]) +
                  doubt * std::fabs(values[j]) + underflowBound;
  }
}

Results evaluate(ir::RecurrenceOp op, Operands operands, Call &call) {
  const Field &initial = *operands[4];
  RecurrenceRows rows(*operands[0], *operands[1], *operands[2], *operands[3],
                      call.sizes);
  Field o = call.make(op.getO().getType());
  Field last = call.make(op.getFinal().getType());
  auto sequences = sequencesOf(call.sizes);
  int64_t W = rows.W, V = rows.V, H = rows.H;
  State s(W * V, call.bounds);
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t h = 0; h < H; ++h) {
      int64_t place = (static_cast<int64_t>(n) * H + h) * W * V;
      s.load(initial, place);
      for (int64_t t = 0; t < sequence.length; ++t) {
        int64_t token = sequence.first + t, out = (token * H + h) * V;
        advance(s, rows.k(token, h), rows.v(token, h), rows.lambda(token, h), W,
                V);
        read(s, rows.q(token, h), W, V, o.values.data() + out,
             call.bounds ? o.bounds.data() + out : nullptr);
      }
      s.store(last, place);
    }
  return {std::move(o), std::move(last)};
}

} // namespace decay::interpreter
