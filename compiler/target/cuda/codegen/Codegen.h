//===- Codegen.h - From kernels in MLIR to machine code --------*- C++ -*-===//
//
// Input: a module with one gpu.module of kernels in arith, scf, math, llvm and
// nvvm; Launches.h says how they look. PTX is made in this process, machine
// code by ptxas, a program that is found when it is needed. The same bytes for
// the same module and the same ptxas.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_CODEGEN_CODEGEN_H
#define DECAY_COMPILER_TARGET_CUDA_CODEGEN_CODEGEN_H

#include "compiler/target/cuda/Launches.h"

namespace mlir {
class DialectRegistry;
class ModuleOp;
class OpPassManager;
} // namespace mlir

namespace decay::cuda {

/// Everything down to the LLVM and NVVM dialects.
void addNvvmPasses(mlir::OpPassManager &passes);

/// What lowering and translation need to know of the dialects.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// What ptxas says of a kernel. Bytes are per thread, shared memory per block.
struct KernelResources {
  int64_t registers = 0;
  int64_t staticSharedBytes = 0;
  int64_t stackBytes = 0;
  int64_t spillStoreBytes = 0, spillLoadBytes = 0;
  std::string notes; ///< lines of its own on what made the code slow, or empty
};

/// One kernel with its code.
struct KernelCode {
  std::string name;
  KernelLaunch launch;
  int64_t operands = 0; ///< of its entry, as its parameter has them
  std::string ptx;
  std::string cubin; ///< empty: not assembled
  KernelResources resources;
};

enum class KernelForm { Ptx, Cubin };

/// All kernels of a module that has gone through addNvvmPasses, in the order of
/// the module. Fails for a module without kernels, for a kernel whose
/// attributes do not hold together, and with what ptxas says.
llvm::Expected<std::vector<KernelCode>> emitKernels(mlir::ModuleOp module,
                                                    KernelForm form);

/// The kernels' gpu.module; null if there is none.
mlir::gpu::GPUModuleOp kernelModule(mlir::ModuleOp module);

/// Blocks of a kernel that fit in one multiprocessor at a time.
int64_t blocksPerMultiprocessor(const KernelCode &kernel);

/// For people: a table of the kernels' resources.
std::string formatReport(llvm::ArrayRef<KernelCode> kernels);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_CODEGEN_CODEGEN_H
