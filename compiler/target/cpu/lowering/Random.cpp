//===- Random.cpp - Philox4x32-10, one draw per element -------------------===//
//
// Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3",
// SC 2011. Key = seed, counter = (element index, stream), low words first.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <numbers>

namespace decay::cpu {

namespace arith = mlir::arith;

namespace {

constexpr int rounds = 10;
constexpr int64_t multipliers[2] = {0xD2511F53, 0xCD9E8D57};
constexpr int64_t keySteps[2] = {0x9E3779B9, 0xBB67AE85};

/// 32-bit words kept in i64 values.
class Philox {
public:
  Philox(Code &code, Value seed, Value index, int64_t stream) : code(code) {
    key[0] = low(seed);
    key[1] = high(seed);
    counter[0] = low(index);
    counter[1] = high(index);
    Value wide = code.integer(stream);
    counter[2] = low(wide);
    counter[3] = high(wide);
    for (int round = 0; round < rounds; ++round)
      mix(round);
  }
  /// (word >> 8) 2^-24, in [0, 1).
  Value uniform(int word) {
    Value top = arith::ShRUIOp::create(code.builder, code.place, counter[word],
                                       code.integer(8));
    Value number =
        arith::SIToFPOp::create(code.builder, code.place, code.f32(), top);
    return arith::MulFOp::create(code.builder, code.place, number,
                                 code.number(0x1p-24f));
  }

private:
  Value low(Value x) {
    return arith::AndIOp::create(code.builder, code.place, x,
                                 code.integer(0xFFFFFFFF));
  }
  Value high(Value x) {
    return arith::ShRUIOp::create(code.builder, code.place, x,
                                  code.integer(32));
  }
  Value exclusiveOr(Value x, Value y) {
    return arith::XOrIOp::create(code.builder, code.place, x, y);
  }
  void mix(int round) {
    Value keys[2];
    for (int half = 0; half < 2; ++half)
      keys[half] =
          low(code.add(key[half], code.integer(round * keySteps[half])));
    Value first = code.mul(counter[0], code.integer(multipliers[0]));
    Value second = code.mul(counter[2], code.integer(multipliers[1]));
    Value next[4] = {
        exclusiveOr(exclusiveOr(high(second), counter[1]), keys[0]),
        low(second), exclusiveOr(exclusiveOr(high(first), counter[3]), keys[1]),
        low(first)};
    std::copy(std::begin(next), std::end(next), counter);
  }

  Code &code;
  Value key[2], counter[4];
};

} // namespace

void ItemEmitter::emitRandom(chunk::RandomOp op) {
  Buffer to = buffer(op.getResult());
  Buffer first = buffer(op.getFirst()), second = buffer(op.getSecond());
  llvm::StringRef shape = op.getShape();
  auto parameterAt = [&](const Buffer &tile, Value row, Value column) {
    Value offset = code.integer(0);
    if (tile.layout.hasRows)
      offset = code.mul(row, tile.layout.stride);
    if (tile.layout.hasColumns)
      offset = code.add(offset, column);
    return code.load(code.f32(), code.at(tile.data, offset));
  };
  code.loop(to.layout.rows, [&](Value row) {
    code.loop(to.layout.columns, [&](Value column) {
      Value index = shape.contains('L') ? row : code.integer(0);
      if (shape.contains('H'))
        index = code.add(code.mul(index, sizes.H), head);
      if (to.layout.hasColumns)
        index = code.add(code.mul(index, to.layout.columns), column);
      Philox words(code, sizes.seed, index, op.getStream());
      Value a = parameterAt(first, row, column);
      Value b = parameterAt(second, row, column);
      Value made;
      if (op.getKind() == "uniform") {
        made = apply(
            "add", {a, apply("mul", {apply("sub", {b, a}), words.uniform(0)})});
      } else {
        // Box and Muller; u + 2^-24 is in (0, 1], and exact.
        Value radius = apply(
            "sqrt",
            apply("mul", {code.number(-2),
                          apply("log", apply("add", {words.uniform(0),
                                                     code.number(0x1p-24)}))}));
        Value turn = apply("mul", {code.number(2 * std::numbers::pi_v<float>),
                                   words.uniform(1)});
        Value cosine = mlir::math::CosOp::create(builder, code.place, turn);
        made = apply("add",
                     {a, apply("mul", {b, apply("mul", {radius, cosine})})});
      }
      Value offset = code.add(code.mul(row, to.layout.stride), column);
      code.store(made, code.at(to.data, offset));
    });
  });
  if (to.layout.hasColumns)
    clearPadding(to);
}

} // namespace decay::cpu
