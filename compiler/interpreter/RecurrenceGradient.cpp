//===- RecurrenceGradient.cpp - The adjoint of the recurrence -------------===//
//
// D_t = q_t do_tᵀ + diag(λ_{t+1}) D_{t+1}, swept from the last token to the
// first. The states s_t come from checkpoints and are rebuilt a block of tokens
// at a time.
//
//===----------------------------------------------------------------------===//
#include "compiler/interpreter/RecurrenceSweep.h"

namespace decay::interpreter {
namespace {

constexpr int64_t blockLength = 32;

/// A sum of products a b with bound: what both inherit, and |a||b| for rounding
/// (in any order), where the A's stand for the absolute values of the sums.
struct Dot {
  double value = 0, bound = 0;
};

/// Σ_j s_j x_j over a row of a state.
Dot dot(const State &s, int64_t from, Row x, int64_t count) {
#pragma clang fp reassociate(on)
  Dot result;
  double order = sumRounding(count);
  for (int64_t j = 0; j < count; ++j)
    result.value += s.values[from + j] * x.values[j];
  if (s.bounds.empty())
    return result;
  for (int64_t j = 0; j < count; ++j)
    result.bound += std::fabs(x.values[j]) *
                        (s.bounds[from + j] + order * s.absolute[from + j]) +
                    x.bound(j) * std::fabs(s.values[from + j]);
  return result;
}

/// Σ_j a_j b_j over the same row of two states.
Dot dot(const State &a, const State &b, int64_t from, int64_t count) {
#pragma clang fp reassociate(on)
  Dot result;
  double order = sumRounding(count);
  for (int64_t j = from; j < from + count; ++j)
    result.value += a.values[j] * b.values[j];
  if (a.bounds.empty())
    return result;
  for (int64_t j = from; j < from + count; ++j)
    result.bound += a.absolute[j] * b.bounds[j] + a.bounds[j] * b.absolute[j] +
                    order * a.absolute[j] * b.absolute[j];
  return result;
}

/// The results of one call, and where a token's rows stand in them.
struct Gradients {
  Field &dQ, &dK, &dV, &dLambda;
};

void add(Field &field, int64_t index, Dot dot) {
  field.values[index] += dot.value;
  if (!field.bounds.empty())
    field.bounds[index] += dot.bound + underflowBound;
}

class Sweep {
public:
  Sweep(RecurrenceRows &rows, const Field &initial, const Field &dO,
        Gradients gradients, bool track)
      : rows(rows), initial(initial), dO(dO), out(gradients), track(track),
        size(rows.W * rows.V) {}

  /// Runs one sequence and head. `D` holds the gradient of the final state, and
  /// that of the initial state when it is done.
  void run(const Sequence &sequence, int64_t head, int64_t place, State &D);

private:
  void advanceState(State &s, int64_t token, int64_t head) {
    advance(s, rows.k(token, head), rows.v(token, head),
            rows.lambda(token, head), rows.W, rows.V);
  }
  Row outputGradient(int64_t token, int64_t head) const {
    int64_t from = (token * rows.H + head) * rows.V;
    return {dO.values.data() + from,
            dO.bounds.empty() ? nullptr : dO.bounds.data() + from};
  }
  void token(int64_t token, int64_t head, const State &before,
             const State &after, State &D);
  void valueGradient(int64_t token, int64_t head, const State &D);
  void decayGradient(State &D, Row lambda);

  RecurrenceRows &rows;
  const Field &initial, &dO;
  Gradients out;
  bool track;
  int64_t size;
};

void Sweep::run(const Sequence &sequence, int64_t head, int64_t place,
                State &D) {
  std::vector<State> checkpoints;
  State s(size, track);
  s.load(initial, place);
  for (int64_t t = 0; t < sequence.length; ++t) {
    if (t % blockLength == 0)
      checkpoints.push_back(s);
    advanceState(s, sequence.first + t, head);
  }
  std::vector<State> states(blockLength + 1);
  for (int64_t block = checkpoints.size(); block-- > 0;) {
    int64_t first = block * blockLength;
    int64_t count = std::min(blockLength, sequence.length - first);
    states[0] = std::move(checkpoints[block]);
    for (int64_t t = 0; t < count; ++t) {
      states[t + 1] = states[t];
      advanceState(states[t + 1], sequence.first + first + t, head);
    }
    for (int64_t t = count; t-- > 0;)
      token(sequence.first + first + t, head, states[t], states[t + 1], D);
  }
}

void Sweep::token(int64_t token, int64_t head, const State &before,
                  const State &after, State &D) {
  int64_t W = rows.W, V = rows.V, row = token * rows.H + head;
  Row dRow = outputGradient(token, head);
  // D_t = q_t do_tᵀ + what the later tokens left in D.
  std::vector<double> ones(W, 1.0);
  advance(D, rows.q(token, head), dRow, {ones.data(), nullptr}, W, V);
  for (int64_t i = 0; i < W; ++i) {
    add(out.dQ, row * W + i, dot(after, i * V, dRow, V));
    add(out.dK, row * W + i, dot(D, i * V, rows.v(token, head), V));
    add(out.dLambda, rows.lambdaIndex(token, head, i),
        dot(before, D, i * V, V));
  }
  valueGradient(token, head, D);
  decayGradient(D, rows.lambda(token, head));
}

/// dv = Dᵀ k
void Sweep::valueGradient(int64_t token, int64_t head, const State &D) {
  int64_t W = rows.W, V = rows.V, from = (token * rows.H + head) * V;
  Row k = rows.k(token, head);
  for (int64_t i = 0; i < W; ++i)
    for (int64_t j = 0; j < V; ++j)
      out.dV.values[from + j] += k.values[i] * D.values[i * V + j];
  if (!track)
    return;
  double order = sumRounding(W);
  for (int64_t i = 0; i < W; ++i)
    for (int64_t j = 0; j < V; ++j)
      out.dV.bounds[from + j] +=
          std::fabs(k.values[i]) *
              (D.bounds[i * V + j] + order * D.absolute[i * V + j]) +
          k.bound(i) * std::fabs(D.values[i * V + j]) + underflowBound;
}

/// D := diag(λ) D
void Sweep::decayGradient(State &D, Row lambda) {
  for (int64_t i = 0; i < rows.W; ++i) {
    double factor = lambda.values[i], large = std::fabs(factor);
    for (int64_t j = i * rows.V; j < (i + 1) * rows.V; ++j) {
      D.values[j] *= factor;
      if (!track)
        continue;
      D.bounds[j] = large * D.bounds[j] + lambda.bound(i) * D.absolute[j] +
                    std::fabs(D.values[j]);
      D.absolute[j] *= large;
    }
  }
}

} // namespace

Results evaluate(ir::RecurrenceGradientOp op, Operands operands, Call &call) {
  const Field &initial = *operands[4], &dO = *operands[5],
              &dFinal = *operands[6];
  RecurrenceRows rows(*operands[0], *operands[1], *operands[2], *operands[3],
                      call.sizes);
  Results results;
  for (mlir::Value result : op->getResults())
    results.push_back(call.make(result.getType()));
  Sweep sweep(rows, initial, dO,
              {results[0], results[1], results[2], results[3]}, call.bounds);
  auto sequences = sequencesOf(call.sizes);
  for (auto [n, sequence] : llvm::enumerate(sequences))
    for (int64_t h = 0; h < rows.H; ++h) {
      int64_t size = rows.W * rows.V;
      int64_t place = (static_cast<int64_t>(n) * rows.H + h) * size;
      State D(size, call.bounds);
      D.load(dFinal, place);
      sweep.run(sequence, h, place, D);
      D.store(results[4], place);
    }
  return results;
}

} // namespace decay::interpreter
