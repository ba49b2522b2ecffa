//===- Tiles.cpp - Register tiles of a block of tokens --------------------===//
#include "compiler/target/cpu/cores/Tiles.h"

using namespace mlir;

namespace decay::cpu {

/// Rows that one turn of an inner loop takes.
static constexpr int64_t rowsPerTurn = 2;
/// The most rows whose products one sum of productTile takes.
static constexpr int64_t partialRows = 32;

Value panelAt(Emitter &emit, Value panel, Value channel) {
  Value before =
      emit.multiply(emit.roundDown(channel, rowPadding), blockTokens - 1);
  return emit.at(panel, emit.add(before, channel));
}

namespace {

/// What productTile multiplies.
struct Product {
  Value panel;
  int64_t token, tokens;
  Rows right;
  int64_t vectors;
  Value companion;
};

/// The sums over rows `from` to `to`, on top of `sums`.
Values addRows(Emitter &emit, const Product &product, Value from, Value to,
               const Values &sums) {
  int64_t vectors = product.vectors;
  return emit.loop(
      from, to, rowsPerTurn, sums, [&](Value row, ValueRange carried) {
        Values next(carried);
        Value left = panelAt(emit, product.panel, row);
        Value offset = emit.multiply(row, product.right.stride);
        for (int64_t r = 0; r < rowsPerTurn; ++r) {
          Value rowAt = emit.at(product.right.first, offset);
          Values operands;
          for (int64_t i = 0; i < vectors; ++i)
            operands.push_back(emit.load(rowAt, i * emit.lanes()));
          for (int64_t t = 0; t < product.tokens; ++t) {
            Value factor =
                emit.splat(left, (product.token + t) * rowPadding + r);
            for (int64_t i = 0; i < vectors; ++i) {
              Value &sum = next[t * vectors + i];
              sum = emit.fma(factor, operands[i], sum);
            }
          }
          for (int64_t i = 0; product.companion && i < vectors; ++i) {
            Value &sum = next[product.tokens * vectors + i];
            Value other =
                emit.load(emit.at(product.companion, offset), i * emit.lanes());
            sum = emit.fma(other, operands[i], sum);
          }
          offset = emit.add(offset, product.right.stride);
        }
        return next;
      });
}

} // namespace

Values productTile(Emitter &emit, Value panel, int64_t token, int64_t tokens,
                   const Rows &right, Value rowCount, int64_t vectors,
                   Values sums, Value companion) {
  if (companion)
    sums.append(vectors, emit.zeros());
  Product product{panel, token, tokens, right, vectors, companion};
  // Equal terms, as some positional encodings make them, all round one way
  // while they are added to one sum: past partialRows, new ones begin.
  Value part = emit.integer(partialRows);
  Value behind = emit.add(rowCount, -partialRows);
  Value first = emit.chooseIfPositive(behind, part, rowCount);
  sums = addRows(emit, product, emit.integer(0), first, sums);
  return emit.loop(
      first, rowCount, partialRows, sums, [&](Value from, ValueRange carried) {
        Value left = emit.add(emit.subtract(rowCount, from), -partialRows);
        Value to =
            emit.chooseIfPositive(left, emit.add(from, partialRows), rowCount);
        Values sum = addRows(emit, product, from, to,
                             Values(carried.size(), emit.zeros()));
        for (auto [each, before] : llvm::zip(sum, carried))
          each = emit.plus(before, each);
        return sum;
      });
}

/// One vector of a token's factors.
static Value loadFactor(Emitter &emit, const Factors &factors, Value token,
                        int64_t vector) {
  int64_t channel = vector * emit.lanes();
  if (factors.arePanels)
    channel =
        channel / rowPadding * rowPadding * blockTokens + channel % rowPadding;
  return emit.load(token, channel);
}

/// The factors of all tokens, token by token.
static Values loadFactors(Emitter &emit, const Factors &factors,
                          int64_t vectors) {
  Values loaded;
  Value at = factors.first;
  for (int64_t t = 0; t < blockTokens; ++t) {
    for (int64_t i = 0; i < vectors; ++i)
      loaded.push_back(loadFactor(emit, factors, at, i));
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
                                    : loadFactor(emit, factors, at, i);
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
