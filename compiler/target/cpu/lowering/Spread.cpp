//===- Spread.cpp - A λ that no token changes, one number a token ---------===//
//
// The cores multiply the λ's of a block of tokens one after the other before
// the state sees them. Equal numbers have products that all round to the same
// side, so what is handed on to the next token is what the product lacks, not
// what the number alone does.
//
//===----------------------------------------------------------------------===//
#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"
#include "compiler/target/cpu/cores/Cores.h"
#include "compiler/target/cpu/lowering/ItemEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace decay::cpu {

namespace {

/// One column, or one vector of them, on its way through the tokens.
struct Spreading {
  Value plain;   ///< λ as one number
  Value exact;   ///< 1 - λ
  Value isSmall; ///< λ < 1/2: repeated as it is
  Value owed;    ///< by how much the next token's 1 - λ must be larger
  Value prefix; ///< product of the block's tokens so far, as the cores round it
};

} // namespace

/// The number of the next token.
static Value nextLambda(Code &code, Spreading &column) {
  mlir::Type type = column.plain.getType();
  auto apply = [&](llvm::StringRef name, mlir::ValueRange arguments) {
    return expandPointwise(code.builder, code.place, name, arguments);
  };
  Value one = code.constant(type, 1);
  // In [1/2, 1] what `rounded` lacks of 1 is exact.
  Value wanted = apply("add", {column.exact, column.owed});
  Value rounded = apply("min", {apply("sub", {one, wanted}), one});
  column.owed = apply("sub", {wanted, apply("sub", {one, rounded})});
  if (column.prefix) {
    Value product = apply("mul", {column.prefix, rounded});
    Value lost =
        mlir::math::FmaOp::create(code.builder, code.place, column.prefix,
                                  rounded, apply("neg", product));
    column.owed =
        apply("sub", {column.owed, apply("div", {lost, column.prefix})});
    column.prefix = product;
  } else {
    column.prefix = rounded;
  }
  return code.choose(column.isSmall, column.plain, rounded);
}

void ItemEmitter::emitSpread(chunk::SpreadOp op) {
  Buffer lambda = buffer(op.getLambda()), to = buffer(op.getResult());
  Buffer complement = buffer(op.getComplement());
  namespace arith = mlir::arith;
  const int64_t blockTokens = std::min(sizes.C, coreBlockTokens);
  assert(sizes.C % blockTokens == 0 && "a chunk is whole blocks");
  forColumns(to, [&](Value column, mlir::Type type) {
    Spreading spreading;
    spreading.exact = code.load(type, code.at(complement.data, column));
    spreading.plain = code.load(type, code.at(lambda.data, column));
    spreading.isSmall =
        arith::CmpFOp::create(builder, code.place, arith::CmpFPredicate::OLT,
                              spreading.plain, code.constant(type, 0.5));
    code.reduce(
        code.integer(sizes.C), code.integer(blockTokens), code.zero(type),
        [&](Value first, Value owed) -> Value {
          spreading.owed = owed;
          spreading.prefix = {};
          for (int64_t i = 0; i < blockTokens; ++i) {
            Value number = nextLambda(code, spreading);
            Value token = code.add(first, code.integer(i));
            code.store(
                number,
                code.at(to.data,
                        code.add(code.mul(token, to.layout.stride), column)));
          }
          return spreading.owed;
        });
  });
  if (to.layout.hasColumns)
    code.loop(code.integer(sizes.C), [&](Value row) {
      Value start = code.mul(row, to.layout.stride);
      code.loop(to.layout.columns, to.layout.stride, code.integer(1),
                [&](Value column) {
                  code.store(code.number(0),
                             code.at(to.data, code.add(start, column)));
                });
    });
}

} // namespace decay::cpu
