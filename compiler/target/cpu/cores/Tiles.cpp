//===- Tiles.cpp - Register tiles of a block of tokens --------------------===//
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

/// Rows that one turn of an inner loop takes.
static constexpr int64_t rowsPerTurn = 2;

Value panelAt(Emitter &emit, Value panel, Value channel) {
  Value before =
      emit.multiply(emit.roundDown(channel, rowPadding), blockTokens - 1);
  return emit.at(panel, emit.add(before, channel));
}

Values productTile(Emitter &emit, Value panel, int64_t token, int64_t tokens,
                   const Rows &right, Value rowCount, int64_t vectors,
                   Values sums, Value companion) {
  if (companion)
    sums.append(vectors, emit.zeros());
  return emit.loop(emit.integer(0), rowCount, rowsPerTurn, sums,
                   [&](Value row, ValueRange carried) {
                     Values next(carried);
                     Value left = panelAt(emit, panel, row);
                     Value offset = emit.multiply(row, right.stride);
                     for (int64_t r = 0; r < rowsPerTurn; ++r) {
                       Value rowAt = emit.at(right.first, offset);
                       Values operands;
                       for (int64_t i = 0; i < vectors; ++i)
                         operands.push_back(emit.load(rowAt, i * emit.lanes()));
                       for (int64_t t = 0; t < tokens; ++t) {
                         Value factor =
                             emit.splat(left, (token + t) * rowPadding + r);
                         for (int64_t i = 0; i < vectors; ++i) {
                           Value &sum = next[t * vectors + i];
                           sum = emit.fma(factor, operands[i], sum);
                         }
                       }
                       for (int64_t i = 0; companion && i < vectors; ++i) {
                         Value &sum = next[tokens * vectors + i];
                         Value other = emit.load(emit.at(companion, offset),
                                                 i * emit.lanes());
                         sum = emit.fma(other, operands[i], sum);
                       }
                       offset = emit.add(offset, right.stride);
                     }
                     return next;
                   });
}

/// The factors of all tokens, token by token.
static Values loadFactors(Emitter &emit, const Factors &factors,
                          int64_t vectors) {
  Values loaded;
  Value at = factors.first;
  for (int64_t t = 0; t < blockTokens; ++t) {
    for (int64_t i = 0; i < vectors; ++i)
      loaded.push_back(emit.load(at, i * emit.lanes()));
    at = emit.at(at, factors.stride);
  }
  return loaded;
}

void updateTile(Emitter &emit, Value panel, const Factors &factors,
                const Totals &totals, const Rows &source, Value target,
                Value rowCount, int64_t vectors) {
  // Where the factors of all tokens leave registers for the rest, they stay in
  // registers for all rows. Else each is loaded for some rows at a time.
  bool staysLoaded = blockTokens * vectors <= emit.registers() / 2;
  int64_t rows = staysLoaded ? rowsPerTurn : emit.registers() / 4;
  Values loaded;
  if (staysLoaded)
    loaded = loadFactors(emit, factors, vectors);
  emit.loop(rowCount, rows, [&](Value row) {
    Value left = panelAt(emit, panel, row);
    // The old value comes last: one rounding at its size, and that one hidden
    // among the tokens' digits, so that thousands of blocks of λ near 1 do
    // not all round the same way.
    Values sums;
    Value at = factors.first;
    for (int64_t t = 0; t < blockTokens; ++t) {
      for (int64_t r = 0; r < rows; ++r) {
        Value factor = emit.splat(left, t * rowPadding + r);
        for (int64_t i = 0; i < vectors; ++i) {
          Value other = staysLoaded ? loaded[t * vectors + i]
                                    : emit.load(at, i * emit.lanes());
          if (t == 0)
            sums.push_back(emit.times(factor, other));
          else
            sums[r * vectors + i] =
                emit.fma(factor, other, sums[r * vectors + i]);
        }
      }
      at = emit.at(at, factors.stride);
    }
    Value offset = emit.multiply(row, source.stride);
    for (int64_t r = 0; r < rows; ++r) {
      Value from = emit.at(source.first, offset), to = emit.at(target, offset);
      Value rowTotal =
          totals.byRow ? emit.splat(emit.at(totals.byRow, row), r) : Value();
      for (int64_t i = 0; i < vectors; ++i)
        emit.store(emit.fma(rowTotal ? rowTotal : totals.byLane[i],
                            emit.load(from, i * emit.lanes()),
                            sums[r * vectors + i]),
                   to, i * emit.lanes());
      offset = emit.add(offset, source.stride);
    }
  });
}

} // namespace decay::cpu
