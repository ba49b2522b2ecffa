//===- Rotation.cpp - Positional encodings --------------------------------===//
//
// An angle p θ needs more digits than fp32 has: cos and sin are taken in fp64
// once per chunk, for the first of a thread's tokens, and turned on by θ from
// token to token. θ_c = 10000^(-c / frequencies).
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

namespace arith = mlir::arith;
namespace math = mlir::math;
namespace NVVM = mlir::NVVM;

namespace {

constexpr double ln10000 = 9.210340371976182736;

Value constant(Lanes &code, double value) {
  return arith::ConstantOp::create(code.builder, code.place,
                                   code.builder.getF64FloatAttr(value));
}

/// cos and sin, fp64 -> f32.
std::pair<Value, Value> circle(Lanes &code, Value angle) {
  auto single = [&](Value x) -> Value {
    return arith::TruncFOp::create(code.builder, code.place, code.f32(), x);
  };
  return {single(math::CosOp::create(code.builder, code.place, angle)),
          single(math::SinOp::create(code.builder, code.place, angle))};
}

Value negated(Lanes &code, Value x) {
  return arith::NegFOp::create(code.builder, code.place, x);
}

} // namespace

/// θ of a channel, of `count` that differ: fp64.
Value KernelEmitter::frequencyOf(Value channel, int64_t count) {
  Value real = arith::SIToFPOp::create(builder, code.place,
                                       builder.getF64Type(), channel);
  Value power = arith::MulFOp::create(
      builder, code.place, real,
      constant(code, -ln10000 / static_cast<double>(count)));
  return math::ExpOp::create(builder, code.place, power);
}

/// θ of this thread's channels.
void KernelEmitter::planRotation(chunk::SweepOp op) {
  auto rotations = op.getBody().front().getOps<chunk::RotateOp>();
  if (rotations.empty())
    return;
  bool rope = (*rotations.begin()).getKind() == "rope";
  int64_t count = rope ? shape.K / 2 : shape.K;
  frequencies.clear();
  steps.clear();
  auto plan = [&] {
    Value c = code.choose(code.less(channel, count), channel,
                          code.add(channel, -count));
    frequencies.push_back(frequencyOf(c, count));
    steps.push_back(circle(code, frequencies.back()));
  };
  if (!shape.isApart)
    return forColumns(plan);
  plan();
  Value four = arith::MulFOp::create(builder, code.place, frequencies.front(),
                                     constant(code, quarterTokens));
  steps.push_back(circle(code, four));
}

/// Of each token of the column at hand: cos and sin of its angle, less a
/// quarter turn where `quarter` says so, and with the other sign where
/// `backwards` does.
std::pair<Values, Values> KernelEmitter::turns(Value quarter, Value backwards,
                                               bool isLate) {
  Value first = firstToken;
  // A value of its own, lest what was made before the recurrence stays in
  // registers until it is needed again.
  if (isLate)
    first =
        NVVM::ShflOp::create(builder, code.place, code.i32(), code.integer(-1),
                             first, code.integer(0), code.integer(0x1f),
                             NVVM::ShflKind::idx, mlir::UnitAttr());
  Value token = code.add(first, code.mul(group, tokensPerThread));
  Value position =
      code.add(field(LaunchField::Position), code.extend(inSequence(token)));
  Value real = arith::SIToFPOp::create(builder, code.place,
                                       builder.getF64Type(), position);
  auto [c, s] = circle(code, arith::MulFOp::create(builder, code.place, real,
                                                   frequencies[columnIndex]));
  auto [stepC, stepS] = steps[columnIndex];
  if (quarter) {
    Value turned = code.choose(quarter, s, c);
    s = code.choose(quarter, negated(code, c), s);
    c = turned;
  }
  if (backwards) {
    s = code.choose(backwards, negated(code, s), s);
    stepS = code.choose(backwards, negated(code, stepS), stepS);
  }
  Values cosines, sines;
  for (int64_t index = 0; index < tokensPerThread; ++index) {
    cosines.push_back(c);
    sines.push_back(s);
    Value next = code.fma(c, stepC, negated(code, code.fmul(s, stepS)));
    s = code.fma(s, stepC, code.fmul(c, stepS));
    c = next;
  }
  return {cosines, sines};
}

/// numbers cos + others sin, the latter if there are any.
Values KernelEmitter::turned(const Values &numbers, const Values &others,
                             Value quarter, Value backwards, bool isLate) {
  Values made;
  forColumns([&] {
    auto [cosines, sines] = turns(quarter, backwards, isLate);
    for (int64_t token = 0; token < tokensPerThread; ++token) {
      int64_t index = columnIndex * tokensPerThread + token;
      Value x = numbers[index];
      made.push_back(others.empty()
                         ? code.fmul(x, cosines[token])
                         : code.fma(x, cosines[token],
                                    code.fmul(others[index], sines[token])));
    }
  });
  return made;
}

/// cos and sin of the group's first token, of channels that are turned
/// together. Behind the recurrence from where they were left before it.
std::pair<Value, Value> KernelEmitter::firstTurn() {
  Value offset = code.shiftLeft(thread, 3);
  auto pair = code.vector(2, code.f32());
  if (isBehindRecurrence) {
    Value both = code.loadShared(pair, offset, regions.turns);
    auto part = [&](int64_t index) -> Value {
      return mlir::LLVM::ExtractElementOp::create(builder, code.place, both,
                                                  code.integer(index));
    };
    return {part(0), part(1)};
  }
  if (turnsFrom == firstToken)
    return turn;
  turnsFrom = firstToken;
  Value token = code.add(firstToken, code.mul(group, tokensPerThread));
  Value position =
      code.add(field(LaunchField::Position), code.extend(inSequence(token)));
  Value real = arith::SIToFPOp::create(builder, code.place,
                                       builder.getF64Type(), position);
  turn = circle(code, arith::MulFOp::create(builder, code.place, real,
                                            frequencies.front()));
  if (hasGradient) {
    Value both = mlir::LLVM::PoisonOp::create(builder, code.place, pair);
    for (auto [index, number] :
         llvm::enumerate(Values{turn.first, turn.second}))
      both = mlir::LLVM::InsertElementOp::create(
          builder, code.place, both, number,
          code.integer(static_cast<int64_t>(index)));
    code.storeShared(both, offset, regions.turns);
  }
  return turn;
}

/// cos and sin of the range's tokens, which q's and k's rotations share.
llvm::ArrayRef<std::pair<Value, Value>>
KernelEmitter::turnsOfRange(bool adjoint) {
  auto key = std::tuple(firstToken, firstOfRange, isBehindRecurrence, adjoint);
  if (rangeKey == key)
    return rangeTurns;
  rangeKey = key;
  rangeTurns = {firstTurn()};
  auto advance = [&](const std::pair<Value, Value> &by) {
    auto [c, s] = rangeTurns.back();
    Value next = code.fma(c, by.first, negated(code, code.fmul(s, by.second)));
    rangeTurns.emplace_back(next,
                            code.fma(s, by.first, code.fmul(c, by.second)));
  };
  for (int64_t token = 0; token < firstOfRange; token += quarterTokens)
    advance(steps[1]);
  rangeTurns = {rangeTurns.back()};
  for (int64_t token = firstOfRange + 1; token < endOfRange; ++token)
    advance(steps[0]);
  return rangeTurns;
}

/// The range's tokens of both columns, which the thread has itself; `made` has
/// those of other ranges.
void KernelEmitter::rotateInThread(const Values &numbers, bool adjoint,
                                   Values &made) {
  made.resize(numbers.size());
  for (auto [index, turn] : llvm::enumerate(turnsOfRange(adjoint))) {
    auto [c, s] = turn;
    int64_t token = firstOfRange + static_cast<int64_t>(index);
    Value x = numbers[token], y = numbers[groupTokens + token];
    Value back = negated(code, s);
    made[token] = code.fma(x, c, code.fmul(y, adjoint ? s : back));
    made[groupTokens + token] =
        code.fma(y, c, code.fmul(x, adjoint ? back : s));
  }
}

/// x cos - y sin for the first half of the channels, x cos + y sin for the
/// second, y being the other half's channel.
Values KernelEmitter::rotateHalves(const Values &numbers, bool adjoint) {
  int64_t half = shape.K / 2;
  // Within a warp, neighbours are apart as far as there are columns a thread.
  int64_t places =
      half < shape.warpColumns() ? half / shape.columnsPerThread : half;
  Value isSecond = code.atLeast(channel, half);
  Value apart =
      code.choose(isSecond, code.integer(-places), code.integer(places));
  Value backwards = adjoint ? isSecond : code.less(channel, half);
  Values others = exchangeColumns(numbers, apart, /*isLate=*/adjoint);
  return turned(numbers, others, Value(), backwards, adjoint);
}

/// x cos in the first half of the columns, x sin in the second; the adjoint
/// adds both up, for both halves.
Values KernelEmitter::rotatePairs(const Values &numbers, bool adjoint) {
  Value isSecond = code.atLeast(column, shape.K);
  Values made = turned(numbers, {}, isSecond, Value(), adjoint);
  if (adjoint)
    addOtherHalf(made);
  return made;
}

void KernelEmitter::emitRotate(chunk::RotateOp op) {
  const Values numbers = tile(op.getOperand()).numbers;
  Tile made = assigned(op.getResult());
  if (shape.isApart) {
    made.numbers = tiles[op.getResult()].numbers;
    rotateInThread(numbers, op.getAdjoint(), made.numbers);
    tiles[op.getResult()] = made;
    return;
  }
  made.numbers = op.getKind() == "rope" ? rotateHalves(numbers, op.getAdjoint())
                                        : rotatePairs(numbers, op.getAdjoint());
  tiles[op.getResult()] = made;
}

} // namespace decay::cuda
