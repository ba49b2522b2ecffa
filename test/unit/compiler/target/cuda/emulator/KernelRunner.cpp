//===- KernelRunner.cpp - Parses a kernel and runs it ---------------------===//
#include "KernelRunner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"

#include <random>

using namespace mlir;

namespace decay::cuda {

Outcome runFunction(const std::string &parameters, const std::string &body,
                    const GridShape &grid, llvm::ArrayRef<Argument> arguments,
                    llvm::ArrayRef<GlobalRange> ranges) {
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, gpu::GPUDialect, LLVM::LLVMDialect,
                  NVVM::NVVMDialect, math::MathDialect, scf::SCFDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  const std::string text =
      "gpu.module @kernels {\n"
      "llvm.mlir.global external @dyn() {addr_space = 3 : i32, "
      "alignment = 1024 : i64} : !llvm.array<0 x i8>\n"
      "llvm.func @kernel(" +
      parameters + ") attributes {nvvm.kernel} {\n" + body +
      "\nllvm.return\n}\n}\n";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return {{}, "the text is no module"};
  LLVM::LLVMFuncOp kernel;
  module->walk([&](LLVM::LLVMFuncOp function) { kernel = function; });
  llvm::Expected<Report> report = emulate(kernel, grid, arguments, ranges);
  if (!report)
    return {{}, llvm::toString(report.takeError())};
  return {std::move(*report), ""};
}

Outcome runKernel(const std::string &body, std::vector<uint32_t> &data,
                  const GridShape &grid) {
  return runFunction("%data: !llvm.ptr<1>", prologue() + body, grid,
                     Argument::pointer(data.data()),
                     GlobalRange{data.data(),
                                 static_cast<int64_t>(data.size() * 4), true,
                                 "data"});
}

std::string prologue() {
  std::string text = R"(
    %tid = nvvm.read.ptx.sreg.tid.x : i32
    %lane = nvvm.read.ptx.sreg.laneid : i32
    %dyn = llvm.mlir.addressof @dyn : !llvm.ptr<3>
    %mine = llvm.getelementptr %dyn[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
    %out = llvm.getelementptr %data[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
)";
  for (const char *number :
       {"0", "1", "2", "3", "4", "5", "8", "16", "31", "32", "64", "128"})
    text +=
        std::string("%c") + number + " = arith.constant " + number + " : i32\n";
  return text + "%all = arith.constant -1 : i32\n";
}

std::vector<float> exactNumbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = static_cast<float>(static_cast<int>(random() % 65) - 32) / 8;
  return values;
}

} // namespace decay::cuda
