//===- TreePrepare.cpp - Products and scaled operands of a block ----------===//
//
// For a block of tokens 0..7 and each channel, all from products of numbers in
// [0, 1], with neither logarithm nor division:
//
//     prefix_i = λ_0 … λ_i    suffix_j = λ_{j+1} … λ_7    total = λ_0 … λ_7
//     weight_ij = Σ_c q_i k_j λ_{j+1} … λ_i   (j <= i)
//
// The keys of the block are carried along and scaled by each λ that they pass:
// at token i key j is k_j λ_{j+1} … λ_i, at the end it is k_j suffix_j.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

namespace {

/// Adds a_i b_j to the sum of each pair of token i.
void addPairs(Emitter &emit, int64_t i, Value a, ArrayRef<Value> b,
              Values &sums) {
  for (int64_t j = 0; j <= i; ++j)
    sums[pairIndex(i, j)] = emit.fma(a, b[j], sums[pairIndex(i, j)]);
}

/// Lane sums of all pairs, in the order of pairIndex.
void storePairs(Emitter &emit, ArrayRef<Value> sums, Value target) {
  for (int64_t pair = 0; pair < blockPairs; pair += emit.lanes()) {
    ArrayRef<Value> rest = sums.drop_front(pair);
    emit.store(emit.laneSums(rest.take_front(
                   std::min<size_t>(emit.lanes(), rest.size()))),
               target, pair);
  }
}

struct Operands {
  Value q, k, lambda, qPanel, kPanel, total, channels;
};

/// One vector of channels; q is null where only the state is wanted.
void scaleChannels(Emitter &emit, const Operands &block, Value channel,
                   Values &sums) {
  Value prefix;
  Values keys;
  Value offset = channel;
  Value qPanel = block.q ? panelAt(emit, block.qPanel, channel) : Value();
  for (int64_t i = 0; i < blockTokens; ++i) {
    Value decay = emit.load(emit.at(block.lambda, offset));
    prefix = i ? emit.times(prefix, decay) : decay;
    for (Value &key : keys)
      key = emit.times(key, decay);
    keys.push_back(emit.load(emit.at(block.k, offset)));
    if (block.q) {
      Value q = emit.load(emit.at(block.q, offset));
      addPairs(emit, i, q, keys, sums);
      emit.store(emit.times(q, prefix), qPanel, i * rowPadding);
    }
    offset = emit.add(offset, block.channels);
  }
  Value kPanel = panelAt(emit, block.kPanel, channel);
  for (auto [i, key] : llvm::enumerate(keys))
    emit.store(key, kPanel, i * rowPadding);
  emit.store(prefix, emit.at(block.total, channel));
}

} // namespace

func::FuncOp treePrepare(Emitter &emit) {
  return emit.function("core_tree_prepare", "pppppppi", [&](ArrayRef<Value> a) {
    Operands block = {a[0], a[1], a[2], a[3], a[4], a[5], a[7]};
    Values zero(blockPairs, emit.zeros());
    Values sums = emit.loop(emit.integer(0), block.channels, emit.lanes(), zero,
                            [&](Value channel, ValueRange carried) {
                              Values next(carried);
                              scaleChannels(emit, block, channel, next);
                              return next;
                            });
    storePairs(emit, sums, a[6]);
  });
}

func::FuncOp treePrepareState(Emitter &emit) {
  return emit.function(
      "core_tree_prepare_state", "ppppi", [&](ArrayRef<Value> a) {
        Operands block = {{}, a[0], a[1], {}, a[2], a[3], a[4]};
        emit.loop(block.channels, emit.lanes(), [&](Value channel) {
          Values none;
          scaleChannels(emit, block, channel, none);
        });
      });
}

func::FuncOp treePrepareGradient(Emitter &emit) {
  return emit.function(
      "core_tree_prepare_gradient", "pppppi", [&](ArrayRef<Value> a) {
        Value v = a[0], dO = a[1], vPanel = a[2], dOPanel = a[3], width = a[5];
        Values zero(blockPairs, emit.zeros());
        Values sums =
            emit.loop(emit.integer(0), width, emit.lanes(), zero,
                      [&](Value channel, ValueRange carried) {
                        Values next(carried), values;
                        Value vAt = panelAt(emit, vPanel, channel);
                        Value dOAt = panelAt(emit, dOPanel, channel);
                        Value offset = channel;
                        for (int64_t i = 0; i < blockTokens; ++i) {
                          values.push_back(emit.load(emit.at(v, offset)));
                          emit.store(values.back(), vAt, i * rowPadding);
                          Value gradient = emit.load(emit.at(dO, offset));
                          emit.store(gradient, dOAt, i * rowPadding);
                          addPairs(emit, i, gradient, values, next);
                          offset = emit.add(offset, width);
                        }
                        return next;
                      });
        storePairs(emit, sums, a[4]);
      });
}

} // namespace decay::cpu
