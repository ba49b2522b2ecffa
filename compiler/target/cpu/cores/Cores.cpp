//===- Cores.cpp - The table of cores and the room that they need ---------===//
#include "compiler/target/cpu/cores/Cores.h"

#include "compiler/target/cpu/cores/Parts.h"

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
    {recurrentForward, nullptr},
    {recurrentState, nullptr},
    {recurrentBackward, nullptr},
};

std::string baseName(const CoreRequest &request) {
  return llvm::formatv(
      "core_{0}_{1}_{2}",
      directionNames[static_cast<size_t>(request.direction)],
      scheduleNames[static_cast<size_t>(request.schedule)],
      granularityNames[static_cast<size_t>(request.granularity)]);
}

/// Floats = constant + byK K + byV V + byArea K V, the largest of all cores.
struct WorkFloats {
  int64_t byK, byV, byArea;
};

/// The recurrent backward keeps chunkTokens + 1 states of one slice, and two
/// transposed states; a scalar core spreads λ and dλ before that.
constexpr int64_t widestSlice = 32;
constexpr WorkFloats workFloats = {2 * chunkTokens,
                                   (chunkTokens + 1) * widestSlice, 2};

} // namespace

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
  return workFloats.byK * K + workFloats.byV * V + workFloats.byArea * K * V;
}

Value emitCoreWorkFloats(ImplicitLocOpBuilder &builder, Value K, Value V) {
  auto scaled = [&](Value value, int64_t factor) -> Value {
    Value constant =
        arith::ConstantIntOp::create(builder, builder.getI64Type(), factor);
    return arith::MulIOp::create(builder, value, constant);
  };
  Value area = arith::MulIOp::create(builder, K, V);
  Value linear = arith::AddIOp::create(builder, scaled(K, workFloats.byK),
                                       scaled(V, workFloats.byV));
  return arith::AddIOp::create(builder, linear,
                               scaled(area, workFloats.byArea));
}

} // namespace decay::cpu
