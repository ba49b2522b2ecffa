//===- DecayOps.cpp - Builders and verifiers ------------------------------===//
#include "compiler/dialect/decay/DecayDialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#define GET_OP_CLASSES
#include "compiler/dialect/decay/DecayOps.cpp.inc"

namespace decay::ir {
namespace {

using mlir::LogicalResult;
using mlir::success;

FieldType field(mlir::Value value) {
  return mlir::cast<FieldType>(value.getType());
}

/// Arity of a pointwise operator, -1 if there is none of that name.
int arityOf(llvm::StringRef name) {
  return llvm::StringSwitch<int>(name)
#define DECAY_POINTWISE(identifier, arity, visible, meaning)                   \
  .Case(#identifier, arity)
#include "dsl/operators/PointwiseOperators.def"
#undef DECAY_POINTWISE
      .Default(-1);
}

unsigned unionOfAxes(mlir::ValueRange operands) {
  unsigned axes = 0;
  for (mlir::Value operand : operands)
    axes |= field(operand).getAxes();
  return axes;
}

LogicalResult requireKind(mlir::Operation *op, llvm::StringRef kind,
                          llvm::ArrayRef<llvm::StringRef> allowed) {
  if (llvm::is_contained(allowed, kind))
    return success();
  return op->emitOpError("unknown kind '") << kind << "'";
}

LogicalResult requireSubset(mlir::Operation *op, unsigned inner,
                            unsigned outer) {
  if ((inner & ~outer) == 0)
    return success();
  return op->emitOpError(
      "the axes of one type must contain those of the other");
}

constexpr unsigned tokenHead = axisBit(Axis::Token) | axisBit(Axis::Head);
constexpr unsigned stateAxes = axisBit(Axis::Sequence) | axisBit(Axis::Head) |
                               axisBit(Axis::Channel) | axisBit(Axis::Value);

/// What forward and gradient of the recurrence ask of their five inputs.
LogicalResult verifyRecurrence(mlir::Operation *op, FieldType q, FieldType k,
                               FieldType v, FieldType lambda,
                               FieldType initial) {
  unsigned key = tokenHead | axisBit(Axis::Channel);
  unsigned pair = axisBit(Axis::Pair);
  if (q != k || (q.getAxes() & ~pair) != key)
    return op->emitOpError(
        "q and k must vary over token, head, channel (and pair)");
  if (v.getAxes() != (tokenHead | axisBit(Axis::Value)))
    return op->emitOpError("v must vary over token, head, value");
  if (lambda.getAxes() & ~key)
    return op->emitOpError("lambda may vary over token, head and channel only");
  if (initial.getAxes() != (stateAxes | (q.getAxes() & pair)))
    return op->emitOpError(
        "the state must vary over sequence, head, channel, value like q and k");
  return success();
}

} // namespace

LogicalResult IndexOp::verify() {
  if (failed(
          requireKind(*this, getKind(), {"head", "heads", "layer", "layers"})))
    return mlir::failure();
  unsigned expected = getKind() == "head" ? axisBit(Axis::Head) : 0;
  if (field(getResult()).getAxes() != expected)
    return emitOpError("wrong axes for '") << getKind() << "'";
  return success();
}

void MapOp::build(mlir::OpBuilder &builder, mlir::OperationState &state,
                  llvm::StringRef name, mlir::ValueRange operands) {
  build(builder, state,
        FieldType::get(builder.getContext(), unionOfAxes(operands)), name,
        operands);
}

LogicalResult MapOp::verify() {
  int arity = arityOf(getName());
  if (arity < 0)
    return emitOpError("unknown pointwise operator '") << getName() << "'";
  if (static_cast<size_t>(arity) != getOperands().size())
    return emitOpError("'") << getName() << "' takes " << arity << " operands";
  if (unionOfAxes(getOperands()) != field(getResult()).getAxes())
    return emitOpError(
        "the result must vary over the union of the operands' axes");
  return success();
}

LogicalResult BroadcastOp::verify() {
  return requireSubset(*this, field(getOperand()).getAxes(),
                       field(getResult()).getAxes());
}

LogicalResult SumOp::verify() {
  return requireSubset(*this, field(getResult()).getAxes(),
                       field(getOperand()).getAxes());
}

void ScanOp::build(mlir::OpBuilder &builder, mlir::OperationState &state,
                   llvm::StringRef kind, mlir::Value term,
                   mlir::Value initial) {
  build(builder, state, {term.getType(), term.getType(), initial.getType()},
        kind, term, initial);
}

static FieldType carriedType(FieldType term) {
  return term.without(Axis::Token).with(Axis::Sequence);
}

LogicalResult ScanOp::verify() {
  FieldType term = field(getTerm());
  if (failed(
          requireKind(*this, getKind(), {"cumsum", "logcumsumexp", "latest"})))
    return mlir::failure();
  if (!term.has(Axis::Token))
    return emitOpError("the term must vary over token");
  if (getInclusive().getType() != term || getExclusive().getType() != term ||
      getInitial().getType() != carriedType(term) ||
      getFinal().getType() != carriedType(term))
    return emitOpError(
        "initial and final must have the term's axes with sequence for token");
  return success();
}

void ScanGradientOp::build(mlir::OpBuilder &builder,
                           mlir::OperationState &state, llvm::StringRef kind,
                           mlir::ValueRange operands) {
  build(builder, state, {operands[0].getType(), operands[4].getType()}, kind,
        operands[0], operands[1], operands[2], operands[3], operands[4]);
}

LogicalResult ScanGradientOp::verify() {
  if (failed(
          requireKind(*this, getKind(), {"cumsum", "logcumsumexp", "latest"})))
    return mlir::failure();
  FieldType term = field(getTerm());
  for (mlir::Value value :
       {getExclusive(), getDInclusive(), getDExclusive(), getDTerm()})
    if (value.getType() != term)
      return emitOpError(
          "token-varying operands and results must have the term's type");
  if (getDFinal().getType() != carriedType(term) ||
      getDInitial().getType() != carriedType(term))
    return emitOpError("d_final and d_initial must have the carried type");
  return success();
}

LogicalResult AcrossLayersOp::verify() {
  if (failed(requireKind(*this, getKind(), {"softmax", "cumsum", "first"})))
    return mlir::failure();
  FieldType operand = field(getOperand());
  if (!operand.has(Axis::Layer))
    return emitOpError("the operand must vary over layer");
  FieldType expected =
      getKind() == "first" ? operand.without(Axis::Layer) : operand;
  if (getResult().getType() != expected)
    return emitOpError("wrong result axes for '") << getKind() << "'";
  return success();
}

LogicalResult AcrossLayersGradientOp::verify() {
  return requireKind(*this, getKind(), {"softmax", "cumsum", "first"});
}

LogicalResult AtLayerOp::verify() {
  FieldType operand = field(getOperand());
  if (!operand.has(Axis::Layer) ||
      getResult().getType() != operand.without(Axis::Layer))
    return emitOpError("the result must be the operand without its layer axis");
  return success();
}

LogicalResult FromLayerOp::verify() {
  FieldType operand = field(getOperand());
  if (operand.has(Axis::Layer) ||
      getResult().getType() != operand.with(Axis::Layer))
    return emitOpError("the result must be the operand with a layer axis");
  return success();
}

LogicalResult RotateOp::verify() {
  if (failed(requireKind(*this, getKind(), {"rope", "lrpe_cosine"})))
    return mlir::failure();
  FieldType operand = field(getOperand()), result = field(getResult());
  if (getKind() == "rope")
    return operand == result ? success() : emitOpError("rope keeps the axes");
  FieldType narrow = getAdjoint() ? result : operand,
            wide = getAdjoint() ? operand : result;
  if (narrow.has(Axis::Pair) || wide != narrow.with(Axis::Pair))
    return emitOpError(
        "lrpe_cosine adds the pair axis (its adjoint removes it)");
  return success();
}

LogicalResult RecurrenceOp::verify() {
  return verifyRecurrence(*this, field(getQ()), field(getK()), field(getV()),
                          field(getLambda()), field(getInitial()));
}

void RecurrenceGradientOp::build(mlir::OpBuilder &builder,
                                 mlir::OperationState &state,
                                 RecurrenceOp forward, mlir::Value dO,
                                 mlir::Value dFinal) {
  build(builder, state,
        {forward.getQ().getType(), forward.getK().getType(),
         forward.getV().getType(), forward.getLambda().getType(),
         forward.getInitial().getType()},
        forward.getQ(), forward.getK(), forward.getV(), forward.getLambda(),
        forward.getInitial(), dO, dFinal);
}

LogicalResult RecurrenceGradientOp::verify() {
  return verifyRecurrence(*this, field(getQ()), field(getK()), field(getV()),
                          field(getLambda()), field(getInitial()));
}

LogicalResult RandomOp::verify() {
  return requireKind(*this, getKind(), {"uniform", "normal"});
}

} // namespace decay::ir
