//===- PointwiseExpansion.cpp - One row per operator ----------------------===//
#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace decay {
namespace {

using mlir::Value;
using mlir::ValueRange;

/// The few words that the rows below are written in.
struct Numbers {
  mlir::OpBuilder &builder;
  mlir::Location place;
  mlir::Type type; // f32 or a vector of it

  template <typename Op> Value make(ValueRange operands) {
    return Op::create(builder, place, operands);
  }
  Value constant(float value) {
    mlir::TypedAttr number = builder.getF32FloatAttr(value);
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
      number = mlir::DenseElementsAttr::get(vector, value);
    return mlir::arith::ConstantOp::create(builder, place, number);
  }
  Value add(Value x, Value y) { return make<mlir::arith::AddFOp>({x, y}); }
  Value sub(Value x, Value y) { return make<mlir::arith::SubFOp>({x, y}); }
  Value mul(Value x, Value y) { return make<mlir::arith::MulFOp>({x, y}); }
  Value div(Value x, Value y) { return make<mlir::arith::DivFOp>({x, y}); }
  Value neg(Value x) { return make<mlir::arith::NegFOp>({x}); }
  Value exp(Value x) { return make<mlir::math::ExpOp>({x}); }
  Value log1p(Value x) { return make<mlir::math::Log1pOp>({x}); }
  Value smaller(Value x, Value y) {
    return make<mlir::arith::MinimumFOp>({x, y});
  }
  Value larger(Value x, Value y) {
    return make<mlir::arith::MaximumFOp>({x, y});
  }
  Value choose(mlir::arith::CmpFPredicate when, Value x, Value y, Value then,
               Value otherwise) {
    Value condition = mlir::arith::CmpFOp::create(builder, place, when, x, y);
    return mlir::arith::SelectOp::create(builder, place, condition, then,
                                         otherwise);
  }
  /// exp(-|x|), in (0, 1].
  Value expOfMinusAbsolute(Value x) {
    return exp(neg(make<mlir::math::AbsFOp>({x})));
  }
  Value sigmoid(Value x) {
    Value e = expOfMinusAbsolute(x);
    Value one = constant(1);
    Value numerator =
        choose(mlir::arith::CmpFPredicate::OGE, x, constant(0), one, e);
    return div(numerator, add(one, e));
  }
  Value softplus(Value x) {
    return add(larger(x, constant(0)), log1p(expOfMinusAbsolute(x)));
  }
  Value logaddexp(Value x, Value y) {
    // Equal infinities differ by 0, not by NaN.
    Value difference =
        choose(mlir::arith::CmpFPredicate::OEQ, x, y, constant(0), sub(x, y));
    return add(larger(x, y), log1p(expOfMinusAbsolute(difference)));
  }
};

struct Expansion {
  llvm::StringRef name;
  Value (*build)(Numbers n, ValueRange x);
};

constexpr Expansion expansions[] = {
    {"add", [](Numbers n, ValueRange x) { return n.add(x[0], x[1]); }},
    {"sub", [](Numbers n, ValueRange x) { return n.sub(x[0], x[1]); }},
    {"mul", [](Numbers n, ValueRange x) { return n.mul(x[0], x[1]); }},
    {"div", [](Numbers n, ValueRange x) { return n.div(x[0], x[1]); }},
    {"neg", [](Numbers n, ValueRange x) { return n.neg(x[0]); }},
    {"exp", [](Numbers n, ValueRange x) { return n.exp(x[0]); }},
    {"log",
     [](Numbers n, ValueRange x) { return n.make<mlir::math::LogOp>(x); }},
    {"log1p", [](Numbers n, ValueRange x) { return n.log1p(x[0]); }},
    {"expm1",
     [](Numbers n, ValueRange x) { return n.make<mlir::math::ExpM1Op>(x); }},
    {"sigmoid", [](Numbers n, ValueRange x) { return n.sigmoid(x[0]); }},
    {"logsigmoid",
     [](Numbers n, ValueRange x) { return n.neg(n.softplus(n.neg(x[0]))); }},
    {"softplus", [](Numbers n, ValueRange x) { return n.softplus(x[0]); }},
    {"silu",
     [](Numbers n, ValueRange x) { return n.mul(x[0], n.sigmoid(x[0])); }},
    {"tanh",
     [](Numbers n, ValueRange x) { return n.make<mlir::math::TanhOp>(x); }},
    {"sqrt",
     [](Numbers n, ValueRange x) { return n.make<mlir::math::SqrtOp>(x); }},
    {"pow",
     [](Numbers n, ValueRange x) {
       return n.exp(n.mul(x[1], n.make<mlir::math::LogOp>({x[0]})));
     }},
    {"min", [](Numbers n, ValueRange x) { return n.smaller(x[0], x[1]); }},
    {"max", [](Numbers n, ValueRange x) { return n.larger(x[0], x[1]); }},
    {"clamp",
     [](Numbers n, ValueRange x) {
       return n.smaller(n.larger(x[0], x[1]), x[2]);
     }},
    {"logaddexp",
     [](Numbers n, ValueRange x) { return n.logaddexp(x[0], x[1]); }},
    {"greater_equal",
     [](Numbers n, ValueRange x) {
       return n.choose(mlir::arith::CmpFPredicate::OGE, x[0], x[1],
                       n.constant(1), n.constant(0));
     }},
};

} // namespace

Value expandPointwise(mlir::OpBuilder &builder, mlir::Location place,
                      llvm::StringRef name, ValueRange operands) {
  for (const Expansion &expansion : expansions)
    if (expansion.name == name)
      return expansion.build(
          Numbers{builder, place, operands.front().getType()}, operands);
  llvm_unreachable("the verifier of decay.map knows every operator");
}

} // namespace decay
