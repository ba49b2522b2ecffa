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

Values loadPanel(Emitter &emit, Value first, int64_t token, int64_t vectors) {
  Values loaded;
  for (int64_t i = 0; i < vectors; ++i) {
    int64_t channel = i * emit.lanes();
    loaded.push_back(
        emit.load(first, channel / rowPadding * rowPadding * blockTokens +
                             channel % rowPadding + token * rowPadding));
  }
  return loaded;
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

void updateTile(Emitter &emit, Value panel, const Values &factors,
                const Totals &totals, const Rows &source, Value target,
                Value rowCount, int64_t vectors) {
  emit.loop(rowCount, rowsPerTurn, [&](Value row) {
    Value left = panelAt(emit, panel, row);
    Value offset = emit.multiply(row, source.stride);
    for (int64_t r = 0; r < rowsPerTurn; ++r) {
      Value from = emit.at(source.first, offset), to = emit.at(target, offset);
      Value rowTotal =
          totals.byRow ? emit.splat(emit.at(totals.byRow, row), r) : Value();
      // The old value comes last: one rounding at its size, and that one hidden
      // among the tokens' digits, so that thousands of blocks of λ near 1 do
      // not all round the same way.
      Values s;
      for (int64_t t = 0; t < blockTokens; ++t) {
        Value factor = emit.splat(left, t * rowPadding + r);
        for (int64_t i = 0; i < vectors; ++i) {
          Value other = factors[t * vectors + i];
          if (t == 0)
            s.push_back(emit.times(factor, other));
          else
            s[i] = emit.fma(factor, other, s[i]);
        }
      }
      for (int64_t i = 0; i < vectors; ++i)
        s[i] = emit.fma(rowTotal ? rowTotal : totals.byLane[i],
                        emit.load(from, i * emit.lanes()), s[i]);
      for (int64_t i = 0; i < vectors; ++i)
        emit.store(s[i], to, i * emit.lanes());
      offset = emit.add(offset, source.stride);
    }
  });
}

void updateParts(Emitter &emit, Value column, int64_t vectors,
                 function_ref<void(Value, int64_t)> body) {
  if (blockTokens * vectors <= emit.registers() / 2)
    return body(column, vectors);
  for (int64_t x = 0; x < vectors; ++x)
    body(emit.add(column, x * emit.lanes()), 1);
}

} // namespace decay::cpu
