//===- Tokens.cpp - One number per token ----------------------------------===//

#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

//===----------------------------------------------------------------------===//
// Operands with one number per token and head
//===----------------------------------------------------------------------===//

/// Two chunks' numbers lie in shared memory, so that the next ones can be
/// written while some thread still reads these.
static Value parityOffset(Lanes &code, Value firstToken) {
  return code.shiftLeft(code.bitAnd(firstToken, chunkTokens), 2);
}

void KernelEmitter::planNumbers(chunk::SweepOp op) {
  numberStreams.clear();
  for (auto read : op.getBody().front().getOps<chunk::ReadOp>()) {
    chunk::TileType type = read.getType();
    if (type.has(Axis::Token) && !type.has(Axis::Channel) &&
        !type.has(Axis::Value))
      numberStreams.push_back({static_cast<int64_t>(read.getOperand()),
                               reserve(2 * chunkTokens * floatBytes), Value()});
  }
}

/// Asks for the numbers of the chunk that begins at `first`, if there is one.
void KernelEmitter::fetchNumbers(Value first) {
  Value token = code.add(first, thread);
  Value exists =
      code.both(code.less(thread, chunkTokens),
                code.both(code.atLeast(token, 0), code.less(token, length)));
  for (NumberStream &stream : numberStreams)
    stream.fetched = code.choose(
        exists,
        [&]() -> Values {
          Value row = code.add(firstRow, code.extend(token));
          Value bytes =
              code.add(code.mul(row, strideOf(stream.operand)),
                       code.extend(code.mul(head, shape.elementBytes())));
          return {
              code.load(elementType(), code.at(dataOf(stream.operand), bytes))};
        },
        [&]() -> Values { return {toElement(code.number(0))}; })[0];
}

/// Writes down what was fetched; it is there behind the next barrier.
void KernelEmitter::keepNumbers(Value first) {
  if (numberStreams.empty())
    return;
  Value offset = code.add(parityOffset(code, first), code.shiftLeft(thread, 2));
  code.when(code.less(thread, chunkTokens), [&] {
    for (const NumberStream &stream : numberStreams)
      code.storeShared(fromElement(stream.fetched), offset, stream.shared);
  });
}

Values KernelEmitter::loadNumbers(int64_t operand) {
  auto stream =
      llvm::find_if(numberStreams, [&](const NumberStream &candidate) {
        return candidate.operand == operand;
      });
  Value offset = code.add(parityOffset(code, firstToken),
                          code.mul(group, groupTokens * floatBytes));
  Values numbers;
  for (int64_t token = 0; token < groupTokens; token += 4) {
    Value four = code.loadShared(code.vector(4, code.f32()), offset,
                                 stream->shared + token * floatBytes);
    llvm::append_range(numbers, code.split(four));
  }
  return numbers;
}

Value KernelEmitter::apply(llvm::StringRef name, mlir::ValueRange operands) {
  return expandPointwise(builder, code.place, name, operands);
}

//===----------------------------------------------------------------------===//
// λ that no token changes
//===----------------------------------------------------------------------===//

void KernelEmitter::emitSpread(chunk::SpreadOp op) {
  Tile made = assigned(op.getResult());
  for (size_t index = 0; index < tile(op.getLambda()).numbers.size(); ++index) {
    columnIndex = static_cast<int64_t>(index);
    made.numbers.append(spreadNumber(ownOf(tile(op.getLambda()).numbers),
                                     ownOf(tile(op.getComplement()).numbers)));
  }
  columnIndex = 0;
  tiles[op.getResult()] = made;
}

/// λ of each of this thread's tokens, which share the rounding of 1 - λ.
Values KernelEmitter::spreadNumber(Value plain, Value exact) {
  namespace arith = mlir::arith;
  Value one = code.number(1);
  // In [1/2, 1] what `rounded` lacks of 1 is exact.
  auto round = [&](Value owed) -> std::pair<Value, Value> {
    Value wanted = code.fadd(exact, owed);
    Value rounded = apply("min", {code.fsub(one, wanted), one});
    return {rounded, code.fsub(wanted, code.fsub(one, rounded))};
  };
  Value owed = code.number(0);
  if (tokensPerThread > 1)
    owed = code.loop(ownStart(), {owed},
                     [&](Value, mlir::ValueRange carried) -> Values {
                       return {round(carried[0]).second};
                     })[0];
  Value isSmall = arith::CmpFOp::create(
      builder, code.place, arith::CmpFPredicate::OLT, plain, code.number(0.5));
  Values made;
  for (int64_t token = 0; token < tokensPerThread; ++token) {
    auto [rounded, left] = round(owed);
    made.push_back(code.choose(isSmall, plain, rounded));
    owed = left;
  }
  return made;
}

} // namespace decay::cuda
