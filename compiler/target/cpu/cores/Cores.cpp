//===- Cores.cpp - The table of cores and the room that they need ---------===//
#include "compiler/target/cpu/cores/Cores.h"

#include "compiler/target/cpu/cores/Parts.h"
#include "compiler/target/cpu/cores/Tiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace decay::cpu {

namespace {

constexpr const char *directionNames[] = {"forward", "state", "backward"};
constexpr const char *scheduleNames[] = {"recurrent", "tree"};
constexpr const char *granularityNames[] = {"vector", "scalar"};

using MakeCore = func::FuncOp (*)(Emitter &);

/// By direction and schedule.
constexpr MakeCore vectorCores[3][2] = {
    {recurrentForward, treeForward},
    {recurrentState, treeState},
    {recurrentBackward, treeBackward},
};

std::string baseName(const CoreRequest &request) {
  return llvm::formatv(
      "core_{0}_{1}_{2}",
      directionNames[static_cast<size_t>(request.direction)],
      scheduleNames[static_cast<size_t>(request.schedule)],
      granularityNames[static_cast<size_t>(request.granularity)]);
}

/// Floats = constant + byK K + byV V + byArea K V.
struct WorkFloats {
  int64_t constant, byK, byV, byArea;
};

/// Kept states of one slice, chunkTokens + 1 or those of a block's rest, and
/// two transposed states.
constexpr int64_t widestSlice = 32;
constexpr WorkFloats recurrentWork = {0, 0, (chunkTokens + 1) * widestSlice, 2};
constexpr WorkFloats restWork = {0, 0, blockTokens *widestSlice, 2};

/// TreeRoom, in its order.
constexpr int64_t blocks = chunkTokens / blockTokens;
constexpr WorkFloats treeWork = {
    2 * blocks * pairFloats,
    blocks + 2 * chunkTokens + 2 * blockTokens + 1 + restWork.byK,
    2 * chunkTokens + restWork.byV, blocks + 1 + restWork.byArea};

/// A scalar core spreads λ and dλ before the work of its vector core.
constexpr WorkFloats workFloats = {
    std::max(recurrentWork.constant, treeWork.constant),
    std::max(recurrentWork.byK, treeWork.byK) + 2 * chunkTokens,
    std::max(recurrentWork.byV, treeWork.byV),
    std::max(recurrentWork.byArea, treeWork.byArea)};

} // namespace

llvm::ArrayRef<CoreRequest> allCores() {
  static const std::vector<CoreRequest> requests = [] {
    std::vector<CoreRequest> all;
    for (Direction direction :
         {Direction::forward, Direction::state, Direction::backward})
      for (Schedule schedule : {Schedule::recurrent, Schedule::tree})
        for (Granularity granularity :
             {Granularity::vector, Granularity::scalar})
          all.push_back({direction, schedule, granularity});
    return all;
  }();
  return requests;
}

std::string coreName(const CoreRequest &request, const Variant &variant) {
  return baseName(request) + "_" + variant.name;
}

void emitCoreFunctions(ModuleOp module, const Variant &variant,
                       ArrayRef<CoreRequest> requests) {
  Emitter emit(module, variant);
  for (const CoreRequest &request : requests) {
    func::FuncOp core =
        vectorCores[static_cast<size_t>(request.direction)]
                   [static_cast<size_t>(request.schedule)](emit);
    if (request.granularity == Granularity::scalar)
      scalarCore(emit, baseName(request), request.direction, core);
  }
}

int64_t coreWorkFloats(int64_t K, int64_t V) {
  return workFloats.constant + workFloats.byK * K + workFloats.byV * V +
         workFloats.byArea * K * V;
}

Value emitCoreWorkFloats(ImplicitLocOpBuilder &builder, Value K, Value V) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(builder, builder.getI64Type(), value);
  };
  auto plusScaled = [&](Value sum, Value value, int64_t factor) -> Value {
    Value scaled = arith::MulIOp::create(builder, value, constant(factor));
    return arith::AddIOp::create(builder, sum, scaled);
  };
  Value sum = plusScaled(constant(workFloats.constant), K, workFloats.byK);
  sum = plusScaled(sum, V, workFloats.byV);
  Value area = arith::MulIOp::create(builder, K, V);
  return plusScaled(sum, area, workFloats.byArea);
}

} // namespace decay::cpu
