//===- Rotation.cpp - Positional encodings --------------------------------===//
//
// An angle p θ needs more digits than fp32 has. The glue computes cos and sin
// in fp64 for each offset within a chunk (once per item) and for each chunk's
// first token; the sum formulas of cos and sin then cost two roundings.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

namespace decay::cpu {

namespace {
constexpr llvm::StringLiteral rowFunction = "decay_rotation_row";

/// Calls decay_rotation_row(cos, sin, position, frequencies).
void callRow(Code &code, mlir::func::FuncOp near, Value cosine, Value sine,
             Value position, Value frequencies) {
  auto module = near->getParentOfType<mlir::ModuleOp>();
  auto pointer = code.pointerType();
  if (!module.lookupSymbol(rowFunction)) {
    mlir::OpBuilder::InsertionGuard guard(code.builder);
    code.builder.setInsertionPointToStart(module.getBody());
    auto type = code.builder.getFunctionType(
        {pointer, pointer, code.i64(), code.i64()}, {});
    mlir::func::FuncOp::create(code.builder, code.place, rowFunction, type)
        .setPrivate();
  }
  mlir::func::CallOp::create(
      code.builder, code.place, rowFunction, mlir::TypeRange{},
      mlir::ValueRange{cosine, sine, position, frequencies});
}
} // namespace

/// The table's parts: cos rows, then sin rows, C + 1 of each.
static std::pair<Value, Value> tableRow(Code &code, const TilePlan &plan,
                                        const Sizes &sizes, Value scratch,
                                        Value row) {
  Value cosine = code.at(
      scratch, code.add(plan.rotationOffset(), code.mul(row, sizes.Kp)));
  Value apart = code.mul(code.integer(sizes.C + 1), sizes.Kp);
  return {cosine, code.at(cosine, apart)};
}

static Value frequenciesOf(Code &code, const Sizes &sizes,
                           llvm::StringRef kind) {
  return kind == "rope" ? code.divide(sizes.K, code.integer(2)) : sizes.K;
}

void ItemEmitter::prepareRotation() {
  Value frequencies = frequenciesOf(code, sizes, rotationKind);
  code.loop(code.integer(sizes.C), [&](Value offset) {
    auto [cosine, sine] = tableRow(code, plan, sizes, scratch, offset);
    callRow(code, function, cosine, sine, offset, frequencies);
  });
}

void ItemEmitter::startRotation() {
  auto [cosine, sine] =
      tableRow(code, plan, sizes, scratch, code.integer(sizes.C));
  callRow(code, function, cosine, sine, code.add(sizes.position, chunkStart),
          frequenciesOf(code, sizes, rotationKind));
}

void ItemEmitter::emitRotate(chunk::RotateOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  bool rope = op.getKind() == "rope", adjoint = op.getAdjoint();
  Value frequencies = frequenciesOf(code, sizes, op.getKind());
  auto start = tableRow(code, plan, sizes, scratch, code.integer(sizes.C));
  auto mul = [&](Value x, Value y) { return apply("mul", {x, y}); };
  code.loop(rowsInUse(from), [&](Value row) {
    auto offset = tableRow(code, plan, sizes, scratch, row);
    Value source = code.at(from.data, code.mul(row, from.layout.stride));
    Value target = code.at(to.data, code.mul(row, to.layout.stride));
    code.loop(frequencies, [&](Value c) {
      auto number = [&](Value pointer, Value at) {
        return code.load(code.f32(), code.at(pointer, at));
      };
      Value c0 = number(start.first, c), s0 = number(start.second, c);
      Value c1 = number(offset.first, c), s1 = number(offset.second, c);
      Value cosine = apply("sub", {mul(c0, c1), mul(s0, s1)});
      Value sine = apply("add", {mul(s0, c1), mul(c0, s1)});
      Value second = code.add(c, frequencies);
      Value x = number(source, c);
      Value y = rope || adjoint ? number(source, second) : Value();
      auto put = [&](Value value, Value at) {
        code.store(value, code.at(target, at));
      };
      if (!rope && !adjoint) {
        put(mul(x, cosine), c);
        put(mul(x, sine), second);
      } else if (!rope) {
        put(apply("add", {mul(x, cosine), mul(y, sine)}), c);
      } else {
        Value turn = adjoint ? apply("neg", sine) : sine;
        put(apply("sub", {mul(x, cosine), mul(y, turn)}), c);
        put(apply("add", {mul(x, turn), mul(y, cosine)}), second);
      }
    });
  });
  clearPadding(to);
}

} // namespace decay::cpu
