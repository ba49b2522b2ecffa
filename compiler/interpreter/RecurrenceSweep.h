//===- RecurrenceSweep.h - The state of one sequence and head --*- C++ -*-===//
//
// Rows of a state do not depend on one another, so a row goes through a block
// of tokens at a time: it stays in the nearest cache, and wide vectors pay.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H
#define DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H

#include "compiler/interpreter/Evaluate.h"

// Functions so marked exist once for each width of vectors that the build
// names.
#ifndef DECAY_CLONES
#define DECAY_CLONES
#endif
#define DECAY_INLINE inline __attribute__((always_inline))

namespace decay::interpreter {

/// Tokens that a row goes through at a time.
inline constexpr int64_t blockLength = 16;

/// Numbers with, if bounds are tracked, their error bounds.
struct Row {
  const double *values;
  const double *bounds;

  Bounded at(int64_t index) const { return {values[index], bounds[index]}; }
};

/// A row of a state: the values, their bounds, and the absolute recurrence A
/// (the same sums with every term by its absolute value). The latter two are
/// null unless bounds are tracked.
struct StateRow {
  double *values, *bounds, *absolute;
};

/// A matrix [W, V] of the state's kind.
struct State {
  std::vector<double> values, bounds, absolute;

  State() = default;
  State(int64_t count, bool track)
      : values(count), bounds(track ? count : 0), absolute(track ? count : 0) {}

  bool tracked() const { return !bounds.empty(); }
  StateRow row(int64_t index, int64_t V);
  /// Copies element `from`.. of a field; its A is its absolute value.
  void load(const Field &field, int64_t from);
  void store(Field &field, int64_t to) const;
};

/// The rows [V] that consecutive tokens have in a field, of one head.
struct TokenRows {
  const double *values, *bounds;
  int64_t stride, boundStride; ///< from one token to the next

  DECAY_INLINE Row of(int64_t token) const {
    return {values + token * stride, bounds + token * boundStride};
  }
};

/// The same of a result.
struct ResultRows {
  double *values, *bounds; ///< bounds: null unless tracked
  int64_t stride;

  ResultRows(Field &field, int64_t token, int64_t head, int64_t H, int64_t V);
};

/// What a token does to one row of the state.
struct TokenTerms {
  Bounded q, k, lambda;
};

/// The operands of decay.recurrence, by token and head.
class RecurrenceRows {
public:
  RecurrenceRows(const Field &q, const Field &k, const Field &v,
                 const Field &lambda, const Sizes &sizes);

  /// The terms of row w for `count` tokens.
  void terms(int64_t token, int64_t count, int64_t head, int64_t w,
             TokenTerms *terms) const;
  TokenRows v(int64_t token, int64_t head) const {
    return rowsOf(values, token, head);
  }
  /// The same for another field over [token, head, V].
  TokenRows rowsOf(const Field &field, int64_t token, int64_t head) const;
  /// The element of λ's field that belongs to row w of the state.
  int64_t lambdaIndex(int64_t token, int64_t head, int64_t w) const;

  /// Width of the state: K, or 2K where q has the pair axis.
  int64_t W, V, H, K;

private:
  const Field &queries, &keys, &values, &lambdas;
  Layout lambdaLayout;
  std::vector<double> exact; ///< the bounds of a row without
};

/// to := λ from + k vᵀ, one row. The bound grows by those of λ, k and v, and by
/// the rounding of the product, the sum and the new term.
template <bool track>
DECAY_INLINE void advance(StateRow from, StateRow to, Bounded k, Row v,
                          Bounded lambda, int64_t V) {
  double largeK = std::fabs(k.value), largeLambda = std::fabs(lambda.value);
#pragma clang loop vectorize(assume_safety)
  for (int64_t j = 0; j < V; ++j) {
    double next = lambda.value * from.values[j] + k.value * v.values[j];
    if constexpr (track) {
      double largeV = std::fabs(v.values[j]), so = from.absolute[j];
      to.bounds[j] = largeLambda * from.bounds[j] + lambda.bound * so +
                     largeK * v.bounds[j] + k.bound * largeV + largeK * largeV +
                     std::fabs(next) + underflowBound;
      to.absolute[j] = largeLambda * so + largeK * largeV;
    }
    to.values[j] = next;
  }
}

/// Row w of `s` through `count` tokens from `token` on.
void advance(State &s, const RecurrenceRows &rows, int64_t token, int64_t count,
             int64_t head, int64_t w);

} // namespace decay::interpreter

#endif // DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H
