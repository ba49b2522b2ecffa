//===- TokenOperations.cpp - Each decay operation on tiles ----------------===//
#include "compiler/conversion/decay_to_chunk/KernelBuilder.h"
#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

namespace decay {

using ir::Axis;
using mlir::Value;

/// A chunk.pointwise of type `type`; `body` turns its numbers into the result.
static Value
pointwise(mlir::OpBuilder &builder, mlir::Location place, chunk::TileType type,
          mlir::ValueRange inputs,
          llvm::function_ref<Value(mlir::OpBuilder &, mlir::ValueRange)> body) {
  auto op =
      chunk::PointwiseOp::create(builder, place, mlir::TypeRange{type}, inputs);
  mlir::OpBuilder::InsertionGuard guard(builder);
  mlir::Block *block = &op.getBody().emplaceBlock();
  for (size_t index = 0; index < inputs.size(); ++index)
    block->addArgument(builder.getF32Type(), place);
  builder.setInsertionPointToStart(block);
  Value result = body(builder, block->getArguments());
  chunk::YieldOp::create(builder, place, mlir::ValueRange{result});
  return op.getResult(0);
}

static Value number(mlir::OpBuilder &builder, ir::ConstantOp constant) {
  return mlir::arith::ConstantOp::create(
      builder, constant.getLoc(),
      builder.getF32FloatAttr(
          static_cast<float>(constant.getValue().convertToDouble())));
}

Value KernelBuilder::broadcast(Value value, chunk::TileType type) {
  if (value.getType() == type)
    return value;
  auto from = mlir::cast<chunk::TileType>(value.getType());
  if (type.has(Axis::Pair) && !from.has(Axis::Pair))
    return chunk::RepeatPairOp::create(
        builder, value.getLoc(), type,
        broadcast(value, type.without(Axis::Pair)));
  return pointwise(builder, value.getLoc(), type, value,
                   [](mlir::OpBuilder &, mlir::ValueRange numbers) -> Value {
                     return numbers.front();
                   });
}

void KernelBuilder::convertMap(ir::MapOp op) {
  llvm::SmallVector<Value> inputs;
  for (Value operand : op.getOperands())
    if (!operand.getDefiningOp<ir::ConstantOp>())
      inputs.push_back(tile(operand));
  auto body = [&](mlir::OpBuilder &inner, mlir::ValueRange numbers) {
    llvm::SmallVector<Value> operands;
    size_t next = 0;
    for (Value operand : op.getOperands()) {
      auto constant = operand.getDefiningOp<ir::ConstantOp>();
      operands.push_back(constant ? number(inner, constant) : numbers[next++]);
    }
    return expandPointwise(inner, op.getLoc(), op.getName(), operands);
  };
  set(op.getResult(),
      pointwise(builder, op.getLoc(), tileOf(op.getResult().getType()), inputs,
                body));
}

void KernelBuilder::accumulate(Value sum, Value part) {
  Carried &entry = carriedFor(sum);
  entry.after = chunk::AccumulateOp::create(
      builder, sum.getLoc(), entry.before.getType(), entry.before, part);
}

void KernelBuilder::convertSum(ir::SumOp op) {
  chunk::TileType wanted = tileOf(op.getResult().getType());
  Value operand = tile(op.getOperand());
  bool overTokens = perToken(op.getOperand()) && !perToken(op.getResult());
  chunk::TileType kept = overTokens ? wanted.with(Axis::Token) : wanted;
  if (operand.getType() != kept)
    operand = chunk::SumOp::create(builder, op.getLoc(), kept, operand);
  if (overTokens)
    accumulate(op.getResult(), operand);
  else
    set(op.getResult(), operand);
}

void KernelBuilder::convertScan(ir::ScanOp op) {
  Value term = tile(op.getTerm());
  Carried *entry = nullptr;
  Value before;
  // Forward and state sweeps carry the scan; the gradient sweep restores it.
  for (Carried &candidate : carried)
    if (candidate.key == op.getFinal())
      entry = &candidate;
  chunk::TileType carryType = tileOf(op.getInitial().getType());
  if (entry)
    before = entry->before;
  else
    before = chunk::RestoreOp::create(
        builder, op.getLoc(), carryType,
        1 + std::distance(scans.begin(), llvm::find(scans, op)),
        mlir::IntegerAttr());
  auto scan = chunk::ScanOp::create(
      builder, op.getLoc(),
      mlir::TypeRange{term.getType(), term.getType(), carryType}, op.getKind(),
      term, before);
  set(op.getInclusive(), scan.getInclusive());
  set(op.getExclusive(), scan.getExclusive());
  if (entry)
    entry->after = scan.getNext();
}

void KernelBuilder::convertScanGradient(ir::ScanGradientOp op) {
  Carried &entry = carriedFor(op.getDInitial());
  Value term = tile(op.getTerm());
  auto gradient = chunk::ScanGradientOp::create(
      builder, op.getLoc(),
      mlir::TypeRange{term.getType(), entry.before.getType()}, op.getKind(),
      term, tile(op.getExclusive()), tile(op.getDInclusive()),
      tile(op.getDExclusive()), entry.before);
  set(op.getDTerm(), gradient.getDTerm());
  entry.after = gradient.getNext();
}

Value KernelBuilder::complement(Value lambda) {
  Value formula = lambda;
  while (mlir::isa_and_nonnull<ir::CheckRangeOp, ir::BroadcastOp>(
      formula.getDefiningOp()))
    formula = formula.getDefiningOp()->getOperand(0);
  auto map = formula.getDefiningOp<ir::MapOp>();
  auto one = builder.getF32FloatAttr(1);
  auto build = [&](mlir::OpBuilder &inner, mlir::ValueRange x) -> Value {
    auto apply = [&](llvm::StringRef name, mlir::ValueRange operands) {
      return expandPointwise(inner, lambda.getLoc(), name, operands);
    };
    if (map && map.getName() == "exp")
      return apply("neg", apply("expm1", x));
    if (map && map.getName() == "sigmoid")
      return apply("sigmoid", apply("neg", x));
    Value unit = mlir::arith::ConstantOp::create(inner, lambda.getLoc(), one);
    return apply("sub", {unit, x.front()});
  };
  bool known = map && (map.getName() == "exp" || map.getName() == "sigmoid") &&
               !map.getOperand(0).getDefiningOp<ir::ConstantOp>();
  if (!known)
    map = {};
  Value source = known ? tile(map.getOperand(0)) : tile(lambda);
  return pointwise(builder, lambda.getLoc(),
                   tileOf(known ? map.getResult().getType() : lambda.getType()),
                   source, build);
}

Value KernelBuilder::spread(Value lambda) {
  mlir::OpBuilder::InsertionGuard guard(builder);
  Value known = tile(lambda);
  builder.setInsertionPoint(builder.getInsertionBlock()->getParentOp());
  auto type = mlir::cast<chunk::TileType>(known.getType());
  return chunk::SpreadOp::create(builder, lambda.getLoc(),
                                 type.with(Axis::Token), known,
                                 broadcast(complement(lambda), type));
}

Value KernelBuilder::recurrenceLambda(Value lambda, Value q) {
  Value known = perToken(lambda) ? tile(lambda) : spread(lambda);
  auto type = mlir::cast<chunk::TileType>(known.getType());
  return broadcast(known, type.has(Axis::Channel)
                              ? mlir::cast<chunk::TileType>(q.getType())
                              : type);
}

void KernelBuilder::convertRecurrence(ir::RecurrenceOp op) {
  // The gradient sweep needs states, not outputs.
  if (recurrenceGradient)
    return;
  Value q = tile(op.getQ()), k = tile(op.getK()), v = tile(op.getV());
  Carried &state = carriedFor(op.getFinal());
  auto made = chunk::RecurrenceOp::create(
      builder, op.getLoc(), v.getType(), state.before.getType(), q, k, v,
      recurrenceLambda(op.getLambda(), q), state.before);
  set(op.getO(), made.getO());
  state.after = made.getNext();
}

void KernelBuilder::convertRecurrenceGradient(ir::RecurrenceGradientOp op) {
  Value q = tile(op.getQ()), k = tile(op.getK()), v = tile(op.getV());
  Value lambda = recurrenceLambda(op.getLambda(), q);
  chunk::TileType stateType = tileOf(op.getInitial().getType());
  Value state = chunk::RestoreOp::create(builder, op.getLoc(), stateType, 0,
                                         mlir::IntegerAttr());
  Carried &dState = carriedFor(op.getDInitial());
  auto made = chunk::RecurrenceGradientOp::create(
      builder, op.getLoc(),
      mlir::TypeRange{q.getType(), k.getType(), v.getType(), lambda.getType(),
                      stateType},
      mlir::ValueRange{q, k, v, lambda, state, dState.before,
                       tile(op.getDO())});
  dState.after = made.getDNext();
  set(op.getDQ(), made.getDQ());
  set(op.getDK(), made.getDK());
  set(op.getDV(), made.getDV());
  Value dLambda = made.getDLambda();
  chunk::TileType wanted = tileOf(op.getDLambda().getType());
  chunk::TileType rows = wanted.with(Axis::Token);
  if (dLambda.getType() != rows)
    dLambda = chunk::SumOp::create(builder, op.getLoc(), rows, dLambda);
  if (wanted.has(Axis::Token))
    set(op.getDLambda(), dLambda);
  else
    accumulate(op.getDLambda(), dLambda);
}

void KernelBuilder::convertStage(Stage stage) {
  for (mlir::Operation &op : function.getBody().front().without_terminator())
    if (stages.lookup(&op) == stage)
      convert(op);
}

void KernelBuilder::convert(mlir::Operation &op) {
  mlir::Location place = op.getLoc();
  auto type = [&] { return tileOf(op.getResult(0).getType()); };
  auto operand = [&](unsigned index = 0) { return tile(op.getOperand(index)); };
  llvm::TypeSwitch<mlir::Operation *>(&op)
      .Case([&](ir::MapOp map) { convertMap(map); })
      .Case([&](ir::SumOp sum) { convertSum(sum); })
      .Case([&](ir::ScanOp scan) { convertScan(scan); })
      .Case([&](ir::ScanGradientOp scan) { convertScanGradient(scan); })
      .Case([&](ir::RecurrenceOp made) { convertRecurrence(made); })
      .Case([&](ir::RecurrenceGradientOp made) {
        convertRecurrenceGradient(made);
      })
      .Case([&](ir::ConstantOp constant) {
        set(constant, pointwise(builder, place, type(), {},
                                [&](mlir::OpBuilder &inner, mlir::ValueRange) {
                                  return number(inner, constant);
                                }));
      })
      .Case([&](ir::IndexOp index) {
        set(index,
            chunk::IndexOp::create(builder, place, type(), index.getKind()));
      })
      .Case([&](ir::BroadcastOp made) {
        set(made, broadcast(operand(), type()));
      })
      .Case([&](ir::RotateOp made) {
        set(made,
            chunk::RotateOp::create(builder, place, type(), made.getKind(),
                                    operand(), made.getAdjoint()));
      })
      .Case([&](ir::CheckRangeOp made) {
        set(made, chunk::CheckRangeOp::create(builder, place, operand()));
      })
      .Case([&](ir::AcrossLayersOp made) {
        set(made, chunk::AcrossLayersOp::create(builder, place, type(),
                                                made.getKind(), operand()));
      })
      .Case([&](ir::AcrossLayersGradientOp made) {
        set(made, chunk::AcrossLayersGradientOp::create(
                      builder, place, type(), made.getKind(), operand(0),
                      operand(1)));
      })
      .Case([&](ir::AtLayerOp made) {
        set(made, chunk::AtLayerOp::create(builder, place, type(), operand()));
      })
      .Case([&](ir::FromLayerOp made) {
        set(made,
            chunk::FromLayerOp::create(builder, place, type(), operand()));
      })
      .Case([&](ir::RandomOp made) {
        auto field = mlir::cast<ir::FieldType>(made.getResult().getType());
        std::string shape;
        for (auto [axis, letter] :
             {std::pair{Axis::Layer, 'L'}, std::pair{Axis::Head, 'H'},
              std::pair{Axis::Channel, 'K'}, std::pair{Axis::Value, 'V'}})
          if (field.has(axis))
            shape += letter;
        set(made, chunk::RandomOp::create(builder, place, type(),
                                          made.getKind(), made.getStream(),
                                          shape, operand(0), operand(1)));
      })
      .Default([](mlir::Operation *) {
        llvm_unreachable("an operation of a design without a tile form");
      });
}

} // namespace decay
