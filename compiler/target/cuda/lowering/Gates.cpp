//===- Gates.cpp - Gates in few instructions ------------------------------===//
#include "compiler/target/cuda/lowering/Gates.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

namespace decay::cuda {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Value;

namespace {

constexpr float log2e = 1.44269504f;

/// sigmoid(x), or sigmoid(-x) if `isNegated`.
struct Logistic {
  Value x;
  bool isNegated = false;
};

bool isOne(Value value) {
  return mlir::matchPattern(value, mlir::m_OneFloat());
}

/// exp(-|x|): x.
Value argumentOf(Value exponential) {
  auto exp = exponential.getDefiningOp<math::ExpOp>();
  auto negated =
      exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : nullptr;
  auto absolute =
      negated ? negated.getOperand().getDefiningOp<math::AbsFOp>() : nullptr;
  return absolute ? absolute.getOperand() : Value();
}

/// The stable form that decay-to-chunk writes: (x >= 0 ? 1 : e) / (1 + e) with
/// e = exp(-|x|).
std::optional<Logistic> matchLogistic(arith::DivFOp quotient) {
  auto sum = quotient.getRhs().getDefiningOp<arith::AddFOp>();
  auto top = quotient.getLhs().getDefiningOp<arith::SelectOp>();
  if (!sum || !top || !isOne(top.getTrueValue()))
    return std::nullopt;
  Value e = top.getFalseValue(), x = argumentOf(e);
  bool isSum = (sum.getLhs() == e && isOne(sum.getRhs())) ||
               (sum.getRhs() == e && isOne(sum.getLhs()));
  auto condition = top.getCondition().getDefiningOp<arith::CmpFOp>();
  if (!x || !isSum || !condition ||
      condition.getPredicate() != arith::CmpFPredicate::OGE ||
      !mlir::matchPattern(condition.getRhs(), mlir::m_AnyZeroFloat()))
    return std::nullopt;
  Value compared = condition.getLhs();
  if (compared == x)
    return Logistic{x, false};
  auto negated = compared.getDefiningOp<arith::NegFOp>();
  if (negated && negated.getOperand() == x)
    return Logistic{x, true};
  return std::nullopt;
}

Value constant(mlir::OpBuilder &builder, mlir::Location place, float value) {
  return arith::ConstantOp::create(builder, place,
                                   builder.getF32FloatAttr(value));
}

/// Whether the quotient is part of 1 + x σ(-x) alone, as in silu's derivative:
/// beside 1 a rounded 1 - σ(x) will do.
bool isBesideOne(arith::DivFOp quotient, Value x) {
  return llvm::all_of(quotient->getUsers(), [&](mlir::Operation *user) {
    auto product = mlir::dyn_cast<arith::MulFOp>(user);
    if (!product || (product.getLhs() != x && product.getRhs() != x))
      return false;
    return llvm::all_of(product->getUsers(), [](mlir::Operation *next) {
      auto sum = mlir::dyn_cast<arith::AddFOp>(next);
      return sum && (isOne(sum.getLhs()) || isOne(sum.getRhs()));
    });
  });
}

/// What a logistic function of x is made of.
struct Parts {
  Value e;       ///< exp(-x)
  Value inverse; ///< 1 / (1 + e)
};

/// Whether a number of the region is the same for all tokens, so that what is
/// made of it alone is made once.
bool isForAllTokens(chunk::PointwiseOp op, Value number) {
  auto argument = mlir::dyn_cast<mlir::BlockArgument>(number);
  return argument && argument.getOwner() == &op.getBody().front() &&
         !mlir::cast<chunk::TileType>(
              op.getInputs()[argument.getArgNumber()].getType())
              .has(ir::Axis::Token);
}

/// c x; where x is a sum with a number for all tokens, in one instruction.
Value emitScaled(mlir::OpBuilder &builder, chunk::PointwiseOp op, Value x,
                 float c) {
  mlir::Location place = x.getLoc();
  Value factor = constant(builder, place, c);
  auto sum = x.getDefiningOp<arith::AddFOp>();
  for (int64_t side = 0; sum && side < 2; ++side) {
    Value fixed = sum->getOperand(side), other = sum->getOperand(1 - side);
    if (isForAllTokens(op, fixed) && !isForAllTokens(op, other))
      return math::FmaOp::create(
          builder, place, other, factor,
          arith::MulFOp::create(builder, place, fixed, factor));
  }
  return arith::MulFOp::create(builder, place, x, factor);
}

/// With a bound, σ(x) is right for x above -41 and at most 1e-18 below.
Parts emitLogistic(mlir::OpBuilder &builder, mlir::Location place,
                   chunk::PointwiseOp op, Value x, bool isBounded) {
  Value scaled = emitScaled(builder, op, x, -log2e);
  Value e = math::Exp2Op::create(builder, place, scaled);
  if (isBounded) {
    auto bounded = arith::MinimumFOp::create(builder, place, e,
                                             constant(builder, place, 0x1p60f));
    bounded->setAttr(boundedName, builder.getUnitAttr());
    e = bounded;
  }
  Value one = constant(builder, place, 1);
  Value sum = arith::AddFOp::create(builder, place, e, one);
  auto inverse = arith::DivFOp::create(builder, place, one, sum);
  if (isBounded)
    inverse->setAttr(boundedName, builder.getUnitAttr());
  return {e, inverse};
}

/// Whether a number of a region is q or k as the caller has it, and there are
/// others to share with: a step has one at a time.
bool canShareReciprocal(chunk::PointwiseOp op, Value number) {
  auto kernel = op->getParentOfType<chunk::KernelOp>();
  if (kernel.getChunkLength() == 1)
    return false;
  auto argument = mlir::dyn_cast<mlir::BlockArgument>(number);
  auto read = argument ? op.getInputs()[argument.getArgNumber()]
                             .getDefiningOp<chunk::ReadOp>()
                       : nullptr;
  if (!read)
    return false;
  mlir::Attribute operand = kernel.getOperands()[read.getOperand()];
  llvm::StringRef name = mlir::cast<mlir::DictionaryAttr>(operand)
                             .getAs<mlir::StringAttr>("name")
                             .getValue();
  return name == "q" || name == "k";
}

/// 1 - σ(x). e stops at 2^120, so that the product stays right for any x.
Value emitComplement(mlir::OpBuilder &builder, mlir::Location place,
                     const Parts &parts, bool besideOne) {
  if (besideOne)
    return arith::SubFOp::create(builder, place, constant(builder, place, 1),
                                 parts.inverse);
  Value e = arith::MinimumFOp::create(builder, place, parts.e,
                                      constant(builder, place, 0x1p120f));
  return arith::MulFOp::create(builder, place, e, parts.inverse);
}

/// log(1 + u) for u in [0, 1], 7 u of 2^-24: 2 atanh(u / (2 + u)).
Value emitUnitLog1p(mlir::OpBuilder &builder, mlir::Location place, Value u) {
  constexpr float c[] = {0.34222454f, 0.3959006f, 0.66675978f, 1.99999967f};
  auto number = [&](float value) { return constant(builder, place, value); };
  Value below = arith::AddFOp::create(builder, place, u, number(2));
  Value inverse = arith::DivFOp::create(builder, place, number(1), below);
  Value z = arith::MulFOp::create(builder, place, u, inverse);
  Value square = arith::MulFOp::create(builder, place, z, z);
  Value sum = number(c[0]);
  for (float next : llvm::ArrayRef(c).drop_front())
    sum = math::FmaOp::create(builder, place, sum, square, number(next));
  return arith::MulFOp::create(builder, place, sum, z);
}

/// Softplus' logarithm, and exponentials of a product with a number for all
/// tokens, which takes the base's part.
void shortenFunctions(chunk::PointwiseOp op) {
  mlir::Block &body = op.getBody().front();
  for (auto log : llvm::make_early_inc_range(body.getOps<math::Log1pOp>()))
    if (argumentOf(log.getOperand())) {
      mlir::OpBuilder builder(log);
      log.replaceAllUsesWith(
          emitUnitLog1p(builder, log.getLoc(), log.getOperand()));
      log.erase();
    }
  for (auto exp : llvm::make_early_inc_range(body.getOps<math::ExpOp>())) {
    Value power = exp.getOperand();
    auto negated = power.getDefiningOp<arith::NegFOp>();
    auto product =
        (negated ? negated.getOperand() : power).getDefiningOp<arith::MulFOp>();
    for (int64_t side = 0; product && side < 2; ++side) {
      Value fixed = product->getOperand(side);
      if (!isForAllTokens(op, fixed))
        continue;
      mlir::OpBuilder builder(exp);
      Value scaled = arith::MulFOp::create(
          builder, exp.getLoc(), fixed,
          constant(builder, exp.getLoc(), negated ? -log2e : log2e));
      exp.replaceAllUsesWith(
          math::Exp2Op::create(
              builder, exp.getLoc(),
              arith::MulFOp::create(builder, exp.getLoc(), scaled,
                                    product->getOperand(1 - side)))
              .getResult());
      exp.erase();
      break;
    }
  }
}

/// Whether σ is that of prev(z) - x, which is the sum's share, or of x -
/// prev(z), which is the term's; neither in a step, where there is no scan's
/// code.
std::optional<bool> findShare(chunk::PointwiseOp op, const Logistic &of) {
  auto difference = of.x.getDefiningOp<arith::SubFOp>();
  chunk::ScanOp scan = findSummedScan(op);
  if (!difference || !scan ||
      op->getParentOfType<chunk::KernelOp>().getChunkLength() == 1)
    return std::nullopt;
  auto inputOf = [&](Value number) {
    auto argument = mlir::dyn_cast<mlir::BlockArgument>(number);
    return argument ? op.getInputs()[argument.getArgNumber()] : Value();
  };
  Value sides[] = {inputOf(difference.getLhs()), inputOf(difference.getRhs())};
  for (int64_t side = 0; side < 2; ++side)
    if (sides[side] == scan.getExclusive() && sides[1 - side] == scan.getTerm())
      return (side == 1) == of.isNegated;
  return std::nullopt;
}

/// -x, where that is known instead of x.
Value findNegated(const llvm::DenseMap<Value, Parts> &known, Value x) {
  auto difference = x.getDefiningOp<arith::SubFOp>();
  for (const auto &[other, parts] : known)
    if (auto turned = other.getDefiningOp<arith::SubFOp>();
        difference && turned && turned.getLhs() == difference.getRhs() &&
        turned.getRhs() == difference.getLhs())
      return other;
  return Value();
}

void simplifyRegion(chunk::PointwiseOp op) {
  llvm::DenseMap<Value, Parts> known;
  mlir::Block &body = op.getBody().front();
  llvm::DenseSet<Value> softplusOf;
  for (auto log : body.getOps<math::Log1pOp>())
    if (Value x = argumentOf(log.getOperand()))
      softplusOf.insert(x);
  for (auto quotient :
       llvm::make_early_inc_range(body.getOps<arith::DivFOp>())) {
    std::optional<Logistic> found = matchLogistic(quotient);
    if (!found)
      continue;
    if (softplusOf.contains(found->x))
      continue; // exp(-|x|) is there
    if (std::optional<bool> isOfSum = findShare(op, *found)) {
      quotient->setAttr(shareName,
                        mlir::BoolAttr::get(op.getContext(), *isOfSum));
      continue;
    }
    if (Value negated = findNegated(known, found->x))
      found = Logistic{negated, !found->isNegated};
    mlir::OpBuilder builder(quotient);
    if (mlir::Operation *definition = found->x.getDefiningOp())
      builder.setInsertionPointAfter(definition);
    else
      builder.setInsertionPointToStart(&body);
    auto [place, isNew] = known.try_emplace(found->x);
    if (isNew)
      place->second = emitLogistic(builder, quotient.getLoc(), op, found->x,
                                   canShareReciprocal(op, found->x));
    builder.setInsertionPoint(quotient);
    Value made = place->second.inverse;
    if (found->isNegated)
      made = emitComplement(builder, quotient.getLoc(), place->second,
                            isBesideOne(quotient, found->x));
    quotient.replaceAllUsesWith(made);
    quotient.erase();
  }
  shortenFunctions(op);
  auto approximate =
      arith::FastMathFlagsAttr::get(op.getContext(), arith::FastMathFlags::afn);
  for (mlir::Operation &inner : body)
    if (mlir::isa<math::MathDialect>(inner.getDialect()) ||
        mlir::isa<arith::DivFOp>(inner))
      if (mlir::isa<arith::ArithFastMathInterface>(inner))
        inner.setAttr("fastmath", approximate);
}

} // namespace

chunk::ScanOp findSummedScan(chunk::PointwiseOp op) {
  chunk::ScanOp found;
  for (Value input : op.getInputs()) {
    auto scan = input.getDefiningOp<chunk::ScanOp>();
    if (!scan || scan.getKind() != "logcumsumexp" ||
        input != scan.getExclusive())
      continue;
    if (found && found != scan)
      return nullptr;
    found = scan;
  }
  return found;
}

chunk::ScanOp sharedScan(chunk::PointwiseOp op) {
  bool hasShare =
      llvm::any_of(op.getBody().front(), [](mlir::Operation &inner) {
        return inner.hasAttr(shareName);
      });
  return hasShare ? findSummedScan(op) : nullptr;
}

llvm::DenseSet<mlir::Operation *> findNeeded(chunk::PointwiseOp op) {
  llvm::DenseSet<mlir::Operation *> needed;
  for (mlir::Operation &inner : llvm::reverse(op.getBody().front()))
    if (inner.hasTrait<mlir::OpTrait::IsTerminator>() ||
        llvm::any_of(inner.getUsers(), [&](mlir::Operation *user) {
          return needed.contains(user) && !user->hasAttr(shareName);
        }))
      needed.insert(&inner);
  return needed;
}

bool takesArgument(chunk::PointwiseOp op, unsigned index) {
  llvm::DenseSet<mlir::Operation *> needed = findNeeded(op);
  return llvm::any_of(op.getBody().front().getArgument(index).getUsers(),
                      [&](mlir::Operation *user) {
                        return needed.contains(user) &&
                               !user->hasAttr(shareName);
                      });
}

void simplifyGates(chunk::KernelOp kernel) { kernel.walk(simplifyRegion); }

} // namespace decay::cuda
