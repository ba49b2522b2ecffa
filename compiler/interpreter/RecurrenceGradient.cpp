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

/// A sum of products a b with bound: what both inherit, and |a||b| for rounding
/// (in any order), where the A's stand for the absolute values of the sums.
struct Dot {
  double value = 0, bound = 0;
};

/// What a token gives to the gradients of one row of the state.
struct RowGradients {
  Dot q, k, lambda;
};

/// The operands of one row and block of tokens. `states` has one row more than
/// there are tokens, the first filled; D is that of the block's end.
struct RowBlock {
  const StateRow *states;
  StateRow D;
  const TokenTerms *terms;
  int64_t count;
  TokenRows v, dO;
  ResultRows dV;
  int64_t W, V;
};

/// D += q doᵀ, the gradient of the state `after` a token, and what follows from
/// it for all operands; D then is the gradient of the state `before` it.
template <bool track>
DECAY_INLINE RowGradients sweepToken(const RowBlock &block, int64_t t) {
#pragma clang fp reassociate(on)
  StateRow before = block.states[t], after = block.states[t + 1], D = block.D;
  Row v = block.v.of(t), dO = block.dO.of(t);
  auto [q, k, lambda] = block.terms[t];
  double *dV = block.dV.values + t * block.dV.stride;
  double *dVBound = track ? block.dV.bounds + t * block.dV.stride : nullptr;
  double largeQ = std::fabs(q.value), largeK = std::fabs(k.value);
  double largeLambda = std::fabs(lambda.value);
  double overV = sumRounding(block.V), overW = sumRounding(block.W);
  double dQ = 0, dK = 0, dLambda = 0, boundQ = 0, boundK = 0, boundLambda = 0;
#pragma clang loop vectorize(assume_safety)
  for (int64_t j = 0; j < block.V; ++j) {
    double large = std::fabs(dO.values[j]);
    double d = D.values[j] + q.value * dO.values[j];
    dQ += after.values[j] * dO.values[j];
    dK += d * v.values[j];
    dLambda += before.values[j] * d;
    dV[j] += k.value * d;
    D.values[j] = lambda.value * d;
    if constexpr (track) {
      double bound = D.bounds[j] + largeQ * dO.bounds[j] + q.bound * large +
                     largeQ * large + std::fabs(d) + underflowBound;
      double absolute = D.absolute[j] + largeQ * large;
      double unsure = bound + overV * absolute;
      boundQ += large * (after.bounds[j] + overV * after.absolute[j]) +
                dO.bounds[j] * std::fabs(after.values[j]);
      boundK += std::fabs(v.values[j]) * unsure + v.bounds[j] * std::fabs(d);
      boundLambda += before.absolute[j] * unsure + before.bounds[j] * absolute;
      dVBound[j] += largeK * (bound + overW * absolute) +
                    k.bound * std::fabs(d) + underflowBound;
      D.bounds[j] = largeLambda * bound + lambda.bound * absolute +
                    std::fabs(lambda.value * d);
      D.absolute[j] = largeLambda * absolute;
    }
  }
  return {{dQ, boundQ}, {dK, boundK}, {dLambda, boundLambda}};
}

template <bool track>
DECAY_INLINE void sweepAll(const RowBlock &block, RowGradients *gradients) {
  for (int64_t t = 0; t < block.count; ++t)
    advance<track>(block.states[t], block.states[t + 1], block.terms[t].k,
                   block.v.of(t), block.terms[t].lambda, block.V);
  for (int64_t t = block.count; t-- > 0;)
    gradients[t] = sweepToken<track>(block, t);
}

DECAY_CLONES void sweepRow(const RowBlock &block, RowGradients *gradients) {
  block.D.bounds ? sweepAll<true>(block, gradients)
                 : sweepAll<false>(block, gradients);
}

/// The results of one call.
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
  Sweep(const RecurrenceRows &rows, const Field &initial, const Field &dO,
        Gradients gradients, bool track)
      : rows(rows), initial(initial), dO(dO), out(gradients), track(track),
        states((blockLength + 1) * rows.V, track) {
    for (int64_t t = 0; t <= blockLength; ++t)
      stateRows[t] = states.row(t, rows.V);
  }

  /// Runs one sequence and head. `D` holds the gradient of the final state, and
  /// that of the initial state when it is done.
  void run(const Sequence &sequence, int64_t head, int64_t place, State &D);

private:
  void block(State &start, int64_t token, int64_t count, int64_t head,
             State &D);

  const RecurrenceRows &rows;
  const Field &initial, &dO;
  Gradients out;
  bool track;
  State states; ///< of one row, before each token of a block and after
  StateRow stateRows[blockLength + 1];
};

void Sweep::run(const Sequence &sequence, int64_t head, int64_t place,
                State &D) {
  std::vector<State> checkpoints;
  State s(rows.W * rows.V, track);
  s.load(initial, place);
  for (int64_t t = 0; t < sequence.length; t += blockLength) {
    checkpoints.push_back(s);
    for (int64_t w = 0; w < rows.W; ++w)
      advance(s, rows, sequence.first + t,
              std::min(blockLength, sequence.length - t), head, w);
  }
  while (!checkpoints.empty()) {
    int64_t first =
        (static_cast<int64_t>(checkpoints.size()) - 1) * blockLength;
    block(checkpoints.back(), sequence.first + first,
          std::min(blockLength, sequence.length - first), head, D);
    checkpoints.pop_back();
  }
}

void Sweep::block(State &start, int64_t token, int64_t count, int64_t head,
                  State &D) {
  int64_t W = rows.W, V = rows.V;
  TokenTerms terms[blockLength];
  RowGradients gradients[blockLength];
  for (int64_t w = 0; w < W; ++w) {
    rows.terms(token, count, head, w, terms);
    StateRow first = stateRows[0], from = start.row(w, V);
    std::copy_n(from.values, V, first.values);
    if (track) {
      std::copy_n(from.bounds, V, first.bounds);
      std::copy_n(from.absolute, V, first.absolute);
    }
    sweepRow({stateRows, D.row(w, V), terms, count, rows.v(token, head),
              rows.rowsOf(dO, token, head),
              ResultRows(out.dV, token, head, rows.H, V), W, V},
             gradients);
    for (int64_t t = count; t-- > 0;) {
      int64_t index = ((token + t) * rows.H + head) * W + w;
      add(out.dQ, index, gradients[t].q);
      add(out.dK, index, gradients[t].k);
      add(out.dLambda, rows.lambdaIndex(token + t, head, w),
          gradients[t].lambda);
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
