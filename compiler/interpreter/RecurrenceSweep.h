//===- RecurrenceSweep.h - The state of one sequence and head --*- C++ -*-===//
#ifndef DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H
#define DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H

#include "compiler/interpreter/Evaluate.h"

namespace decay::interpreter {

/// Rows of numbers with, if bounds are tracked, their error bounds.
struct Row {
  const double *values;
  const double *bounds; ///< null: exact

  double bound(int64_t index) const { return bounds ? bounds[index] : 0; }
};

/// A matrix [W, V] of the state's kind: the values, their bounds, and the
/// absolute recurrence A (the same sums with every term by its absolute value).
struct State {
  std::vector<double> values, bounds, absolute;

  State() = default;
  State(int64_t count, bool track)
      : values(count), bounds(track ? count : 0), absolute(track ? count : 0) {}

  /// Copies element `from`.. of a field; its A is its absolute value.
  void load(const Field &field, int64_t from);
  void store(Field &field, int64_t to) const;
};

/// The operands of decay.recurrence as rows of one token and head.
class RecurrenceRows {
public:
  RecurrenceRows(const Field &q, const Field &k, const Field &v,
                 const Field &lambda, const Sizes &sizes);

  Row q(int64_t token, int64_t head) const;
  Row k(int64_t token, int64_t head) const;
  Row v(int64_t token, int64_t head) const;
  /// λ along the W rows of the state, whatever axes it has. The row is valid
  /// until the next call.
  Row lambda(int64_t token, int64_t head);
  /// The element of λ's field that belongs to row w of the state.
  int64_t lambdaIndex(int64_t token, int64_t head, int64_t w) const;

  /// Width of the state: K, or 2K where q has the pair axis.
  int64_t W, V, H, K;

private:
  const Field &queries, &keys, &values, &lambdas;
  Layout lambdaLayout;
  std::vector<double> lambdaValues, lambdaBounds;
};

/// s := diag(λ) s + k vᵀ
void advance(State &s, Row k, Row v, Row lambda, int64_t W, int64_t V);

} // namespace decay::interpreter

#endif // DECAY_COMPILER_INTERPRETER_RECURRENCESWEEP_H
