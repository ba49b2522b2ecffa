//===- ScalarRotation.cpp - Rotations where rows stay rows ----------------===//
//
// Channels c and c + K / 2 turn together, by p θ_c. In shared memory and in
// states 16 channels of one half lie in front of their 16 of the other
// (*places*), so that a thread has both near each other, in rows as in sums.
// What is summed over channels does not know the order.
//
// θ is kept as a phase, in units of 2^-64 turns: modulo a turn p θ is a product
// of integers, of which the upper word is the angle at any position.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/ScalarEmitter.h"

#include <numbers>

namespace decay::cuda {

namespace arith = mlir::arith;

namespace {

constexpr int64_t pieceBytes = 16, pieceColumns = 8;
/// From a piece of the first half to that of the second.
constexpr int64_t halfStep = 2, halfStepBytes = halfStep * pieceBytes;

/// The place of a first half's piece: two of either half in turn.
Value placeOfFirst(Lanes &code, Value piece) {
  return code.bitOr(code.shiftLeft(code.shiftRight(piece, 1), 2),
                    code.bitAnd(piece, 1));
}

} // namespace

/// Where the copies put 8 channels of q or k.
Value ScalarEmitter::placeOfPiece(const Stream &stream, Value piece) {
  if (!isTurning || shapeOf(stream.operand).contains('V'))
    return piece;
  const int64_t half = shape.K / 2 / pieceColumns;
  Value isSecond = code.atLeast(piece, half);
  return code.add(
      placeOfFirst(code, code.bitAnd(piece, half - 1)),
      code.choose(isSecond, code.integer(halfStep), code.integer(0)));
}

/// The channels of a place, by eight.
int64_t ScalarEmitter::pieceAt(int64_t place) const {
  if (!isTurning)
    return place;
  return place / 4 * 2 + place % 2 +
         place / 2 % 2 * (shape.K / 2 / pieceColumns);
}

Value ScalarEmitter::channelAt(Value place) {
  if (!isTurning)
    return place;
  Value within = code.bitAnd(place, 15);
  Value first = code.add(code.shiftLeft(code.shiftRight(place, 5), 4), within);
  Value isSecond = code.bitAnd(code.shiftRight(place, 4), 1);
  return code.add(first, code.mul(isSecond, shape.K / 2));
}

/// θ of all channels: the lower and the upper word of pairs of channels, those
/// of a piece one row of the table behind the other.
void ScalarEmitter::storePhases() {
  if (!isTurning)
    return;
  const int64_t count = shape.K / 2;
  code.when(code.less(thread, count), [&] {
    constexpr double turn = 0x1p64 / (2 * std::numbers::pi);
    Value scaled = arith::MulFOp::create(
        builder, code.place, frequencyOf(thread, count),
        arith::ConstantOp::create(builder, code.place,
                                  builder.getF64FloatAttr(turn)));
    Value phase =
        arith::FPToSIOp::create(builder, code.place, code.i64(), scaled);
    Value row = code.bitAnd(code.shiftRight(thread, 1), 3);
    Value pair = code.add(code.mul(row, count / pieceColumns),
                          code.shiftRight(thread, 3));
    Value offset = code.add(code.shiftLeft(pair, 4),
                            code.shiftLeft(code.bitAnd(thread, 1), 3));
    code.storeShared(phase, offset, places.phases);
  });
}

/// Of two neighbouring channels, number `pair` of a first half's piece.
Values ScalarEmitter::loadPhases(Value piece, Value pair) {
  Value row = code.mul(pair, shape.K / 2 / pieceColumns);
  return code.split(code.loadShared(code.vector(4, code.i32()),
                                    code.shiftLeft(code.add(row, piece), 4),
                                    places.phases));
}

/// A token's position, lower and upper word.
ScalarEmitter::Pair ScalarEmitter::positionOf(Value row) {
  Value position = code.add(field(LaunchField::Position),
                            code.extend(inSequence(code.add(firstToken, row))));
  Value upper =
      arith::ShRUIOp::create(builder, code.place, position, code.wide(32));
  return {code.truncate(position), code.truncate(upper)};
}

/// cos and sin of a position's angle.
ScalarEmitter::Pair ScalarEmitter::turnOf(const Pair &position, Value lower,
                                          Value upper) {
  Value product = code.mul(code.extend(position[0]), code.extend(lower));
  Value carried = code.truncate(
      arith::ShRUIOp::create(builder, code.place, product, code.wide(32)));
  Value phase = code.add(carried, code.add(code.mul(position[0], upper),
                                           code.mul(position[1], lower)));
  Value signedPhase =
      arith::SIToFPOp::create(builder, code.place, code.f32(), phase);
  constexpr double unit = 2 * std::numbers::pi * 0x1p-32;
  Value angle = code.fmul(signedPhase, code.number(static_cast<float>(unit)));
  return {code.shortCosine(angle), code.shortSine(angle)};
}

/// As activate, for operands that turn alike: a thread has 8 channels of either
/// half of a row at a time.
void ScalarEmitter::activateTurning(llvm::ArrayRef<Value> operands) {
  const int64_t pairs = rowBytes(shape.K) / (2 * pieceBytes);
  const int64_t rowsAtOnce = blockThreads() / pairs;
  const int64_t rows = chunkTokens * (shape.K / 2 / pieceColumns) / pairs;
  assert(rowsAtOnce <= chunkTokens && chunkTokens % rowsAtOnce == 0);
  Value own = code.bitAnd(thread, pairs - 1);
  Value ownRow = code.divide(thread, code.integer(pairs));
  for (int64_t first = 0; first < rows; first += rowsAtOnce) {
    Value row = code.add(ownRow, first % chunkTokens);
    Value piece = code.add(own, first / chunkTokens * pairs);
    Pair position = positionOf(row);
    llvm::SmallVector<Pair> turns;
    for (int64_t pair = 0; pair < 4; ++pair) {
      Values phases = loadPhases(piece, code.integer(pair));
      for (int64_t each = 0; each < 2; ++each)
        turns.push_back(
            turnOf(position, phases[2 * each], phases[2 * each + 1]));
    }
    Value offset = rowOffset(row, placeOfFirst(code, piece), shape.K);
    for (Value operand : operands)
      turnPieces(operand, offset, turns);
  }
}

/// 8 channels of a row and their 8 of the second half.
void ScalarEmitter::turnPieces(Value operand, Value offset,
                               llvm::ArrayRef<Pair> turns) {
  Value source = turnedOperand(operand);
  int64_t region = regionOf(operand);
  Value offsets[] = {offset, code.bitXor(offset, halfStepBytes)};
  Values words[2];
  for (int64_t half = 0; half < 2; ++half)
    words[half] = code.split(
        code.loadShared(code.vector(4, code.i32()), offsets[half], region));
  Values made[2];
  for (int64_t word = 0; word < 4; ++word) {
    Pair halves[2];
    for (int64_t half = 0; half < 2; ++half) {
      Value pair = words[half][word];
      Pair raw = {code.unpackLow(pair), code.unpackHigh(pair)};
      halves[half] = numbersFrom(source, [&](Value) { return raw; });
    }
    Pair first, second;
    for (int64_t each = 0; each < 2; ++each) {
      auto [cosine, sine] = turns[2 * word + each];
      Value a = halves[0][each], b = halves[1][each];
      first[each] = code.fma(a, cosine, code.fneg(code.fmul(b, sine)));
      second[each] = code.fma(b, cosine, code.fmul(a, sine));
    }
    made[0].push_back(code.pack(first[0], first[1]));
    made[1].push_back(code.pack(second[0], second[1]));
  }
  for (int64_t half = 0; half < 2; ++half)
    code.storeShared(pieceOf(made[half]), offsets[half], region);
}

/// 16 channels of either half of q's or k's gradient as they were before the
/// rotation: the same by the opposite angle. A lane has two channels of either
/// half in tiles two apart.
void ScalarEmitter::turnBack(Sums &sums, int64_t pair) {
  for (int64_t each = 0; each < halfStep; ++each) {
    Value piece =
        code.add(code.shiftRight(firstColumn(), 4), halfStep * pair + each);
    Values phases = loadPhases(piece, code.bitAnd(lane, 3));
    auto &first = sums[2 * halfStep * pair + each];
    auto &second = sums[2 * halfStep * pair + each + halfStep];
    for (int64_t number = 0; number < 4; ++number) {
      const int64_t channel = number % 2, eight = number / 2;
      auto [cosine, sine] =
          turnOf(positionOf(code.add(firstOwnRow(), eight * 8)),
                 phases[2 * channel], phases[2 * channel + 1]);
      Value a = first[number], b = second[number];
      first[number] = code.fma(a, cosine, code.fmul(b, sine));
      second[number] = code.fma(b, cosine, code.fneg(code.fmul(a, sine)));
    }
    // Or all angles would be made at once, and spilled.
    code.warpBarrier();
  }
}

} // namespace decay::cuda
