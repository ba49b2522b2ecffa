//===- LowerKernels.cpp - The pass lower-kernels --------------------------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"
#include "compiler/target/cpu/lowering/Passes.h"

namespace decay::cpu {

#define GEN_PASS_DEF_LOWERKERNELS
#include "compiler/target/cpu/lowering/Passes.h.inc"

void emitSizeFunctions(chunk::KernelOp kernel, mlir::OpBuilder &builder) {
  mlir::OpBuilder::InsertionGuard guard(builder);
  mlir::Location place = kernel.getLoc();
  Code code(builder, place, variants[0]);
  auto begin = [&](llvm::StringRef suffix, llvm::ArrayRef<mlir::Type> types) {
    std::string name = ("decay_" + kernel.getSymName() + suffix).str();
    auto function = mlir::func::FuncOp::create(
        builder, place, name, builder.getFunctionType(types, code.i64()));
    builder.setInsertionPointToStart(function.addEntryBlock());
    return function;
  };
  TilePlan plan(kernel);
  int64_t C = static_cast<int64_t>(kernel.getChunkLength());
  {
    mlir::OpBuilder::InsertionGuard inner(builder);
    auto function =
        begin("_scratch_floats", {code.pointerType(), code.i64(), code.i64()});
    Sizes sizes = loadSizes(code, function.getArgument(0), plan.pairs(), C,
                            function.getArgument(1));
    mlir::func::ReturnOp::create(
        builder, place, plan.emitOffsets(code, sizes, function.getArgument(2)));
  }
  auto function = begin("_partial_floats", {code.pointerType()});
  Sizes sizes = loadSizes(code, function.getArgument(0), plan.pairs(), C,
                          code.integer(1));
  Value floats = code.integer(0);
  for (auto operand : kernel.getOperands().getAsRange<mlir::DictionaryAttr>())
    if (operand.get("reduce"))
      floats = code.add(
          floats,
          partialSize(code, sizes,
                      operand.getAs<mlir::StringAttr>("shape").getValue()));
  mlir::func::ReturnOp::create(builder, place, floats);
}

namespace {

struct LowerKernels : impl::LowerKernelsBase<LowerKernels> {
  void runOnOperation() override {
    auto only = getOperation()->getAttrOfType<mlir::StringAttr>(onlyVariant);
    auto kernels = llvm::to_vector(getOperation().getOps<chunk::KernelOp>());
    for (chunk::KernelOp kernel : kernels) {
      mlir::OpBuilder builder(kernel);
      for (const Variant &variant : variants)
        if (!only || only.getValue() == variant.name)
          ItemEmitter(kernel, variant, builder).emit();
      emitSizeFunctions(kernel, builder);
      kernel.erase();
    }
  }
};

} // namespace
} // namespace decay::cpu
