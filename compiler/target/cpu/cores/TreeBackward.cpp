//===- TreeBackward.cpp - The reverse sweep, by blocks of tokens ----------===//
//
// Per block, with S the state before it and dS the gradient behind it:
//
//     dv_j = Σ_{i >= j} weight_ij do_i + (k_j suffix_j) dS
//     dQ_i = S do_i    dK_j = dS v_j    dTotal = Σ_v S ∘ dS      (TreeGradient)
//     dS ← total dS + Σ_i (q_i prefix_i) do_iᵀ
//
// dQ, dK and dTotal are sums over V, so they and both updates work on
// transposed states, lanes along K; only dv reads dS the other way, and for it
// dS is transposed once a block. The states before each block are rebuilt.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

namespace {

struct Chunk {
  Value q, k, v, lambda, state, dState, dO, dq, dk, dv, dLambda, n, K, V;
  TreeRoom room;
  Value area;
};

/// What belongs to one block, at its first token.
struct Block {
  Value keys, values, weights, products, total, qPanel, kPanel, vPanel, dOPanel,
      state;
};

Block blockAt(Emitter &emit, const Chunk &chunk, Value block) {
  Value row = emit.multiply(block, blockTokens);
  Value pairs = emit.multiply(block, pairFloats);
  Block at;
  at.keys = emit.multiply(row, chunk.K);
  at.values = emit.multiply(row, chunk.V);
  at.weights = emit.at(chunk.room.weights, pairs);
  at.products = emit.at(chunk.room.products, pairs);
  at.total = emit.at(chunk.room.totals, emit.multiply(block, chunk.K));
  at.qPanel = emit.at(chunk.room.qPanels, at.keys);
  at.kPanel = emit.at(chunk.room.kPanels, at.keys);
  at.vPanel = emit.at(chunk.room.vPanels, at.values);
  at.dOPanel = emit.at(chunk.room.dOPanels, at.values);
  at.state = emit.at(chunk.room.states, emit.multiply(block, chunk.area));
  return at;
}

/// target [V, K] = total ∘ source + Σ_t left_t rightᵀ_t, lanes along K.
void emitUpdate(Emitter &emit, const Chunk &chunk, Value total, Value left,
                Value right, Value source, Value target) {
  emit.slices(chunk.K, [&](Value column, int64_t vectors) {
    Values totals;
    for (int64_t x = 0; x < vectors; ++x)
      totals.push_back(emit.load(emit.at(total, column), x * emit.lanes()));
    updateTile(emit, left,
               {panelAt(emit, right, column), emit.integer(rowPadding)},
               {{}, totals}, {emit.at(source, column), chunk.K},
               emit.at(target, column), chunk.V, vectors);
  });
}

/// The transposed state before each block, and before what is left of one.
void emitStates(Emitter &emit, const Chunk &chunk) {
  emit.call(transposeFunction(emit),
            {chunk.state, chunk.room.states, chunk.K, chunk.V});
  Value updates = emit.divide(emit.add(chunk.n, -1), blockTokens);
  emit.loop(updates, 1, [&](Value block) {
    Block at = blockAt(emit, chunk, block);
    emitUpdate(emit, chunk, at.total, at.vPanel, at.kPanel, at.state,
               emit.at(at.state, chunk.area));
  });
}

/// Stores a tile of sums as rows of `target`.
void storeRows(Emitter &emit, ArrayRef<Value> sums, Value target, Value stride,
               int64_t rows, int64_t vectors) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t x = 0; x < vectors; ++x)
      emit.store(sums[i * vectors + x], target, x * emit.lanes());
    target = emit.at(target, stride);
  }
}

void emitValueGradient(Emitter &emit, const Chunk &chunk, const Block &at) {
  int64_t tokens = emit.tileTokens();
  emit.slices(chunk.V, [&](Value column, int64_t vectors) {
    for (int64_t token = 0; token < blockTokens; token += tokens) {
      Values sums(tokens * vectors, emit.zeros());
      Value offset = emit.add(at.values, column);
      Value row =
          emit.at(emit.at(chunk.dO, offset), emit.multiply(chunk.V, token));
      for (int64_t i = token; i < blockTokens; ++i) {
        for (int64_t x = 0; x < vectors; ++x) {
          Value gradient = emit.load(row, x * emit.lanes());
          for (int64_t j = token; j <= std::min(i, token + tokens - 1); ++j) {
            Value &sum = sums[(j - token) * vectors + x];
            sum = emit.fma(emit.splat(at.weights, pairIndex(i, j)), gradient,
                           sum);
          }
        }
        row = emit.at(row, chunk.V);
      }
      sums = productTile(emit, at.kPanel, token, tokens,
                         {emit.at(chunk.dState, column), chunk.V}, chunk.K,
                         vectors, sums);
      storeRows(
          emit, sums,
          emit.at(emit.at(chunk.dv, offset), emit.multiply(chunk.V, token)),
          chunk.V, tokens, vectors);
    }
  });
}

void emitKeyGradients(Emitter &emit, const Chunk &chunk, const Block &at) {
  int64_t tokens = emit.tileTokens();
  const TreeRoom &room = chunk.room;
  emit.slices(chunk.K, [&](Value column, int64_t vectors) {
    Value state = emit.at(at.state, column);
    for (int64_t token = 0; token < blockTokens; token += tokens) {
      Value offset = emit.add(column, emit.multiply(chunk.K, token));
      Values zero(tokens * vectors, emit.zeros());
      Values dQ = productTile(emit, at.dOPanel, token, tokens, {state, chunk.K},
                              chunk.V, vectors, zero);
      storeRows(emit, dQ, emit.at(room.dQ, offset), chunk.K, tokens, vectors);
      Values dK = productTile(emit, at.vPanel, token, tokens,
                              {emit.at(room.gradient, column), chunk.K},
                              chunk.V, vectors, zero, token ? Value() : state);
      storeRows(emit, dK, emit.at(room.dK, offset), chunk.K, tokens, vectors);
      if (!token)
        storeRows(emit, ArrayRef<Value>(dK).take_back(vectors),
                  emit.at(room.dTotal, column), chunk.K, 1, vectors);
    }
  });
  emit.call(treeGradient(emit),
            {emit.at(chunk.q, at.keys), emit.at(chunk.k, at.keys),
             emit.at(chunk.lambda, at.keys), room.dQ, room.dK, room.dTotal,
             at.products, emit.at(chunk.dq, at.keys),
             emit.at(chunk.dk, at.keys), emit.at(chunk.dLambda, at.keys),
             chunk.K});
}

/// The tokens behind the last whole block, by the recurrence. Without a block
/// the state before them is the chunk's.
void emitRest(Emitter &emit, const Chunk &chunk, Value blocks, Value left) {
  Block at = blockAt(emit, chunk, blocks);
  // The gradient's place is free until the blocks' turn comes.
  Value rebuilt = chunk.room.gradient;
  emit.ifPositive(blocks, [&] {
    emit.call(transposeFunction(emit), {at.state, rebuilt, chunk.V, chunk.K});
  });
  emit.call(recurrentBackward(emit),
            {emit.at(chunk.q, at.keys), emit.at(chunk.k, at.keys),
             emit.at(chunk.v, at.values), emit.at(chunk.lambda, at.keys),
             emit.chooseIfPositive(blocks, rebuilt, chunk.state), chunk.dState,
             emit.at(chunk.dO, at.values), emit.at(chunk.dq, at.keys),
             emit.at(chunk.dk, at.keys), emit.at(chunk.dv, at.values),
             emit.at(chunk.dLambda, at.keys), left, chunk.K, chunk.V,
             chunk.room.rest});
}

void emitBlocks(Emitter &emit, const Chunk &chunk, Value blocks) {
  const TreeRoom &room = chunk.room;
  emit.call(transposeFunction(emit),
            {chunk.dState, room.gradient, chunk.K, chunk.V});
  emit.loopDown(blocks, [&](Value block) {
    Block at = blockAt(emit, chunk, block);
    emitValueGradient(emit, chunk, at);
    emitKeyGradients(emit, chunk, at);
    emitUpdate(emit, chunk, at.total, at.dOPanel, at.qPanel, room.gradient,
               room.gradient);
    emit.call(transposeFunction(emit),
              {room.gradient, chunk.dState, chunk.V, chunk.K});
  });
}

void emitBackward(Emitter &emit, const Chunk &chunk) {
  const TreeRoom &room = chunk.room;
  Value tokens = emit.roundDown(chunk.n, blockTokens);
  Value blocks = emit.divide(tokens, blockTokens);
  emit.ifPositive(blocks, [&] {
    prepareBlocks(emit, chunk.q, chunk.k, chunk.lambda, room, blocks, chunk.K);
    prepareGradientBlocks(emit, chunk.v, chunk.dO, room, blocks, chunk.V);
    emitStates(emit, chunk);
  });
  Value left = emit.subtract(chunk.n, tokens);
  emit.ifPositive(left, [&] { emitRest(emit, chunk, blocks, left); });
  emit.ifPositive(blocks, [&] { emitBlocks(emit, chunk, blocks); });
}

} // namespace

func::FuncOp treeBackward(Emitter &emit) {
  return emit.function("core_backward_tree_vector", "pppppppppppiiip",
                       [&](ArrayRef<Value> a) {
                         Value K = a[12], V = a[13];
                         Chunk chunk = {a[0],
                                        a[1],
                                        a[2],
                                        a[3],
                                        a[4],
                                        a[5],
                                        a[6],
                                        a[7],
                                        a[8],
                                        a[9],
                                        a[10],
                                        a[11],
                                        K,
                                        V,
                                        treeRoom(emit, a[14], K, V),
                                        emit.multiply(K, V)};
                         emitBackward(emit, chunk);
                       });
}

} // namespace decay::cpu
