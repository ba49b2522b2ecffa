//===- Recurrence.cpp - Linear attention with decay, token by token -------===//
#include "compiler/interpreter/RecurrenceSweep.h"

namespace decay::interpreter {

StateRow State::row(int64_t index, int64_t V) {
  int64_t from = index * V;
  if (!tracked())
    return {values.data() + from, nullptr, nullptr};
  return {values.data() + from, bounds.data() + from, absolute.data() + from};
}

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

ResultRows::ResultRows(Field &field, int64_t token, int64_t head, int64_t H,
                       int64_t V)
    : values(field.values.data() + (token * H + head) * V),
      bounds(field.bounds.empty()
                 ? nullptr
                 : field.bounds.data() + (token * H + head) * V),
      stride(H * V) {}

RecurrenceRows::RecurrenceRows(const Field &q, const Field &k, const Field &v,
                               const Field &lambda, const Sizes &sizes)
    : W(static_cast<int64_t>(q.values.size()) / (sizes.B * sizes.T * sizes.H)),
      V(sizes.V), H(sizes.H), K(sizes.K), queries(q), keys(k), values(v),
      lambdas(lambda), lambdaLayout(lambda.axes, sizes), exact(V) {}

TokenRows RecurrenceRows::rowsOf(const Field &field, int64_t token,
                                 int64_t head) const {
  int64_t from = (token * H + head) * V;
  if (field.bounds.empty())
    return {field.values.data() + from, exact.data(), H * V, 0};
  return {field.values.data() + from, field.bounds.data() + from, H * V, H * V};
}

int64_t RecurrenceRows::lambdaIndex(int64_t token, int64_t head,
                                    int64_t w) const {
  auto stride = [&](ir::Axis axis) {
    return lambdaLayout.stride[static_cast<unsigned>(axis)];
  };
  return token * stride(ir::Axis::Token) + head * stride(ir::Axis::Head) +
         (w < K ? w : w - K) * stride(ir::Axis::Channel);
}

void RecurrenceRows::terms(int64_t token, int64_t count, int64_t head,
                           int64_t w, TokenTerms *terms) const {
  auto get = [](const Field &field, int64_t index) -> Bounded {
    return {field.values[index], field.boundAt(index)};
  };
  for (int64_t t = 0; t < count; ++t) {
    int64_t index = ((token + t) * H + head) * W + w;
    terms[t] = {get(queries, index), get(keys, index),
                get(lambdas, lambdaIndex(token + t, head, w))};
  }
}

template <bool track>
DECAY_INLINE static void advanceAll(StateRow s, const TokenTerms *terms,
                                    int64_t count, TokenRows v, int64_t V) {
  for (int64_t t = 0; t < count; ++t)
    advance<track>(s, s, terms[t].k, v.of(t), terms[t].lambda, V);
}

static DECAY_CLONES void advanceRow(StateRow s, const TokenTerms *terms,
                                    int64_t count, TokenRows v, int64_t V) {
  s.bounds ? advanceAll<true>(s, terms, count, v, V)
           : advanceAll<false>(s, terms, count, v, V);
}

void advance(State &s, const RecurrenceRows &rows, int64_t token, int64_t count,
             int64_t head, int64_t w) {
  TokenTerms terms[blockLength];
  rows.terms(token, count, head, w, terms);
  advanceRow(s.row(w, rows.V), terms, count, rows.v(token, head), rows.V);
}

/// o += s q, one row of s; `order` is the rounding of the sum over all rows.
template <bool track>
DECAY_INLINE static void read(StateRow s, Bounded q, double order, double *o,
                              double *bound, int64_t V) {
  double large = std::fabs(q.value);
#pragma clang loop vectorize(assume_safety)
  for (int64_t j = 0; j < V; ++j) {
    o[j] += q.value * s.values[j];
    if constexpr (track)
      bound[j] += large * (s.bounds[j] + order * s.absolute[j]) +
                  q.bound * std::fabs(s.values[j]) + underflowBound;
  }
}

template <bool track>
DECAY_INLINE static void readAll(StateRow s, const TokenTerms *terms,
                                 int64_t count, TokenRows v, ResultRows o,
                                 int64_t V, double order) {
  for (int64_t t = 0; t < count; ++t) {
    advance<track>(s, s, terms[t].k, v.of(t), terms[t].lambda, V);
    read<track>(s, terms[t].q, order, o.values + t * o.stride,
                track ? o.bounds + t * o.stride : nullptr, V);
  }
}

static DECAY_CLONES void readRow(StateRow s, const TokenTerms *terms,
                                 int64_t count, TokenRows v, ResultRows o,
                                 int64_t V, double order) {
  s.bounds ? readAll<true>(s, terms, count, v, o, V, order)
           : readAll<false>(s, terms, count, v, o, V, order);
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
  TokenTerms terms[blockLength];
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t h = 0; h < H; ++h) {
      int64_t place = (static_cast<int64_t>(n) * H + h) * W * V;
      s.load(initial, place);
      for (int64_t t = 0; t < sequence.length; t += blockLength) {
        int64_t token = sequence.first + t;
        int64_t count = std::min(blockLength, sequence.length - t);
        for (int64_t w = 0; w < W; ++w) {
          rows.terms(token, count, h, w, terms);
          readRow(s.row(w, V), terms, count, rows.v(token, h),
                  ResultRows(o, token, h, H, V), V, sumRounding(W));
        }
      }
      s.store(last, place);
    }
  return {std::move(o), std::move(last)};
}

} // namespace decay::interpreter
