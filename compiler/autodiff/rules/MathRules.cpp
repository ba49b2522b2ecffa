//===- MathRules.cpp - Derivatives of the pointwise operators -------------===//
//
// One row per operator: for each operand, the gradient of the result times the
// partial derivative, in a form that neither overflows nor cancels where the
// operator itself does not.
//
//===----------------------------------------------------------------------===//
#include "compiler/autodiff/rules/Rules.h"

#include "llvm/ADT/StringMap.h"

namespace decay {
namespace {

using mlir::Value;

/// One use of an operator: operands x, y, z; its result r; the gradient d of r.
struct Use {
  Expressions &e;
  Value x, y, z, r, d;

  Value times(Value partial) const { return e.mul(d, partial); }
  /// d where a >= b, else 0.
  Value where(Value a, Value b) const {
    return times(e.map("greater_equal", {a, b}));
  }
  /// d where a < b, else 0.
  Value whereLess(Value a, Value b) const {
    return times(e.sub(e.constant(1), e.map("greater_equal", {a, b})));
  }
};

using Partial = Value (*)(const Use &);

Value dAdd(const Use &u) { return u.d; }
Value dNegate(const Use &u) { return u.e.neg(u.d); }
Value dMulX(const Use &u) { return u.times(u.y); }
Value dMulY(const Use &u) { return u.times(u.x); }
Value dDivX(const Use &u) { return u.e.div(u.d, u.y); }
Value dDivY(const Use &u) { return u.e.neg(u.e.div(u.times(u.r), u.y)); }
Value dExp(const Use &u) { return u.times(u.r); }
Value dLog(const Use &u) { return u.e.div(u.d, u.x); }
Value dLog1p(const Use &u) {
  return u.e.div(u.d, u.e.add(u.e.constant(1), u.x));
}
Value dExpm1(const Use &u) { return u.times(u.e.exp(u.x)); }
Value dSigmoid(const Use &u) {
  return u.times(u.e.mul(u.r, u.e.sigmoid(u.e.neg(u.x))));
}
Value dLogsigmoid(const Use &u) { return u.times(u.e.sigmoid(u.e.neg(u.x))); }
Value dSoftplus(const Use &u) { return u.times(u.e.sigmoid(u.x)); }
Value dSilu(const Use &u) {
  Value complement = u.e.sigmoid(u.e.neg(u.x));
  Value slope = u.e.add(u.e.constant(1), u.e.mul(u.x, complement));
  return u.times(u.e.mul(u.e.sigmoid(u.x), slope));
}
Value dTanh(const Use &u) {
  // 1 - tanh(x)^2 would cancel: it is 4 sigmoid(2x) sigmoid(-2x).
  Value twice = u.e.add(u.x, u.x);
  Value product = u.e.mul(u.e.sigmoid(twice), u.e.sigmoid(u.e.neg(twice)));
  return u.times(u.e.mul(u.e.constant(4), product));
}
Value dSqrt(const Use &u) { return u.e.div(u.times(u.e.constant(0.5)), u.r); }
Value dPowX(const Use &u) {
  Value lower = u.e.map("pow", {u.x, u.e.sub(u.y, u.e.constant(1))});
  return u.times(u.e.mul(u.y, lower));
}
Value dPowY(const Use &u) { return u.times(u.e.mul(u.r, u.e.map("log", u.x))); }
Value dMinX(const Use &u) { return u.where(u.y, u.x); }
Value dMinY(const Use &u) { return u.whereLess(u.y, u.x); }
Value dMaxX(const Use &u) { return u.where(u.x, u.y); }
Value dMaxY(const Use &u) { return u.whereLess(u.x, u.y); }
/// clamp(x, a, b) = min(max(x, a), b): what reaches the inner maximum.
Use insideClamp(const Use &u) {
  Use inner = u;
  inner.d = u.where(u.z, u.e.map("max", {u.x, u.y}));
  return inner;
}
Value dClampX(const Use &u) { return dMaxX(insideClamp(u)); }
Value dClampY(const Use &u) { return dMaxY(insideClamp(u)); }
Value dClampZ(const Use &u) {
  return u.whereLess(u.z, u.e.map("max", {u.x, u.y}));
}
Value dLogaddexpX(const Use &u) {
  return u.times(u.e.sigmoid(u.e.sub(u.x, u.y)));
}
Value dLogaddexpY(const Use &u) {
  return u.times(u.e.sigmoid(u.e.sub(u.y, u.x)));
}

struct Row {
  llvm::StringRef name;
  Partial partials[3]; ///< null: the derivative is zero
};

const Row rows[] = {
    {"add", {dAdd, dAdd}},
    {"sub", {dAdd, dNegate}},
    {"mul", {dMulX, dMulY}},
    {"div", {dDivX, dDivY}},
    {"neg", {dNegate}},
    {"exp", {dExp}},
    {"log", {dLog}},
    {"log1p", {dLog1p}},
    {"expm1", {dExpm1}},
    {"sigmoid", {dSigmoid}},
    {"logsigmoid", {dLogsigmoid}},
    {"softplus", {dSoftplus}},
    {"silu", {dSilu}},
    {"tanh", {dTanh}},
    {"sqrt", {dSqrt}},
    {"pow", {dPowX, dPowY}},
    {"min", {dMinX, dMinY}},
    {"max", {dMaxX, dMaxY}},
    {"clamp", {dClampX, dClampY, dClampZ}},
    {"logaddexp", {dLogaddexpX, dLogaddexpY}},
    {"greater_equal", {}},
};

const Row &rowOf(llvm::StringRef name) {
  const Row *row = llvm::find_if(
      rows, [&](const Row &candidate) { return candidate.name == name; });
  assert(row != std::end(rows) && "every operator has a row");
  return *row;
}

} // namespace

void differentiate(ir::MapOp op, Adjoints &adjoints) {
  const Row &row = rowOf(op.getName());
  Expressions expressions(adjoints.builder, op.getLoc());
  auto operand = [&](unsigned index) {
    return index < op.getOperands().size() ? op.getOperands()[index] : Value();
  };
  Use use{expressions, operand(0),     operand(1),
          operand(2),  op.getResult(), adjoints.find(op.getResult())};
  for (auto [index, value] : llvm::enumerate(op.getOperands()))
    if (row.partials[index] && adjoints.isActive(value))
      adjoints.add(op.getLoc(), value, row.partials[index](use));
}

} // namespace decay
