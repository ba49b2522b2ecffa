//===- Step.cpp - One token of every sequence -----------------------------===//
//
// Bound by memory: the fp32 state is read and written once, 16 bytes at a time,
// each element by the thread that read it, so that both may be one buffer. A
// block asks for its whole state before it does anything else. Everything per
// channel is one number of the thread with that column, which the block shares
// through shared memory; threads beyond the columns repeat the work.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

namespace {

constexpr int64_t pieceNumbers = BlockShape::pieceNumbers;

class StepEmitter final : public KernelEmitter {
public:
  StepEmitter(chunk::KernelOp kernel, BlockShape shape,
              mlir::OpBuilder &builder)
      : KernelEmitter(kernel, shape, builder) {
    tokensPerThread = 1;
    setRange(0, 1);
  }

private:
  int64_t threads() const { return shape.stepThreads(); }
  int64_t rowPieces() const { return shape.V / pieceNumbers; }
  int64_t rowsAtOnce() const { return shape.stepRowsAtOnce(); }
  int64_t pieces() const { return shape.stepPieces(); }

  KernelLaunch describe() override;
  int32_t blocksWanted(int64_t) override;
  void emitItem() override;
  void emitOperation(mlir::Operation &op) override;
  void emitToken(chunk::SweepOp op);
  void emitStepRead(chunk::ReadOp op);
  void emitStepWrite(chunk::WriteOp op);
  void emitUpdate(chunk::RecurrenceOp op);
  void emitRowsPointwise(chunk::PointwiseOp op) override;
  Value rowPlace(int64_t operand, Value element);
  Values loadRowPiece(Value place);
  Value piecePlace(int64_t operand);
  Values extract(Value vector);
  Values loadPieces(int64_t operand);
  void storePieces(const Values &numbers, int64_t operand);
  Value sumOutput(const Values &parts);

  Value firstStateRow, piece; ///< this thread's, in a row of the state
};

KernelLaunch StepEmitter::describe() {
  KernelLaunch how = KernelEmitter::describe();
  how.threads = threads();
  return how;
}

int32_t StepEmitter::blocksWanted(int64_t ofThreads) {
  // Registers for the state, and as many as that takes again, or 48.
  int64_t numbers = pieces() * pieceNumbers;
  int64_t perThread =
      std::min<int64_t>(numbers + std::max<int64_t>(numbers, 48), 128);
  return static_cast<int32_t>(65536 / (perThread * ofThreads));
}

void StepEmitter::emitItem() {
  thread = NVVM::ThreadIdXOp::create(builder, code.place, code.i32());
  head = NVVM::BlockIdXOp::create(builder, code.place, code.i32());
  sequence = NVVM::BlockIdYOp::create(builder, code.place, code.i32());
  Value columns = code.integer(shape.columns());
  group = code.divide(thread, columns);
  column = code.sub(thread, code.mul(group, columns));
  channel = shape.pairs == 1 ? column
                             : code.choose(code.less(column, shape.K), column,
                                           code.add(column, -shape.K));
  firstRow = code.extend(sequence);
  length = tokens = code.integer(1);
  firstToken = code.integer(0);
  firstStateRow = code.divide(thread, code.integer(rowPieces()));
  piece = code.sub(thread, code.mul(firstStateRow, rowPieces()));
}

void StepEmitter::emitOperation(mlir::Operation &op) {
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](chunk::SweepOp made) { emitToken(made); })
      .Case([&](chunk::ReadOp made) { emitStepRead(made); })
      .Case([&](chunk::WriteOp made) { emitStepWrite(made); })
      .Case([&](chunk::RecurrenceOp made) { emitUpdate(made); })
      .Default([&](mlir::Operation *) { KernelEmitter::emitOperation(op); });
}

void StepEmitter::emitToken(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  for (auto [argument, initial] :
       llvm::zip(body.getArguments(), op.getInitial()))
    tiles[argument] = Tile(tile(initial));
  planRotation(op);
  emitBlock(body);
  for (auto [result, last] :
       llvm::zip(op.getResults(), body.getTerminator()->getOperands()))
    tiles[result] = Tile(tile(last));
}

/// Where an operand has an element of this token's row.
Value StepEmitter::rowPlace(int64_t operand, Value element) {
  Value bytes = code.add(code.mul(firstRow, strideOf(operand)),
                         code.extend(code.mul(element, shape.elementBytes())));
  return code.at(dataOf(operand), bytes);
}

/// Four neighbouring elements of a row.
Values StepEmitter::loadRowPiece(Value place) {
  if (shape.precision == Precision::fp32)
    return extract(code.load(code.vector(pieceNumbers, code.f32()), place));
  Values numbers;
  for (Value pair : extract(code.load(code.vector(2, code.i32()), place))) {
    numbers.push_back(code.unpackLow(pair));
    numbers.push_back(code.unpackHigh(pair));
  }
  return numbers;
}

/// Where a state has this thread's first piece.
Value StepEmitter::piecePlace(int64_t operand) {
  Value item =
      code.add(code.mul(sequence, code.truncate(field(LaunchField::H))), head);
  Value within =
      code.add(code.mul(firstStateRow, shape.V), code.mul(piece, pieceNumbers));
  Value element = code.add(
      code.mul(code.extend(item), code.wide(shape.columns() * shape.V)),
      code.extend(within));
  return code.at(dataOf(operand), code.mul(element, code.wide(floatBytes)));
}

Values StepEmitter::extract(Value vector) {
  Values numbers;
  int64_t count =
      mlir::cast<mlir::VectorType>(vector.getType()).getNumElements();
  for (int64_t index = 0; index < count; ++index)
    numbers.push_back(LLVM::ExtractElementOp::create(
        builder, code.place, vector, code.integer(index)));
  return numbers;
}

Values StepEmitter::loadPieces(int64_t operand) {
  return code.choose(
      code.isNull(dataOf(operand)),
      [&] { return Values(pieces() * pieceNumbers, code.number(0)); },
      [&] {
        Value place = piecePlace(operand);
        Values numbers;
        for (int64_t index = 0; index < pieces(); ++index)
          numbers.append(extract(code.load(
              code.vector(pieceNumbers, code.f32()),
              code.at(place, index * rowsAtOnce() * shape.V * floatBytes))));
        return numbers;
      });
}

void StepEmitter::storePieces(const Values &numbers, int64_t operand) {
  code.when(code.notNull(dataOf(operand)), [&] {
    Value place = piecePlace(operand);
    for (int64_t index = 0; index < pieces(); ++index) {
      Value four = LLVM::PoisonOp::create(
          builder, code.place, code.vector(pieceNumbers, code.f32()));
      for (int64_t each = 0; each < pieceNumbers; ++each)
        four = LLVM::InsertElementOp::create(
            builder, code.place, four, numbers[index * pieceNumbers + each],
            code.integer(each));
      code.store(four,
                 code.at(place, index * rowsAtOnce() * shape.V * floatBytes));
    }
  });
}

void StepEmitter::emitStepRead(chunk::ReadOp op) {
  chunk::TileType type = op.getType();
  int64_t operand = op.getOperand();
  Tile made = assigned(op.getResult());
  if (made.kind == Tile::Kind::state) {
    made.numbers = loadPieces(operand);
  } else if (made.kind == Tile::Kind::rows) {
    // This thread's columns of the state.
    Value element =
        code.add(code.mul(head, shape.V), code.mul(piece, pieceNumbers));
    made.numbers = loadRowPiece(rowPlace(operand, element));
  } else if (made.kind != Tile::Kind::columns) {
    return emitRead(op);
  } else {
    Value element = type.has(Axis::Channel)
                        ? code.add(code.mul(head, shape.K), channel)
                        : head;
    made.numbers = {
        fromElement(code.load(elementType(), rowPlace(operand, element)))};
  }
  tiles[op.getResult()] = made;
}

void StepEmitter::emitStepWrite(chunk::WriteOp op) {
  const Tile from = tile(op.getTile());
  int64_t operand = op.getOperand();
  if (from.kind == Tile::Kind::state)
    return storePieces(from.numbers, operand);
  if (from.kind != Tile::Kind::rows)
    return emitWrite(op);
  Value writes =
      code.both(code.less(thread, shape.V), code.notNull(dataOf(operand)));
  code.when(writes, [&] {
    Value element = code.add(code.mul(head, shape.V), thread);
    code.store(toElement(from.numbers.front()), rowPlace(operand, element));
  });
}

/// o's number `thread`, from what the threads have of o for their rows.
Value StepEmitter::sumOutput(const Values &parts) {
  int64_t rowBytes = shape.V * floatBytes;
  int64_t region = reserve(rowsAtOnce() * rowBytes);
  Value four = LLVM::PoisonOp::create(builder, code.place,
                                      code.vector(pieceNumbers, code.f32()));
  for (auto [each, part] : llvm::enumerate(parts))
    four = LLVM::InsertElementOp::create(builder, code.place, four, part,
                                         code.integer(each));
  code.storeShared(four, code.mul(thread, pieceNumbers * floatBytes), region);
  code.barrier();
  Value place =
      code.choose(code.less(thread, shape.V), thread, code.integer(0));
  Value sum = code.number(0);
  for (int64_t row = 0; row < rowsAtOnce(); ++row)
    sum = code.fadd(sum, code.loadShared(code.f32(), code.shiftLeft(place, 2),
                                         region + row * rowBytes));
  return sum;
}

/// Of this thread's columns of the state.
void StepEmitter::emitRowsPointwise(chunk::PointwiseOp op) {
  for (Value result : op.getResults())
    tiles[result] = assigned(result);
  for (int64_t each = 0; each < pieceNumbers; ++each) {
    Values inputs;
    for (Value input : op.getInputs()) {
      const Tile &from = tile(input);
      inputs.push_back(from.kind == Tile::Kind::rows ? from.numbers[each]
                                                     : from.numbers.front());
    }
    for (auto [result, number] :
         llvm::zip_equal(op.getResults(), cloneRegion(code, op, inputs)))
      tiles[result].numbers.push_back(number);
  }
}

/// s <- λ s + k v, o = q s, row by row.
void StepEmitter::emitUpdate(chunk::RecurrenceOp op) {
  constexpr int64_t recordBytes = 16;
  int64_t region = reserve(shape.columns() * recordBytes);
  Value record =
      LLVM::PoisonOp::create(builder, code.place, code.vector(4, code.f32()));
  Value own[] = {tile(op.getLambda()).numbers.front(),
                 tile(op.getK()).numbers.front(),
                 tile(op.getQ()).numbers.front(), code.number(0)};
  for (auto [index, number] : llvm::enumerate(own))
    record = LLVM::InsertElementOp::create(builder, code.place, record, number,
                                           code.integer(index));
  code.when(code.equal(group, 0), [&] {
    code.storeShared(record, code.mul(column, recordBytes), region);
  });
  code.barrier();
  const Values v = tile(op.getV()).numbers;
  Values state = tile(op.getState()).numbers;
  Values parts(pieceNumbers, code.number(0));
  for (int64_t index = 0; index < pieces(); ++index) {
    Values row = extract(code.loadShared(
        code.vector(4, code.f32()), code.mul(firstStateRow, recordBytes),
        region + index * rowsAtOnce() * recordBytes));
    for (int64_t each = 0; each < pieceNumbers; ++each) {
      Value &number = state[index * pieceNumbers + each];
      number = code.fma(row[0], number, code.fmul(row[1], v[each]));
      parts[each] = code.fma(row[2], number, parts[each]);
    }
  }
  Tile next = assigned(op.getNext()), output = assigned(op.getO());
  next.numbers = state;
  output.numbers = {sumOutput(parts)};
  tiles[op.getNext()] = next;
  tiles[op.getO()] = output;
}

} // namespace

LLVM::LLVMFuncOp emitStep(chunk::KernelOp kernel, BlockShape shape,
                          mlir::OpBuilder &builder) {
  return StepEmitter(kernel, shape, builder).emit();
}

} // namespace decay::cuda
