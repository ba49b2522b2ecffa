//===- Report.cpp - What kernels take of a multiprocessor ----------------===//
#include "compiler/target/cuda/codegen/Codegen.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

namespace decay::cuda {
namespace {

/// A multiprocessor of compute capability 9.0.
constexpr int64_t warpThreads = 32, mostWarps = 64, mostBlocks = 32;
constexpr int64_t registerFile = 65536, registersPerWarpUnit = 256;
/// A warp's registers come from one of the four quarters of the file.
constexpr int64_t quarters = 4;
constexpr int64_t sharedMemory = 228 * 1024, sharedUnit = 128;
/// Of each block, for the system.
constexpr int64_t reservedShared = 1024;

} // namespace

int64_t blocksPerMultiprocessor(const KernelCode &kernel) {
  int64_t warps = llvm::divideCeil(kernel.launch.threads, warpThreads);
  if (warps == 0 || kernel.resources.registers == 0)
    return 0;
  int64_t perWarp = llvm::alignTo(kernel.resources.registers * warpThreads,
                                  registersPerWarpUnit);
  int64_t warpsByRegisters = registerFile / quarters / perWarp * quarters;
  int64_t shared =
      llvm::alignTo(kernel.launch.sharedBytes +
                        kernel.resources.staticSharedBytes + reservedShared,
                    sharedUnit);
  return std::min({mostBlocks, mostWarps / warps, warpsByRegisters / warps,
                   sharedMemory / shared});
}

std::string formatReport(llvm::ArrayRef<KernelCode> kernels) {
  size_t width = 6;
  for (const KernelCode &kernel : kernels)
    width = std::max(width, kernel.name.size());
  constexpr const char *row = "{0}  {1,9}  {2,7}  {3,7}  {4,6}  {5,5}  {6,9}\n";
  auto padded = [&](std::string name) {
    name.resize(width, ' ');
    return name;
  };
  std::string text =
      llvm::formatv(row, padded("kernel"), "registers", "threads", "shared",
                    "spills", "stack", "blocks/SM");
  std::string notes;
  for (const KernelCode &kernel : kernels) {
    const KernelResources &resources = kernel.resources;
    text += llvm::formatv(
        row, padded(kernel.name), resources.registers, kernel.launch.threads,
        kernel.launch.sharedBytes + resources.staticSharedBytes,
        resources.spillStoreBytes + resources.spillLoadBytes,
        resources.stackBytes, blocksPerMultiprocessor(kernel));
    if (!resources.notes.empty())
      notes += kernel.name + ":\n" + resources.notes;
  }
  return text + notes;
}

} // namespace decay::cuda
