//===- Tiles.h - Register tiles of a block of tokens ------------*- C++ -*-===//
//
// A block is blockTokens tokens. Its operands that are read one number at a
// time lie in panels: [channels / 16, blockTokens, 16] floats, so that all
// tokens of a channel are at constant distances from one pointer.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_TILES_H
#define DECAY_COMPILER_TARGET_CPU_CORES_TILES_H

#include "compiler/target/cpu/cores/Cores.h"
#include "compiler/target/cpu/cores/Emitter.h"

namespace decay::cpu {

inline constexpr int64_t blockTokens = coreBlockTokens;
/// Pairs (i, j), j <= i, of a block, at i (i + 1) / 2 + j.
inline constexpr int64_t blockPairs = blockTokens * (blockTokens + 1) / 2;
/// Floats that hold the pairs, whole vectors.
inline constexpr int64_t pairFloats = 48;
constexpr int64_t pairIndex(int64_t i, int64_t j) {
  return i * (i + 1) / 2 + j;
}

/// Rows of a matrix, cut to a slice of columns: its first float and the
/// distance of rows.
struct Rows {
  mlir::Value first, stride;
};

/// Token 0 of `channel` in a panel; token t is 16 t floats behind.
mlir::Value panelAt(Emitter &emit, mlir::Value panel, mlir::Value channel);
/// sums[t, i] += Σ_r panel[t, r] right[r, i] for `tokens` tokens from `token`
/// on and `vectors` vectors. With `companion` (rows as `right`'s) the last
/// `vectors` sums are Σ_r companion[r, i] right[r, i].
Values productTile(Emitter &emit, mlir::Value panel, int64_t token,
                   int64_t tokens, const Rows &right, mlir::Value rowCount,
                   int64_t vectors, Values sums, mlir::Value companion = {});

/// How the old value is scaled: by row (a pointer) or by lane (vectors).
struct Totals {
  mlir::Value byRow;
  Values byLane;
};

/// What a block adds to the state: for each token a row of vectors.
struct Factors {
  mlir::Value first;  ///< token 0's
  mlir::Value stride; ///< floats between tokens
  /// In panels, channels beyond rowPadding begin a panel of all the tokens.
  bool arePanels = false;
};

/// target[r, i] = total source[r, i] + Σ_t panel[t, r] factors[t, i] over the
/// tokens of a block.
void updateTile(Emitter &emit, mlir::Value panel, const Factors &factors,
                const Totals &totals, const Rows &source, mlir::Value target,
                mlir::Value rowCount, int64_t vectors);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_TILES_H
