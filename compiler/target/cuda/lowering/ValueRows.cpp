//===- ValueRows.cpp - Designs that change v ------------------------------===//
//
// v's rows go into matrix products as they lie in shared memory. What a formula
// makes of them is a function that gives any eight (in fp32: four) neighbouring
// numbers when they are asked for: in place before the recurrence, and behind
// its gradient for what is written or summed, from v as the caller has it.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;
namespace LLVM = mlir::LLVM;

static bool isOfRows(Value value) {
  auto type = mlir::dyn_cast<chunk::TileType>(value.getType());
  return type && type.has(Axis::Token) && type.has(Axis::Value);
}

/// Whether an operation works on rows number by number.
bool KernelEmitter::worksOnRows(mlir::Operation *op) {
  if (!mlir::isa<chunk::PointwiseOp, chunk::SumOp, chunk::WriteOp>(op))
    return false;
  return llvm::any_of(op->getOperands(), isOfRows) ||
         llvm::any_of(op->getResults(), isOfRows);
}

int64_t KernelEmitter::rowPieceNumbers() const {
  return 16 / shape.elementBytes();
}

/// Eight numbers of bf16 rows.
Values KernelEmitter::loadPiece(int64_t region, Value row, Value piece) {
  return unpackPiece(code.loadShared(code.vector(4, code.i32()),
                                     rowOffset(row, piece, shape.V), region));
}

Values KernelEmitter::unpackPiece(Value words) {
  Values numbers;
  for (int64_t word = 0; word < 4; ++word) {
    Value pair = LLVM::ExtractElementOp::create(builder, code.place, words,
                                                code.integer(word));
    numbers.push_back(code.unpackLow(pair));
    numbers.push_back(code.unpackHigh(pair));
  }
  return numbers;
}

Value KernelEmitter::packPiece(const Values &numbers) {
  Value words =
      LLVM::PoisonOp::create(builder, code.place, code.vector(4, code.i32()));
  for (int64_t word = 0; word < 4; ++word)
    words = LLVM::InsertElementOp::create(
        builder, code.place, words,
        code.pack(numbers[2 * word], numbers[2 * word + 1]),
        code.integer(word));
  return words;
}

void KernelEmitter::storePiece(const Values &numbers, int64_t region, Value row,
                               Value piece) {
  code.storeShared(packPiece(numbers), rowOffset(row, piece, shape.V), region);
}

/// Where the caller's tensor has a piece of a row of this chunk.
Value KernelEmitter::rowPiecePlace(int64_t operand, Value row, Value piece) {
  Value position = code.add(firstRow, code.extend(code.add(firstToken, row)));
  Value element =
      code.add(code.mul(head, shape.V), code.mul(piece, rowPieceNumbers()));
  Value bytes = code.add(code.mul(position, strideOf(operand)),
                         code.extend(code.mul(element, shape.elementBytes())));
  return code.at(dataOf(operand), bytes);
}

/// The same numbers from the caller's tensor; zeros behind the sequence's end.
Values KernelEmitter::rawPiece(int64_t operand, Value row, Value piece) {
  mlir::Type type = code.vector(4, code.i32());
  Value words = code.choose(
      code.less(row, tokens),
      [&]() -> Values {
        return {code.load(type, rowPiecePlace(operand, row, piece))};
      },
      [&]() -> Values {
        return {LLVM::ZeroOp::create(builder, code.place, type)};
      })[0];
  return unpackPiece(words);
}

/// A piece of a tile of rows, made of what it follows from.
Values KernelEmitter::pieceOf(Value rows, Value row, Value piece) {
  Tile &from = tile(rows);
  return from.pieceAt ? from.pieceAt(row, piece)
                      : loadPiece(from.shared, row, piece);
}

/// Every piece of a chunk's rows once, by the same thread each time.
void KernelEmitter::overPieces(
    llvm::function_ref<void(Value row, Value piece)> body) {
  int64_t rowPieces = shape.V / rowPieceNumbers();
  code.loop(code.integer(chunkTokens * rowPieces / blockThreads()), {},
            [&](Value round, mlir::ValueRange) -> Values {
              Value index = code.add(code.mul(round, blockThreads()), thread);
              body(code.divide(index, code.integer(rowPieces)),
                   code.bitAnd(index, rowPieces - 1));
              return {};
            });
}

/// One number per token, where any thread finds any of them.
int64_t KernelEmitter::shareTokens(const Values &numbers) {
  int64_t region = reserve(chunkTokens * floatBytes);
  code.when(code.equal(column, 0), [&] {
    for (auto [token, number] : llvm::enumerate(numbers))
      code.storeShared(number, code.shiftLeft(ownStart(), 2),
                       region + static_cast<int64_t>(token) * floatBytes);
  });
  return region;
}

void KernelEmitter::emitRowsPointwise(chunk::PointwiseOp op) {
  llvm::SmallVector<std::optional<int64_t>> shared;
  for (Value input : op.getInputs()) {
    bool isOfTokens = tile(input).kind == Tile::Kind::columns;
    shared.push_back(isOfTokens
                         ? std::optional(shareTokens(tile(input).numbers))
                         : std::nullopt);
  }
  if (llvm::any_of(shared, [](auto region) { return region.has_value(); }))
    code.barrier();
  for (auto [index, result] : llvm::enumerate(op.getResults())) {
    Tile made = assigned(result);
    made.pieceAt = [this, op, shared, index](Value row, Value piece) mutable {
      llvm::SmallVector<Values> inputs;
      for (auto [input, region] : llvm::zip_equal(op.getInputs(), shared)) {
        if (region)
          inputs.push_back(
              {code.loadShared(code.f32(), code.shiftLeft(row, 2), *region)});
        else
          inputs.push_back(tile(input).kind == Tile::Kind::rows
                               ? pieceOf(input, row, piece)
                               : tile(input).numbers);
      }
      Values numbers;
      for (int64_t each = 0; each < rowPieceNumbers(); ++each) {
        Values own;
        for (const Values &input : inputs)
          own.push_back(input.size() == 1 ? input.front() : input[each]);
        numbers.push_back(cloneRegion(code, op, own)[index]);
      }
      return numbers;
    };
    tiles[result] = made;
  }
}

/// The read that rows are made of, and only that.
static chunk::ReadOp rowSource(Value rows) {
  if (auto read = rows.getDefiningOp<chunk::ReadOp>())
    return read;
  auto op = rows.getDefiningOp<chunk::PointwiseOp>();
  for (Value input : op ? op.getInputs() : mlir::ValueRange())
    if (isOfRows(input))
      if (chunk::ReadOp found = rowSource(input))
        return found;
  return nullptr;
}

/// Rows for matrix products: what is made of v takes its place, for others to
/// read behind the next barrier. Returns whether there is anything to wait for.
bool KernelEmitter::makeRowsInPlace(Value rows) {
  if (!tile(rows).pieceAt)
    return false;
  // A design may have values that follow from no projection.
  chunk::ReadOp read = rowSource(rows);
  int64_t region = read ? tile(read.getResult()).shared
                        : reserve(chunkTokens * shape.V * shape.elementBytes());
  overPieces([&](Value row, Value piece) {
    Values numbers = pieceOf(rows, row, piece);
    // What follows from zeros may be no number.
    for (Value &number : numbers)
      number = code.choose(code.less(row, tokens), number, code.number(0));
    storePiece(numbers, region, row, piece);
  });
  tile(rows).shared = region;
  if (!read)
    return true;
  int64_t operand = static_cast<int64_t>(read.getOperand());
  tile(read.getResult()).pieceAt = [this, operand](Value row, Value piece) {
    return rawPiece(operand, row, piece);
  };
  return true;
}

/// Each token's sum over the values.
void KernelEmitter::emitRowsSum(chunk::SumOp op) {
  int64_t region = reserve(chunkTokens * floatBytes);
  int64_t rowPieces = shape.V / rowPieceNumbers();
  overPieces([&](Value row, Value piece) {
    Value sum = sumOf(pieceOf(op.getOperand(), row, piece));
    // A row's pieces are in neighbouring lanes.
    for (int64_t mask = 1; mask < rowPieces; mask *= 2)
      sum = code.fadd(sum, code.exchange(sum, mask));
    code.when(code.equal(piece, 0),
              [&] { code.storeShared(sum, code.shiftLeft(row, 2), region); });
  });
  code.barrier();
  Tile made = assigned(op.getResult());
  for (int64_t token = 0; token < tokensPerThread; ++token)
    made.numbers.push_back(code.loadShared(code.f32(),
                                           code.shiftLeft(ownStart(), 2),
                                           region + token * floatBytes));
  tiles[op.getResult()] = made;
}

void KernelEmitter::writeRows(chunk::WriteOp op) {
  int64_t operand = op.getOperand();
  code.when(code.notNull(dataOf(operand)), [&] {
    overPieces([&](Value row, Value piece) {
      Value words = packPiece(pieceOf(op.getTile(), row, piece));
      code.when(code.less(row, tokens),
                [&] { code.store(words, rowPiecePlace(operand, row, piece)); });
    });
  });
}

/// Whether a gradient's rows are more than written.
bool KernelEmitter::followsFrom(Value rows) {
  return llvm::any_of(rows.getUsers(), [](mlir::Operation *user) {
    return !mlir::isa<chunk::WriteOp>(user);
  });
}

/// What follows from v's gradient, while its rows are there.
void KernelEmitter::emitRowsTail(chunk::RecurrenceGradientOp op) {
  for (mlir::Operation *next = op->getNextNode(); next;
       next = next->getNextNode())
    if (worksOnRows(next))
      emitAt(*next);
}

} // namespace decay::cuda
