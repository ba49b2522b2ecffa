//===- TreeRoom.cpp - What the blocks of a chunk keep in work -------------===//
#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

TreeRoom treeRoom(Emitter &emit, Value work, Value K, Value V) {
  constexpr int64_t blocks = chunkTokens / blockTokens;
  auto take = [&](Value floats) {
    Value first = work;
    work = emit.at(work, floats);
    return first;
  };
  Value keys = emit.multiply(K, chunkTokens);
  Value values = emit.multiply(V, chunkTokens);
  Value pairs = emit.integer(blocks * pairFloats);
  Value area = emit.multiply(K, V);
  TreeRoom room;
  room.weights = take(pairs), room.products = take(pairs);
  room.totals = take(emit.multiply(K, blocks));
  room.qPanels = take(keys), room.kPanels = take(keys);
  room.vPanels = take(values), room.dOPanels = take(values);
  room.dQ = take(emit.multiply(K, blockTokens));
  room.dK = take(emit.multiply(K, blockTokens));
  room.dTotal = take(K);
  room.states = take(emit.multiply(area, blocks));
  room.gradient = take(area);
  room.rest = work;
  return room;
}

void prepareBlocks(Emitter &emit, Value q, Value k, Value lambda,
                   const TreeRoom &room, Value blocks, Value K) {
  func::FuncOp prepare = treePrepare(emit);
  Value panel = emit.multiply(K, blockTokens);
  emit.loop(blocks, 1, [&](Value block) {
    Value at = emit.multiply(block, panel);
    emit.call(prepare,
              {emit.at(q, at), emit.at(k, at), emit.at(lambda, at),
               emit.at(room.qPanels, at), emit.at(room.kPanels, at),
               emit.at(room.totals, emit.multiply(block, K)),
               emit.at(room.weights, emit.multiply(block, pairFloats)), K});
  });
}

void prepareStateBlocks(Emitter &emit, Value k, Value lambda,
                        const TreeRoom &room, Value blocks, Value K) {
  func::FuncOp prepare = treePrepareState(emit);
  Value panel = emit.multiply(K, blockTokens);
  emit.loop(blocks, 1, [&](Value block) {
    Value at = emit.multiply(block, panel);
    emit.call(prepare,
              {emit.at(k, at), emit.at(lambda, at), emit.at(room.kPanels, at),
               emit.at(room.totals, emit.multiply(block, K)), K});
  });
}

void prepareGradientBlocks(Emitter &emit, Value v, Value dO,
                           const TreeRoom &room, Value blocks, Value V) {
  func::FuncOp prepare = treePrepareGradient(emit);
  Value panel = emit.multiply(V, blockTokens);
  emit.loop(blocks, 1, [&](Value block) {
    Value at = emit.multiply(block, panel);
    emit.call(prepare,
              {emit.at(v, at), emit.at(dO, at), emit.at(room.vPanels, at),
               emit.at(room.dOPanels, at),
               emit.at(room.products, emit.multiply(block, pairFloats)), V});
  });
}

} // namespace decay::cpu
