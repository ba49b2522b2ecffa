//===- ScanShares.cpp - Of a running sum, the shares of its last term -----===//
//
// Most of a running log Σ exp asks for no logarithm: λ = σ(prev(z) - f) is the
// share that the sum before has in the next one, 1 - λ that of the new term
// (Gates.h). Where nothing else is asked for, sums are kept whole.
//
// Backward makes columns again twice; there such shares are kept in the place
// of the terms, in as many registers: the smaller of the two in bf16, with a
// sign that says which. So both are right to 2^-9 of what the smaller one is.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/Gates.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include <limits>
#include <numbers>

namespace decay::cuda {

using ir::Axis;

/// Whether a value's users are content with the scan's shares.
static bool needsSharesAlone(chunk::ScanOp scan, Value value) {
  return llvm::all_of(value.getUses(), [&](mlir::OpOperand &use) {
    mlir::Operation *user = use.getOwner();
    if (user == scan || mlir::isa<chunk::ScanGradientOp>(user))
      return true;
    auto op = mlir::dyn_cast<chunk::PointwiseOp>(user);
    return op && sharedScan(op) == scan &&
           !takesArgument(op, use.getOperandNumber());
  });
}

bool KernelEmitter::takesSharesAlone(chunk::ScanOp op) {
  bool isMadeAgain = hasGradient && !keepsShares(op);
  return op.getKind() == "logcumsumexp" && !isMadeAgain &&
         needsSharesAlone(op, op.getExclusive()) &&
         needsSharesAlone(op, op.getInclusive());
}

/// The sum is relative to its largest term, in powers of two.
void KernelEmitter::runShares(chunk::ScanOp op, const Values &terms,
                              const LogSum &before) {
  Value log2e = code.number(std::numbers::log2e_v<float>);
  Value one = code.number(1), zero = code.number(0);
  Value lowest = code.number(std::numeric_limits<float>::lowest());
  Value sum = code.fadd(before.rest, one);
  Value largest = apply("max", {code.fmul(before.largest, log2e), lowest});
  std::array<Tile, 2> &shares = scanShares[op];
  for (auto [token, term] : llvm::enumerate(terms)) {
    Value scaled = code.fmul(term, log2e);
    Value difference = code.fsub(scaled, largest);
    Value e = code.shortExp2(code.fneg(code.absolute(difference)));
    Value isLarger = code.fgreater(difference, zero);
    Value rest = code.fmul(sum, code.choose(isLarger, e, one));
    Value own = code.choose(isLarger, one, e);
    sum = code.fadd(rest, own);
    largest = apply("max", {largest, scaled});
    Value inverse = code.inverse(sum);
    auto place = columnIndex * groupTokens + static_cast<int64_t>(token);
    shares[0].numbers[place] = code.fmul(rest, inverse);
    shares[1].numbers[place] = code.fmul(own, inverse);
  }
}

bool KernelEmitter::keepsShares(chunk::ScanOp op) {
  auto term = op.getTerm().getDefiningOp<chunk::ReadOp>();
  return hasGradient && !keepsColumns && op.getKind() == "logcumsumexp" &&
         term && term.getType().has(Axis::Channel) &&
         !tile(op.getTerm()).pairs.empty() &&
         needsSharesAlone(op, op.getTerm()) &&
         needsSharesAlone(op, op.getExclusive()) &&
         needsSharesAlone(op, op.getInclusive());
}

/// Those of the column at hand.
void KernelEmitter::keepShares(chunk::ScanOp op) {
  Tile &term = tile(op.getTerm());
  const std::array<Tile, 2> &shares = scanShares[op];
  auto smaller = [&](int64_t token) {
    Value ofSum = numberAt(shares[0], token);
    Value ofTerm = numberAt(shares[1], token);
    return code.choose(code.fgreater(ofTerm, ofSum), ofSum, code.fneg(ofTerm));
  };
  for (auto [index, word] : llvm::enumerate(term.pairs)) {
    auto at = static_cast<int64_t>(index);
    if (shape.columnsPerThread == 1)
      word = code.pack(smaller(2 * at), smaller(2 * at + 1));
    else if (columnIndex == 0)
      word = code.pack(smaller(at), code.unpackHigh(word));
    else
      word = code.pack(code.unpackLow(word), smaller(at));
  }
  if (columnIndex + 1 < shape.columnsPerThread)
    return;
  maskShares(op);
  const Stream &stream = streamOf(op.getTerm().getDefiningOp<chunk::ReadOp>());
  if (stream.lastQuarter >= 0)
    keepLastQuarter(stream, term.pairs);
}

/// Behind the sequence's end all of a sum is from before.
void KernelEmitter::maskShares(chunk::ScanOp op) {
  constexpr int64_t noneOfOne = 0x8000, noneOfBoth = 0x80008000;
  Values &words = tile(op.getTerm()).pairs;
  words = code.choose(
      isWhole(), [&] { return words; },
      [&] {
        code.warpBarrier();
        Values made;
        for (auto [index, word] : llvm::enumerate(words)) {
          auto at = static_cast<int64_t>(index);
          if (shape.columnsPerThread > 1) {
            made.push_back(
                code.choose(isValid(at), word, code.integer(noneOfBoth)));
            continue;
          }
          Value both = code.choose(isValid(2 * at + 1), word,
                                   code.bitOr(code.bitAnd(word, 0xffff),
                                              code.integer(noneOfOne << 16)));
          made.push_back(
              code.choose(isValid(2 * at), both, code.integer(noneOfBoth)));
        }
        return made;
      });
}

/// Whether a λ is 1 behind the sequence's end as it stands.
bool KernelEmitter::isMasked(Value lambda) {
  auto op = lambda.getDefiningOp<chunk::PointwiseOp>();
  chunk::ScanOp scan = op ? sharedScan(op) : nullptr;
  if (!scan || !keepsShares(scan))
    return false;
  auto index = mlir::cast<mlir::OpResult>(lambda).getResultNumber();
  mlir::Operation *made =
      op.getBody().front().getTerminator()->getOperand(index).getDefiningOp();
  auto ofSum = made ? made->getAttrOfType<mlir::BoolAttr>(shareName) : nullptr;
  return ofSum && ofSum.getValue();
}

/// The range's, of the column at hand, from what was kept.
void KernelEmitter::sharesAgain(chunk::ScanOp op) {
  std::array<Tile, 2> &shares = scanShares[op];
  for (Tile &share : shares)
    share.numbers.resize(groupTokens * columnsAtHand());
  for (int64_t token = firstOfRange; token < endOfRange; ++token) {
    Value kept = numberAt(tile(op.getTerm()), token);
    Value smaller = code.absolute(kept);
    Value larger = code.fsub(code.number(1), smaller);
    Value isOfTerm = code.isNegative(kept);
    int64_t place = columnIndex * groupTokens + token;
    shares[0].numbers[place] = code.choose(isOfTerm, larger, smaller);
    shares[1].numbers[place] = code.choose(isOfTerm, smaller, larger);
  }
}

} // namespace decay::cuda
