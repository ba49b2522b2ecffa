//===- Columns.cpp - What is done number by number ------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include "mlir/IR/IRMapping.h"

namespace decay::cuda {

using ir::Axis;

/// Whether token number `token` of this thread's group belongs to the sequence.
Value KernelEmitter::isValid(int64_t token) {
  Value own = code.sub(tokens, code.mul(group, groupTokens));
  return code.less(code.integer(token), own);
}

Values KernelEmitter::loadColumns(const Stream &stream) {
  Values numbers;
  int64_t rowBytes = stream.width * bfloatBytes;
  Value place = code.shiftLeft(channel, 1);
  Value rows = code.mul(group, groupTokens * rowBytes);
  for (int64_t token = 0; token < groupTokens; ++token) {
    Value offset = code.add(rows, code.bitXor(place, (token & 7) << 4));
    numbers.push_back(code.widen(code.loadShared(
        code.i16(), offset, stream.shared + token * rowBytes)));
  }
  return numbers;
}

void KernelEmitter::storeColumns(const Values &numbers, int64_t operand) {
  Value data = dataOf(operand);
  bool perChannel = shapeOf(operand).contains('K');
  code.when(code.notNull(data), [&] {
    Value stride = strideOf(operand);
    Value element = perChannel
                        ? code.add(code.mul(head, shape.K), channel)
                        : head;
    Value row = code.add(firstToken, code.mul(group, groupTokens));
    Value start = code.add(
        code.mul(code.add(firstRow, code.extend(row)), stride),
        code.extend(code.mul(element, bfloatBytes)));
    Value place = code.at(data, start);
    for (size_t token = 0; token < numbers.size(); ++token) {
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
  int64_t count = hasTokens ? tokensPerThread : 1;
  for (Value result : op.getResults()) {
    Tile &made = tiles[result];
    made.kind = hasTokens ? Tile::Kind::columns : Tile::Kind::thread;
    made.numbers.clear();
  }
  for (int64_t token = 0; token < count; ++token) {
    Values inputs;
    for (Value input : op.getInputs()) {
      const Values &numbers = tile(input).numbers;
      inputs.push_back(numbers.size() == 1 ? numbers[0] : numbers[token]);
    }
    Values made = cloneRegion(code, op, inputs);
    for (auto [result, number] : llvm::zip(op.getResults(), made))
      tiles[result].numbers.push_back(number);
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
  made.numbers = {mlir::arith::SIToFPOp::create(builder, code.place,
                                                code.f32(), wide)};
  tiles[op.getResult()] = made;
}

} // namespace decay::cuda
