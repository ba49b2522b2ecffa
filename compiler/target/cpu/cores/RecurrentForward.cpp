//===- RecurrentForward.cpp - The state and its outputs, token by token ---===//
#include "compiler/target/cpu/cores/Parts.h"

using namespace mlir;

namespace decay::cpu {

namespace {

/// Operands of the sweep; q and o are null where only the state is wanted.
struct Sweep {
  Value q, k, v, lambda, state, o, K, V;
};

/// Rows of the state that one turn of the inner loop takes; each parity has
/// its own output sum, to shorten the chain of additions.
constexpr int64_t rowsPerTurn = 4;

void emitToken(Emitter &emit, const Sweep &sweep, Value token, Value column,
               int64_t vectors) {
  Value keyRow = emit.multiply(token, sweep.K);
  Value valueRow = emit.add(emit.multiply(token, sweep.V), column);
  Values v, sums;
  for (int64_t i = 0; i < vectors; ++i)
    v.push_back(emit.load(emit.at(sweep.v, valueRow), i * emit.lanes()));
  if (sweep.q)
    sums.append(2 * vectors, emit.zeros());
  sums = emit.loop(
      emit.integer(0), sweep.K, rowsPerTurn, sums,
      [&](Value row, ValueRange carried) {
        Values next(carried);
        Value keyAt = emit.add(keyRow, row);
        Value tile =
            emit.at(emit.at(sweep.state, emit.multiply(row, sweep.V)), column);
        for (int64_t r = 0; r < rowsPerTurn; ++r) {
          Value decay = emit.splat(emit.at(sweep.lambda, keyAt), r);
          Value k = emit.splat(emit.at(sweep.k, keyAt), r);
          Value q = sweep.q ? emit.splat(emit.at(sweep.q, keyAt), r) : Value();
          for (int64_t i = 0; i < vectors; ++i) {
            Value s = emit.load(tile, i * emit.lanes());
            s = emit.fma(decay, s, emit.times(k, v[i]));
            emit.store(s, tile, i * emit.lanes());
            Value *sum = q ? &next[(r % 2) * vectors + i] : nullptr;
            if (sum)
              *sum = emit.fma(q, s, *sum);
          }
          tile = emit.at(tile, sweep.V);
        }
        return next;
      });
  for (int64_t i = 0; sweep.q && i < vectors; ++i)
    emit.store(emit.plus(sums[i], sums[vectors + i]),
               emit.at(sweep.o, valueRow), i * emit.lanes());
}

void emitSweep(Emitter &emit, const Sweep &sweep, Value n) {
  emit.slices(sweep.V, [&](Value column, int64_t vectors) {
    emit.loop(n, 1, [&](Value token) {
      emitToken(emit, sweep, token, column, vectors);
    });
  });
}

} // namespace

func::FuncOp recurrentForward(Emitter &emit) {
  return emit.function(
      "core_forward_recurrent_vector", "ppppppiiip", [&](ArrayRef<Value> a) {
        emitSweep(emit, {a[0], a[1], a[2], a[3], a[4], a[5], a[7], a[8]}, a[6]);
      });
}

func::FuncOp recurrentState(Emitter &emit) {
  return emit.function(
      "core_state_recurrent_vector", "ppppiiip", [&](ArrayRef<Value> a) {
        emitSweep(emit, {{}, a[0], a[1], a[2], a[3], {}, a[5], a[6]}, a[4]);
      });
}

} // namespace decay::cpu
