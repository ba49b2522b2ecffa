//===- Initialise.cpp - Where parameters start ----------------------------===//
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy
// as 1, 2, 3", SC 2011), one draw per element: key = seed, counter = (element
// index, stream), low words first. All devices draw the same numbers.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/Entries.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

#include <numbers>

namespace decay::cuda {

namespace arith = mlir::arith;
namespace NVVM = mlir::NVVM;
using ir::Axis;

namespace {

constexpr int rounds = 10;
constexpr int64_t multipliers[2] = {0xD2511F53, 0xCD9E8D57};
constexpr uint32_t keySteps[2] = {0x9E3779B9, 0xBB67AE85};

class Philox {
public:
  Philox(Lanes &code, Value seed, Value index, int64_t stream)
      : code(code), key{low(seed), high(seed)},
        counter{low(index), high(index), low(code.wide(stream)),
                high(code.wide(stream))} {
    for (uint32_t round = 0; round < rounds; ++round)
      mix(round);
  }
  /// (word >> 8) 2^-24, in [0, 1).
  Value uniform(int word) {
    Value number = arith::SIToFPOp::create(code.builder, code.place, code.f32(),
                                           code.shiftRight(counter[word], 8));
    return code.fmul(number, code.number(0x1p-24f));
  }

private:
  Value low(Value x) { return code.truncate(x); }
  Value high(Value x) {
    return code.truncate(
        arith::ShRUIOp::create(code.builder, code.place, x, code.wide(32)));
  }
  void mix(uint32_t round) {
    Value first = code.mul(code.extend(counter[0]), code.wide(multipliers[0]));
    Value second = code.mul(code.extend(counter[2]), code.wide(multipliers[1]));
    auto keyOf = [&](int half) {
      return code.add(key[half], int64_t(round * keySteps[half]));
    };
    Value next[4] = {
        code.bitXor(code.bitXor(high(second), counter[1]), keyOf(0)),
        low(second),
        code.bitXor(code.bitXor(high(first), counter[3]), keyOf(1)),
        low(first)};
    std::copy(std::begin(next), std::end(next), counter);
  }

  Lanes &code;
  Value key[2], counter[4];
};

/// A thread has a layer, a head and a channel, and with them an element of each
/// parameter; of those that lack an axis, the threads at its start write.
class InitialiseEmitter final : public KernelEmitter {
public:
  using KernelEmitter::KernelEmitter;

private:
  KernelLaunch describe() override;
  int32_t blocksWanted(int64_t) override { return 1; }
  void emitItem() override;
  void emitOperation(mlir::Operation &op) override;
  void emitRandom(chunk::RandomOp op);
  void emitElement(chunk::WriteOp op);
  Value elementIndex(llvm::StringRef axes);

  Value layer, exists, heads, channels;
};

KernelLaunch InitialiseEmitter::describe() {
  KernelLaunch how;
  how.entry = entryOf(kernel).getEntry().str();
  how.threads = elementThreads;
  how.grid = {*parseExtent("ceil(L H K,256)"), *parseExtent("1"),
              *parseExtent("1")};
  return how;
}

void InitialiseEmitter::emitItem() {
  thread = NVVM::ThreadIdXOp::create(builder, code.place, code.i32());
  Value block = NVVM::BlockIdXOp::create(builder, code.place, code.i32());
  Value index = code.add(code.mul(block, elementThreads), thread);
  heads = code.truncate(field(LaunchField::H));
  channels = code.truncate(field(LaunchField::K));
  Value row = code.divide(index, channels);
  channel = code.sub(index, code.mul(row, channels));
  layer = code.divide(row, heads);
  head = code.sub(row, code.mul(layer, heads));
  exists = code.less(layer, layerCount());
}

void InitialiseEmitter::emitOperation(mlir::Operation &op) {
  if (auto random = mlir::dyn_cast<chunk::RandomOp>(op))
    return emitRandom(random);
  if (auto write = mlir::dyn_cast<chunk::WriteOp>(op))
    return emitElement(write);
  KernelEmitter::emitOperation(op);
}

Value InitialiseEmitter::elementIndex(llvm::StringRef axes) {
  Value index = code.integer(0);
  const std::tuple<char, Value, Value> order[] = {
      {'L', layer, Value()}, {'H', head, heads}, {'K', channel, channels}};
  for (auto [axis, place, size] : order)
    if (axes.contains(axis))
      index = size ? code.add(code.mul(index, size), place) : place;
  return index;
}

void InitialiseEmitter::emitRandom(chunk::RandomOp op) {
  Value a = numberOf(tile(op.getFirst()), layer);
  Value b = numberOf(tile(op.getSecond()), layer);
  Philox words(code, field(LaunchField::Seed),
               code.extend(elementIndex(op.getShape())), op.getStream());
  Tile made = assigned(op.getResult());
  if (op.getKind() == "uniform") {
    made.numbers = {code.fma(code.fsub(b, a), words.uniform(0), a)};
  } else {
    // Box and Muller; u + 2^-24 is in (0, 1], and exact.
    Value u = code.fadd(words.uniform(0), code.number(0x1p-24f));
    Value radius =
        apply("sqrt", {code.fmul(code.number(-2), apply("log", {u}))});
    Value turn =
        code.fmul(code.number(2 * std::numbers::pi_v<float>), words.uniform(1));
    Value cosine = mlir::math::CosOp::create(builder, code.place, turn);
    made.numbers = {code.fma(b, code.fmul(radius, cosine), a)};
  }
  tiles[op.getResult()] = made;
}

void InitialiseEmitter::emitElement(chunk::WriteOp op) {
  int64_t operand = op.getOperand();
  llvm::StringRef axes = shapeOf(operand);
  Value writes = code.both(exists, code.notNull(dataOf(operand)));
  const std::pair<char, Value> places[] = {
      {'L', layer}, {'H', head}, {'K', channel}};
  for (auto [axis, place] : places)
    if (!axes.contains(axis))
      writes = code.both(writes, code.equal(place, 0));
  Value number = numberOf(tile(op.getTile()), layer);
  code.when(writes, [&] {
    Value bytes =
        code.mul(code.extend(elementIndex(axes)), code.wide(floatBytes));
    code.store(number, code.at(dataOf(operand), bytes));
  });
}

} // namespace

mlir::LLVM::LLVMFuncOp emitInitialise(chunk::KernelOp kernel,
                                      mlir::OpBuilder &builder) {
  return InitialiseEmitter(kernel, BlockShape{1, 1, 1}, builder).emit();
}

} // namespace decay::cuda
