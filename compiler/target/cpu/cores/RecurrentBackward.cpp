//===- RecurrentBackward.cpp - The reverse sweep, token by token ----------===//
//
// Two sweeps. With lanes along K, on transposed states: S_t is rebuilt and
// kept for every token, then D_t runs back and dq, dk, dλ are sums over rows.
// With lanes along V: D_t runs back once more for dv, which needs no S. So no
// sum crosses lanes.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"

using namespace mlir;

namespace decay::cpu {

namespace {

struct Sweep {
  Value q, k, v, lambda, state, stateGradient, outputGradient, dq, dk, dv,
      dLambda, n, K, V;
};

/// One slice of key channels: its column in the tiles and its vectors.
struct Slice {
  Value column;
  int64_t vectors;
};

Values loadSlice(Emitter &emit, Value pointer, int64_t vectors) {
  Values loaded;
  for (int64_t i = 0; i < vectors; ++i)
    loaded.push_back(emit.load(pointer, i * emit.lanes()));
  return loaded;
}

void storeSlice(Emitter &emit, ArrayRef<Value> vectors, Value pointer) {
  for (auto [i, vector] : llvm::enumerate(vectors))
    emit.store(vector, pointer, i * emit.lanes());
}

/// kept[t] [V, slice] = S_t transposed, for t = 0 (before the chunk) to n.
void keepStates(Emitter &emit, const Sweep &sweep, const Slice &slice,
                Value transposedState, Value kept) {
  int64_t width = slice.vectors * emit.lanes();
  emit.loop(sweep.V, 1, [&](Value row) {
    Value from = emit.at(emit.at(transposedState, emit.multiply(row, sweep.K)),
                         slice.column);
    storeSlice(emit, loadSlice(emit, from, slice.vectors),
               emit.at(kept, emit.multiply(row, width)));
  });
  emit.loop(sweep.n, 1, [&](Value token) {
    Value keyAt = emit.add(emit.multiply(token, sweep.K), slice.column);
    Values decay = loadSlice(emit, emit.at(sweep.lambda, keyAt), slice.vectors);
    Values k = loadSlice(emit, emit.at(sweep.k, keyAt), slice.vectors);
    Value valueRow = emit.at(sweep.v, emit.multiply(token, sweep.V));
    Value before =
        emit.at(kept, emit.multiply(emit.multiply(token, sweep.V), width));
    Value after = emit.at(before, emit.multiply(sweep.V, width));
    emit.loop(sweep.V, 1, [&](Value row) {
      Value offset = emit.multiply(row, width);
      Values s = loadSlice(emit, emit.at(before, offset), slice.vectors);
      Value v = emit.splat(emit.at(valueRow, row));
      for (int64_t i = 0; i < slice.vectors; ++i)
        s[i] = emit.fma(decay[i], s[i], emit.times(v, k[i]));
      storeSlice(emit, s, emit.at(after, offset));
    });
  });
}

/// One token of the reverse sweep with lanes along K.
void emitKeyToken(Emitter &emit, const Sweep &sweep, const Slice &slice,
                  Value token, Value gradient, Value kept) {
  int64_t width = slice.vectors * emit.lanes(), vectors = slice.vectors;
  Value keyAt = emit.add(emit.multiply(token, sweep.K), slice.column);
  Value valueAt = emit.multiply(token, sweep.V);
  Value vRow = emit.at(sweep.v, valueAt);
  Value gradientRow = emit.at(sweep.outputGradient, valueAt);
  Value before =
      emit.at(kept, emit.multiply(emit.multiply(token, sweep.V), width));
  Value after = emit.at(before, emit.multiply(sweep.V, width));
  Values q = loadSlice(emit, emit.at(sweep.q, keyAt), vectors);
  Values decay = loadSlice(emit, emit.at(sweep.lambda, keyAt), vectors);
  // dq, dk, dλ, each of the slice's vectors.
  Values sums(3 * vectors, emit.zeros());
  sums = emit.loop(
      emit.integer(0), sweep.V, 1, sums, [&](Value row, ValueRange carried) {
        Values next(carried);
        Value offset = emit.multiply(row, width);
        Value at = emit.at(emit.at(gradient, emit.multiply(row, sweep.K)),
                           slice.column);
        Value v = emit.splat(emit.at(vRow, row));
        Value dO = emit.splat(emit.at(gradientRow, row));
        Values d = loadSlice(emit, at, vectors);
        for (int64_t i = 0; i < vectors; ++i) {
          int64_t lane = i * emit.lanes();
          Value s = emit.load(emit.at(after, offset), lane);
          Value previous = emit.load(emit.at(before, offset), lane);
          d[i] = emit.fma(dO, q[i], d[i]);
          next[i] = emit.fma(dO, s, next[i]);
          next[vectors + i] = emit.fma(v, d[i], next[vectors + i]);
          next[2 * vectors + i] =
              emit.fma(previous, d[i], next[2 * vectors + i]);
          d[i] = emit.times(decay[i], d[i]);
        }
        storeSlice(emit, d, at);
        return next;
      });
  ArrayRef<Value> results(sums);
  storeSlice(emit, results.slice(0, vectors), emit.at(sweep.dq, keyAt));
  storeSlice(emit, results.slice(vectors, vectors), emit.at(sweep.dk, keyAt));
  storeSlice(emit, results.slice(2 * vectors, vectors),
             emit.at(sweep.dLambda, keyAt));
}

/// One token of the reverse sweep with lanes along V.
void emitValueToken(Emitter &emit, const Sweep &sweep, const Slice &slice,
                    Value token) {
  Value keyAt = emit.multiply(token, sweep.K);
  Value valueAt = emit.add(emit.multiply(token, sweep.V), slice.column);
  Values dO =
      loadSlice(emit, emit.at(sweep.outputGradient, valueAt), slice.vectors);
  Values sums(slice.vectors, emit.zeros());
  sums = emit.loop(
      emit.integer(0), sweep.K, 1, sums, [&](Value row, ValueRange carried) {
        Values next(carried);
        Value key = emit.add(keyAt, row);
        Value q = emit.splat(emit.at(sweep.q, key));
        Value k = emit.splat(emit.at(sweep.k, key));
        Value decay = emit.splat(emit.at(sweep.lambda, key));
        Value at =
            emit.at(emit.at(sweep.stateGradient, emit.multiply(row, sweep.V)),
                    slice.column);
        Values d = loadSlice(emit, at, slice.vectors);
        for (int64_t i = 0; i < slice.vectors; ++i) {
          d[i] = emit.fma(q, dO[i], d[i]);
          next[i] = emit.fma(k, d[i], next[i]);
          d[i] = emit.times(decay, d[i]);
        }
        storeSlice(emit, d, at);
        return next;
      });
  storeSlice(emit, sums, emit.at(sweep.dv, valueAt));
}

} // namespace

func::FuncOp recurrentBackward(Emitter &emit) {
  func::FuncOp transpose = transposeFunction(emit);
  return emit.function(
      "core_backward_recurrent_vector", "pppppppppppiiip",
      [&](ArrayRef<Value> a) {
        Sweep sweep = {a[0], a[1], a[2], a[3],  a[4],  a[5],  a[6],
                       a[7], a[8], a[9], a[10], a[11], a[12], a[13]};
        Value area = emit.multiply(sweep.K, sweep.V);
        Value state = a[14];
        Value gradient = emit.at(state, area);
        Value kept = emit.at(gradient, area);
        emit.call(transpose, {sweep.state, state, sweep.K, sweep.V});
        emit.call(transpose, {sweep.stateGradient, gradient, sweep.K, sweep.V});
        emit.slices(sweep.K, [&](Value column, int64_t vectors) {
          Slice slice = {column, vectors};
          keepStates(emit, sweep, slice, state, kept);
          emit.loopDown(sweep.n, [&](Value token) {
            emitKeyToken(emit, sweep, slice, token, gradient, kept);
          });
        });
        emit.slices(sweep.V, [&](Value column, int64_t vectors) {
          emit.loopDown(sweep.n, [&](Value token) {
            emitValueToken(emit, sweep, {column, vectors}, token);
          });
        });
      });
}

} // namespace decay::cpu
