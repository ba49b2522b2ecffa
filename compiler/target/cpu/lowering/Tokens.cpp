//===- Tokens.cpp - Scans, sums and checks along the tokens ---------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

namespace decay::cpu {

void ItemEmitter::forColumns(const Buffer &tile,
                             llvm::function_ref<void(Value, mlir::Type)> body) {
  if (!tile.layout.hasColumns)
    return body(code.integer(0), code.f32());
  code.loop(code.integer(0), tile.layout.stride, code.integer(variant.lanes),
            [&](Value column) { body(column, code.vectorType()); });
}

namespace {

/// What a kind of scan does, on numbers or vectors.
struct ScanRule {
  llvm::StringRef kind;
  /// Whether z_t is made from z_{t-1}; else z_t = x_t.
  bool adds;
  /// d z_t / d x_t and d z_t / d z_{t-1}: sigmoids of the difference, or
  /// constants.
  bool sigmoids;
  float termWeight, carryWeight;
};

constexpr ScanRule scanRules[] = {
    {"cumsum", true, false, 1, 1},
    {"logcumsumexp", true, true, 0, 0},
    {"latest", false, false, 1, 0},
};

const ScanRule &ruleOf(llvm::StringRef kind) {
  for (const ScanRule &rule : scanRules)
    if (rule.kind == kind)
      return rule;
  llvm_unreachable("the verifier of decay.scan knows every kind");
}

} // namespace

std::pair<Value, Value> ItemEmitter::addKeeping(Value sum, Value lost,
                                                Value term) {
  Value step = apply("sub", {term, lost});
  Value next = apply("add", {sum, step});
  return {next, apply("sub", {apply("sub", {next, sum}), step})};
}

void ItemEmitter::emitScan(chunk::ScanOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  Buffer term = buffer(op.getTerm()), carry = buffer(op.getCarry());
  Buffer inclusive = buffer(op.getInclusive());
  Buffer exclusive = buffer(op.getExclusive());
  forColumns(term, [&](Value column, mlir::Type type) {
    Value place = code.at(carry.data, column);
    llvm::SmallVector<Value> initial = {code.load(type, place),
                                        code.zero(type)};
    auto loop = mlir::scf::ForOp::create(
        builder, code.place, code.integer(0), tokens, code.integer(1), initial,
        [&](mlir::OpBuilder &, mlir::Location at, Value token,
            mlir::ValueRange carried) {
          Value before = carried[0], lost = carried[1];
          Value offset = code.add(code.mul(token, term.layout.stride), column);
          Value x = code.load(type, code.at(term.data, offset)), z = x;
          if (rule.adds) {
            Value term = x;
            if (rule.sigmoids)
              term = apply("softplus", apply("sub", {x, before}));
            std::tie(z, lost) = addKeeping(before, lost, term);
          }
          if (rule.sigmoids) { // a term above the sum takes its place
            Value isBelow = mlir::arith::CmpFOp::create(
                builder, at, mlir::arith::CmpFPredicate::OGE, before, x);
            z = code.choose(isBelow, z, apply("logaddexp", {before, x}));
            lost = code.choose(isBelow, lost, code.zero(type));
          }
          code.store(before, code.at(exclusive.data, offset));
          code.store(z, code.at(inclusive.data, offset));
          mlir::scf::YieldOp::create(builder, at, mlir::ValueRange{z, lost});
        });
    code.store(loop.getResult(0), place);
  });
}

void ItemEmitter::emitScanGradient(chunk::ScanGradientOp op) {
  const ScanRule &rule = ruleOf(op.getKind());
  Buffer term = buffer(op.getTerm()), exclusive = buffer(op.getExclusive());
  Buffer dInclusive = buffer(op.getDInclusive());
  Buffer dExclusive = buffer(op.getDExclusive());
  Buffer dTerm = buffer(op.getDTerm()), carry = buffer(op.getCarry());
  Value last = code.sub(tokens, code.integer(1));
  forColumns(term, [&](Value column, mlir::Type type) {
    Value place = code.at(carry.data, column);
    Value zero = code.zero(type);
    llvm::SmallVector<Value> initial = {code.load(type, place), zero};
    auto loop = mlir::scf::ForOp::create(
        builder, code.place, code.integer(0), tokens, code.integer(1), initial,
        [&](mlir::OpBuilder &, mlir::Location at, Value index,
            mlir::ValueRange carried) {
          Value behind = carried[0], lost = carried[1];
          Value token = code.sub(last, index);
          Value offset = code.add(code.mul(token, term.layout.stride), column);
          auto load = [&](const Buffer &tile) {
            return code.load(type, code.at(tile.data, offset));
          };
          Value inclusive = load(dInclusive), exclusiveOwn = load(dExclusive);
          Value reaching = apply("add", {inclusive, behind});
          Value own = rule.termWeight == 0 ? zero : reaching;
          Value before = exclusiveOwn;
          if (rule.sigmoids || rule.carryWeight != 0) {
            // What inclusive and exclusive receive may oppose, and leave a
            // far smaller mean behind the tokens: these two are added first.
            Value added = apply("add", {inclusive, exclusiveOwn});
            Value difference, weight;
            if (rule.sigmoids) {
              difference = apply("sub", {load(term), load(exclusive)});
              weight = apply("sigmoid", difference);
              own = apply("mul", {reaching, weight});
              added = apply("sub", {added, own});
            }
            std::tie(before, lost) = addKeeping(behind, lost, added);
            if (rule.sigmoids) { // a term that takes nearly all leaves a rest
              Value isLess = mlir::arith::CmpFOp::create(
                  builder, at, mlir::arith::CmpFPredicate::OLT, weight,
                  code.constant(type, 0.5));
              Value rest = apply("sigmoid", apply("neg", difference));
              Value passed =
                  apply("add", {exclusiveOwn, apply("mul", {reaching, rest})});
              before = code.choose(isLess, before, passed);
              lost = code.choose(isLess, lost, zero);
            }
          }
          code.store(own, code.at(dTerm.data, offset));
          mlir::scf::YieldOp::create(builder, at,
                                     mlir::ValueRange{before, lost});
        });
    code.store(loop.getResult(0), place);
  });
}

void ItemEmitter::emitAccumulate(chunk::AccumulateOp op) {
  Buffer total = buffer(op.getAccumulator()), tile = buffer(op.getTile());
  forColumns(tile, [&](Value column, mlir::Type type) {
    Value place = code.at(total.data, column);
    llvm::SmallVector<Value> initial = {code.load(type, place),
                                        code.zero(type)};
    auto loop = mlir::scf::ForOp::create(
        builder, code.place, code.integer(0), tokens, code.integer(1), initial,
        [&](mlir::OpBuilder &, mlir::Location at, Value token,
            mlir::ValueRange carried) {
          Value offset = code.add(code.mul(token, tile.layout.stride), column);
          Value term = code.load(type, code.at(tile.data, offset));
          auto [sum, lost] = addKeeping(carried[0], carried[1], term);
          mlir::scf::YieldOp::create(builder, at, mlir::ValueRange{sum, lost});
        });
    code.store(loop.getResult(0), place);
  });
}

void ItemEmitter::emitSum(chunk::SumOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  bool rowsStay = to.layout.hasRows || !from.layout.hasRows;
  Value one = code.integer(1), zero = code.number(0);
  auto at = [&](Value row, Value column) {
    Value offset = code.add(code.mul(row, from.layout.stride), column);
    return code.load(code.f32(), code.at(from.data, offset));
  };
  auto addRow = [&](Value row, Value start) {
    return code.reduce(from.layout.columns, one, start,
                       [&](Value column, Value so) -> Value {
                         return apply("add", {so, at(row, column)});
                       });
  };
  if (!rowsStay) {
    // Over layers (and channels, if they go too).
    fill(to);
    code.loop(from.layout.rows, [&](Value row) {
      code.loop(from.layout.columns, [&](Value column) {
        Value place =
            code.at(to.data, to.layout.hasColumns ? column : code.integer(0));
        code.store(
            apply("add", {code.load(code.f32(), place), at(row, column)}),
            place);
      });
    });
    return;
  }
  bool pairsGo = to.layout.hasColumns;
  code.loop(rowsInUse(from), [&](Value row) {
    if (!pairsGo) {
      code.store(addRow(row, zero), code.at(to.data, row));
      return;
    }
    code.loop(sizes.K, [&](Value column) {
      Value sum =
          apply("add", {at(row, column), at(row, code.add(column, sizes.K))});
      Value offset = code.add(code.mul(row, to.layout.stride), column);
      code.store(sum, code.at(to.data, offset));
    });
  });
  if (pairsGo)
    clearPadding(to);
}

void ItemEmitter::emitRepeatPair(chunk::RepeatPairOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  code.loop(rowsInUse(from), [&](Value row) {
    code.loop(sizes.K, [&](Value column) {
      Value source = code.add(code.mul(row, from.layout.stride), column);
      Value number = code.load(code.f32(), code.at(from.data, source));
      Value offset = code.add(code.mul(row, to.layout.stride), column);
      code.store(number, code.at(to.data, offset));
      code.store(number, code.at(to.data, code.add(offset, sizes.K)));
    });
  });
  clearPadding(to);
}

void ItemEmitter::emitCheckRange(chunk::CheckRangeOp op) {
  Buffer tile = buffer(op.getOperand());
  namespace arith = mlir::arith;
  auto compare = [&](arith::CmpFPredicate predicate, Value x, float bound) {
    return arith::CmpFOp::create(builder, code.place, predicate, x,
                                 code.number(bound));
  };
  Value start = chunkStart ? chunkStart : code.integer(0);
  code.loop(rowsInUse(tile), [&](Value row) {
    code.loop(tile.layout.columns, [&](Value column) {
      Value offset = code.add(code.mul(row, tile.layout.stride), column);
      Value number = code.load(code.f32(), code.at(tile.data, offset));
      // NaN is outside as well.
      Value inside = arith::AndIOp::create(
          builder, code.place, compare(arith::CmpFPredicate::OGE, number, 0),
          compare(arith::CmpFPredicate::OLE, number, 1));
      Value none = code.equal(code.load(code.i64(), fault), code.integer(0));
      Value report = code.choose(inside, code.zero(builder.getI1Type()), none);
      code.when(report, [&] {
        code.store(code.integer(1), fault);
        code.store(code.add(start, row), code.bytesAt(fault, 8));
        code.store(column, code.bytesAt(fault, 16));
        Value wide = arith::ExtFOp::create(builder, code.place,
                                           builder.getF64Type(), number);
        code.store(wide, code.bytesAt(fault, 24));
      });
    });
  });
}

} // namespace decay::cpu
