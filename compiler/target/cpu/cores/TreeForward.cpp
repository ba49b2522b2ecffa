//===- TreeForward.cpp - The state and its outputs, by blocks of tokens ---===//
//
//     o_i = Σ_{j <= i} weight_ij v_j + (q_i prefix_i) S     S ← total S + Σ_j
//     (k_j suffix_j) v_jᵀ
//
// Per block the state is read twice and written once, where the recurrence
// does so per token. What is left of the last block goes token by token.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

namespace {

struct Chunk {
  Value q, k, v, lambda, state, o, n, K, V;
  TreeRoom room;
};

/// Outputs of one block in one slice of columns.
void emitOutputs(Emitter &emit, const Chunk &chunk, Value block, Value column,
                 int64_t vectors) {
  Value firstRow = emit.multiply(block, blockTokens);
  Value at = emit.add(emit.multiply(firstRow, chunk.V), column);
  Value weights = emit.at(chunk.room.weights, emit.multiply(block, pairFloats));
  Value panel = emit.at(chunk.room.qPanels, emit.multiply(firstRow, chunk.K));
  Rows state = {emit.at(chunk.state, column), chunk.V};
  for (int64_t token = 0; token < blockTokens; token += emit.tileTokens()) {
    Values sums(emit.tileTokens() * vectors, emit.zeros());
    Value v = emit.at(chunk.v, at);
    for (int64_t j = 0; j < token + emit.tileTokens(); ++j) {
      for (int64_t x = 0; x < vectors; ++x) {
        Value value = emit.load(v, x * emit.lanes());
        for (int64_t i = std::max(j, token); i < token + emit.tileTokens();
             ++i) {
          Value &sum = sums[(i - token) * vectors + x];
          sum = emit.fma(emit.splat(weights, pairIndex(i, j)), value, sum);
        }
      }
      v = emit.at(v, chunk.V);
    }
    sums = productTile(emit, panel, token, emit.tileTokens(), state, chunk.K,
                       vectors, sums);
    Value o = emit.at(emit.at(chunk.o, at), emit.multiply(chunk.V, token));
    for (int64_t i = 0; i < emit.tileTokens(); ++i) {
      for (int64_t x = 0; x < vectors; ++x)
        emit.store(sums[i * vectors + x], o, x * emit.lanes());
      o = emit.at(o, chunk.V);
    }
  }
}

/// The state after one block, in one slice of columns.
void emitState(Emitter &emit, const Chunk &chunk, Value block, Value column,
               int64_t vectors) {
  Value firstRow = emit.multiply(block, blockTokens);
  Value v = emit.at(emit.at(chunk.v, emit.multiply(firstRow, chunk.V)), column);
  Value panel = emit.at(chunk.room.kPanels, emit.multiply(firstRow, chunk.K));
  Value total = emit.at(chunk.room.totals, emit.multiply(block, chunk.K));
  Value state = emit.at(chunk.state, column);
  updateTile(emit, panel, {v, chunk.V}, {total, {}}, {state, chunk.V}, state,
             chunk.K, vectors);
}

/// All whole blocks; returns how many tokens they are.
Value emitBlocks(Emitter &emit, const Chunk &chunk) {
  Value tokens = emit.roundDown(chunk.n, blockTokens);
  Value blocks = emit.divide(tokens, blockTokens);
  if (chunk.q)
    prepareBlocks(emit, chunk.q, chunk.k, chunk.lambda, chunk.room, blocks,
                  chunk.K);
  else
    prepareStateBlocks(emit, chunk.k, chunk.lambda, chunk.room, blocks,
                       chunk.K);
  emit.slices(chunk.V, [&](Value column, int64_t vectors) {
    emit.loop(blocks, 1, [&](Value block) {
      if (chunk.q)
        emitOutputs(emit, chunk, block, column, vectors);
      emitState(emit, chunk, block, column, vectors);
    });
  });
  return tokens;
}

} // namespace

func::FuncOp treeForward(Emitter &emit) {
  func::FuncOp rest = recurrentForward(emit);
  treePrepare(emit);
  return emit.function(
      "core_forward_tree_vector", "ppppppiiip", [&](ArrayRef<Value> a) {
        Chunk chunk = {
            a[0], a[1], a[2], a[3], a[4],
            a[5], a[6], a[7], a[8], treeRoom(emit, a[9], a[7], a[8])};
        Value done = emitBlocks(emit, chunk),
              left = emit.subtract(chunk.n, done);
        Value keys = emit.multiply(done, chunk.K);
        Value values = emit.multiply(done, chunk.V);
        emit.ifPositive(left, [&] {
          emit.call(rest,
                    {emit.at(chunk.q, keys), emit.at(chunk.k, keys),
                     emit.at(chunk.v, values), emit.at(chunk.lambda, keys),
                     chunk.state, emit.at(chunk.o, values), left, chunk.K,
                     chunk.V, chunk.room.rest});
        });
      });
}

func::FuncOp treeState(Emitter &emit) {
  func::FuncOp rest = recurrentState(emit);
  treePrepareState(emit);
  return emit.function(
      "core_state_tree_vector", "ppppiiip", [&](ArrayRef<Value> a) {
        Chunk chunk = {{}, a[0], a[1], a[2], a[3],
                       {}, a[4], a[5], a[6], treeRoom(emit, a[7], a[5], a[6])};
        Value done = emitBlocks(emit, chunk),
              left = emit.subtract(chunk.n, done);
        Value keys = emit.multiply(done, chunk.K);
        emit.ifPositive(left, [&] {
          emit.call(rest, {emit.at(chunk.k, keys),
                           emit.at(chunk.v, emit.multiply(done, chunk.V)),
                           emit.at(chunk.lambda, keys), chunk.state, left,
                           chunk.K, chunk.V, chunk.room.rest});
        });
      });
}

} // namespace decay::cpu
