//===- Columns.cpp - What is done number by number ------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include "mlir/IR/IRMapping.h"

namespace decay::cuda {

using ir::Axis;

/// Whether token number `token` of this thread's group belongs to the sequence.
Value KernelEmitter::isValid(int64_t token) {
  Value own = code.sub(tokens, ownStart());
  return code.less(code.integer(token), own);
}

/// This thread's tokens two by two, the earlier in the low half.
Values KernelEmitter::columnPairs(const Stream &stream) {
  Values pairs;
  int64_t rowBytes = stream.width * bfloatBytes;
  Value place = code.shiftLeft(channel, 1);
  Value rows = code.mul(group, groupTokens * rowBytes);
  auto wordOf = [&](int64_t token) -> Value {
    Value offset = code.add(rows, code.bitXor(place, (token & 7) << 4));
    Value half =
        code.loadShared(code.i16(), offset, stream.shared + token * rowBytes);
    return mlir::arith::ExtUIOp::create(builder, code.place, code.i32(), half);
  };
  for (int64_t token = 0; token < groupTokens; token += 2)
    pairs.push_back(
        code.bitOr(wordOf(token), code.shiftLeft(wordOf(token + 1), 16)));
  return pairs;
}

Values KernelEmitter::loadColumns(const Stream &stream) {
  Values numbers;
  int64_t rowBytes = stream.width * bfloatBytes;
  Value place = code.shiftLeft(channel, 1);
  Value rows = code.mul(group, groupTokens * rowBytes);
  for (int64_t token = 0; token < groupTokens; ++token) {
    Value offset = code.add(rows, code.bitXor(place, (token & 7) << 4));
    numbers.push_back(code.widen(
        code.loadShared(code.i16(), offset, stream.shared + token * rowBytes)));
  }
  return numbers;
}

/// The operations before `until` once more, from the inputs as they were read,
/// for the tokens of the range: what is cheap to make is not kept. The xor with
/// a zero from memory hides from the compilers that all this was made before.
void KernelEmitter::makeColumnsAgain(mlir::Operation *until) {
  Value zero = code.loadShared(code.i32(), Value(), regions.zero);
  for (mlir::Operation &op : *until->getBlock()) {
    if (&op == until)
      return;
    if (auto read = mlir::dyn_cast<chunk::ReadOp>(op)) {
      Tile &made = tile(read.getResult());
      for (int64_t token = firstOfRange;
           !made.pairs.empty() && token < endOfRange; token += 2) {
        Value pair = code.bitXor(made.pairs[token / 2], zero);
        made.numbers[token] = code.unpackLow(pair);
        made.numbers[token + 1] = code.unpackHigh(pair);
      }
    } else if (auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op)) {
      if (mlir::cast<chunk::TileType>(pointwise.getResultTypes().front())
              .has(Axis::Token))
        emitPointwise(pointwise);
    }
  }
}

void KernelEmitter::storeColumns(const Values &numbers, int64_t operand) {
  Value data = dataOf(operand);
  bool perChannel = shapeOf(operand).contains('K');
  code.when(code.notNull(data), [&] {
    Value stride = strideOf(operand);
    Value element =
        perChannel ? code.add(code.mul(head, shape.K), channel) : head;
    Value row = code.add(firstToken, ownStart());
    Value start =
        code.add(code.mul(code.add(firstRow, code.extend(row)), stride),
                 code.extend(code.mul(element, bfloatBytes)));
    Value place = code.at(data, start);
    for (int64_t token = firstOfRange; token < endOfRange; ++token) {
      Value writes = isValid(token);
      if (!perChannel)
        writes = code.both(writes, code.equal(column, 0));
      else if (shape.pairs > 1)
        writes = code.both(writes, code.less(column, shape.K));
      code.when(writes, [&] {
        code.store(code.narrow(numbers[token]),
                   code.at(place, code.mul(stride, code.wide(token))));
      });
    }
  });
}

/// The region's numbers for one token, or for the thread.
Values cloneRegion(Lanes &code, chunk::PointwiseOp op,
                   llvm::ArrayRef<Value> inputs) {
  mlir::IRMapping numbers;
  mlir::Block &body = op.getBody().front();
  for (auto [argument, input] : llvm::zip(body.getArguments(), inputs))
    numbers.map(argument, input);
  for (mlir::Operation &inner : body.without_terminator())
    code.builder.clone(inner, numbers);
  Values made;
  for (Value value : body.getTerminator()->getOperands())
    made.push_back(numbers.lookupOrDefault(value));
  return made;
}

void KernelEmitter::emitPointwise(chunk::PointwiseOp op) {
  if (op.getNumResults() == 0)
    return;
  auto type = mlir::cast<chunk::TileType>(op.getResult(0).getType());
  if (type.has(Axis::Layer))
    return emitLayersPointwise(op);
  bool hasTokens = type.has(Axis::Token);
  for (Value result : op.getResults()) {
    Tile &made = tiles[result];
    made.kind = hasTokens ? Tile::Kind::columns : Tile::Kind::thread;
    made.numbers.resize(hasTokens ? tokensPerThread : 1);
  }
  int64_t end = hasTokens ? endOfRange : 1;
  for (int64_t token = hasTokens ? firstOfRange : 0; token < end; ++token) {
    Values inputs;
    for (Value input : op.getInputs()) {
      const Values &numbers = tile(input).numbers;
      inputs.push_back(numbers.size() == 1 ? numbers[0] : numbers[token]);
    }
    Values made = cloneRegion(code, op, inputs);
    for (auto [result, number] : llvm::zip(op.getResults(), made))
      tiles[result].numbers[token] = number;
  }
}

void KernelEmitter::emitIndex(chunk::IndexOp op) {
  Value wide;
  if (op.getKind() == "head")
    wide = code.extend(head);
  else
    wide = field(op.getKind() == "heads"   ? LaunchField::H
                 : op.getKind() == "layer" ? LaunchField::Layer
                                           : LaunchField::Layers);
  Tile made;
  made.numbers = {
      mlir::arith::SIToFPOp::create(builder, code.place, code.f32(), wide)};
  tiles[op.getResult()] = made;
}

} // namespace decay::cuda
