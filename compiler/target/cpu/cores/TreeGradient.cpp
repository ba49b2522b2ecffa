//===- TreeGradient.cpp - Gradients inside a block ------------------------===//
//
// The adjoint of TreePrepare's products, for each channel on its own. In:
//     dWeight_ij = do_i · v_j, dQ_i = S do_i and dK_j = dS v_j of the states
//     around the block, dTotal = Σ_v S ∘ dS.
// Forward again, key j at token i is u_ij = k_j λ_{j+1} … λ_i; back, its
// gradient g_j grows by each token that read it:
//     g_j += dWeight_ij q_i    h += dQ_i q_i       (h: gradient of prefix_i)
//     dλ_i = h prefix_{i-1} + Σ_{j<i} g_j u_{i-1,j}
//     g_j, h scaled by λ_i     dk_i = g_i          dq_i = dQ_i prefix_i + Σ_j
//     dWeight_ij u_ij
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

namespace {

/// Pointers at a channel; rows of tokens are `stride` floats apart, those of
/// dQ and dK as well.
struct Operands {
  Value q, k, lambda, dQ, dK, dTotal, products, dq, dk, dLambda, stride;
};

struct Passed {
  Values decay, prefix;
  /// keys[i][j] = u_ij.
  SmallVector<Values> keys;
};

/// Up the block: products again, and dq on the way.
Passed emitUp(Emitter &emit, const Operands &block) {
  Passed passed;
  Value offset = emit.integer(0);
  for (int64_t i = 0; i < blockTokens; ++i) {
    Value decay = emit.load(emit.at(block.lambda, offset));
    Values keys;
    if (i)
      for (Value key : passed.keys.back())
        keys.push_back(emit.times(key, decay));
    keys.push_back(emit.load(emit.at(block.k, offset)));
    Value prefix = i ? emit.times(passed.prefix.back(), decay) : decay;
    Value sum = emit.times(emit.load(emit.at(block.dQ, offset)), prefix);
    for (int64_t j = 0; j <= i; ++j)
      sum = emit.fma(emit.splat(block.products, pairIndex(i, j)), keys[j], sum);
    emit.store(sum, emit.at(block.dq, offset));
    passed.decay.push_back(decay);
    passed.prefix.push_back(prefix);
    passed.keys.push_back(keys);
    offset = emit.add(offset, block.stride);
  }
  return passed;
}

void emitDown(Emitter &emit, const Operands &block, const Passed &passed) {
  Values offsets = {emit.integer(0)}, gradients;
  for (int64_t i = 0; i < blockTokens; ++i) {
    gradients.push_back(emit.load(emit.at(block.dK, offsets.back())));
    offsets.push_back(emit.add(offsets.back(), block.stride));
  }
  Value h = emit.load(block.dTotal);
  for (int64_t i = blockTokens - 1; i >= 0; --i) {
    Value q = emit.load(emit.at(block.q, offsets[i]));
    h = emit.fma(emit.load(emit.at(block.dQ, offsets[i])), q, h);
    for (int64_t j = 0; j <= i; ++j)
      gradients[j] = emit.fma(emit.splat(block.products, pairIndex(i, j)), q,
                              gradients[j]);
    emit.store(gradients[i], emit.at(block.dk, offsets[i]));
    Value sum = i ? emit.times(h, passed.prefix[i - 1]) : h;
    for (int64_t j = 0; j < i; ++j)
      sum = emit.fma(gradients[j], passed.keys[i - 1][j], sum);
    emit.store(sum, emit.at(block.dLambda, offsets[i]));
    h = emit.times(h, passed.decay[i]);
    for (int64_t j = 0; j < i; ++j)
      gradients[j] = emit.times(gradients[j], passed.decay[i]);
  }
}

} // namespace

func::FuncOp treeGradient(Emitter &emit) {
  return emit.function(
      "core_tree_gradient", "ppppppppppi", [&](ArrayRef<Value> a) {
        emit.loop(a[10], emit.lanes(), [&](Value channel) {
          Values at;
          for (Value pointer : a.take_front(10))
            at.push_back(emit.at(pointer, channel));
          Operands block = {at[0], at[1], at[2], at[3], at[4], at[5],
                            a[6],  at[7], at[8], at[9], a[10]};
          emitDown(emit, block, emitUp(emit, block));
        });
      });
}

} // namespace decay::cpu
