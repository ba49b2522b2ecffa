//===- Parts.h - The functions that cores are made of -----------*- C++ -*-===//
//
// Each returns a private function of the module, emitted at the first call.
// All decay is by channel here; scalar cores wrap these.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H
#define DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H

#include "compiler/target/cpu/cores/Cores.h"
#include "compiler/target/cpu/cores/Emitter.h"

namespace decay::cpu {

/// (source [rows, columns], target [columns, rows], rows, columns), dense.
mlir::func::FuncOp transposeFunction(Emitter &emit);

/// Vector-decay cores, token by token.
mlir::func::FuncOp recurrentForward(Emitter &emit);
mlir::func::FuncOp recurrentState(Emitter &emit);
mlir::func::FuncOp recurrentBackward(Emitter &emit);

/// Vector-decay cores, by blocks of tokens (Tiles.h).
mlir::func::FuncOp treeForward(Emitter &emit);
mlir::func::FuncOp treeState(Emitter &emit);
mlir::func::FuncOp treeBackward(Emitter &emit);

/// Of one block: (q, k, λ, qPanel, kPanel, total, weights, K), the panels being
/// q prefix and k suffix; for the state (k, λ, kPanel, total, K).
mlir::func::FuncOp treePrepare(Emitter &emit);
mlir::func::FuncOp treePrepareState(Emitter &emit);
/// Of one block: (v, do, vPanel, doPanel, products, V), products = do_i · v_j.
mlir::func::FuncOp treePrepareGradient(Emitter &emit);
/// Of one block: (q, k, λ, dQ, dK, dTotal, products, dq, dk, dλ, K).
mlir::func::FuncOp treeGradient(Emitter &emit);

/// Where the blocks of a chunk keep what they share, in work.
struct TreeRoom {
  mlir::Value weights, products, totals; ///< by block: pairs, pairs, [K]
  mlir::Value qPanels, kPanels, vPanels, dOPanels; ///< by block
  mlir::Value dQ, dK, dTotal; ///< of the current block: [8, K] twice, [K]
  mlir::Value states;         ///< by block: the state before it, [V, K]
  mlir::Value gradient;       ///< of the current state, [V, K]
  mlir::Value rest;           ///< work of the recurrent cores
};
TreeRoom treeRoom(Emitter &emit, mlir::Value work, mlir::Value K,
                  mlir::Value V);

/// Loops of the three prepare functions over the first `blocks` blocks.
void prepareBlocks(Emitter &emit, mlir::Value q, mlir::Value k,
                   mlir::Value lambda, const TreeRoom &room, mlir::Value blocks,
                   mlir::Value K);
void prepareStateBlocks(Emitter &emit, mlir::Value k, mlir::Value lambda,
                        const TreeRoom &room, mlir::Value blocks,
                        mlir::Value K);
void prepareGradientBlocks(Emitter &emit, mlir::Value v, mlir::Value dO,
                           const TreeRoom &room, mlir::Value blocks,
                           mlir::Value V);

/// The scalar core `base`, which calls the vector core of the same direction.
mlir::func::FuncOp scalarCore(Emitter &emit, llvm::StringRef base,
                              Direction direction,
                              mlir::func::FuncOp vectorCore);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_PARTS_H
