//===- Launches.h - How a module says what is launched ---------*- C++ -*-===//
//
// Between the phases that write kernels and the code generation behind them: a
// gpu.module of llvm.func kernels, whose discardable attributes say for which
// entry, sizes and grid each is launched, and the struct that each takes as its
// only parameter (byval, aligned to 16 bytes, nvvm.grid_constant).
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_LAUNCHES_H
#define DECAY_COMPILER_TARGET_CUDA_LAUNCHES_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace decay::cuda {

/// The gpu.module with the kernels, and its array for dynamic shared memory.
inline constexpr llvm::StringLiteral kernelModuleName = "decay_kernels";
inline constexpr llvm::StringLiteral sharedMemoryName = "dyn";

//===----------------------------------------------------------------------===//
// The parameter of a kernel
//===----------------------------------------------------------------------===//

/// Fields of the launch struct in order: operands first, an array of
/// {data, row_stride}, with one element per operand of the entry; row strides
/// are resolved (0 is replaced by the dense one). N is the number of sequences:
/// B unless packed. `cu_seqlens` is null unless packed. A sequence has
/// `Segments` segments of `SegmentTokens` tokens, one of as many as are left:
/// the first in forward, the last in backward. Each field but the first is 8
/// bytes.
enum class LaunchField : uint8_t {
  Operands,
  B,
  T,
  H,
  K,
  V,
  N,
  Layer,
  Layers,
  Position,
  Seed,
  CuSeqlens,
  Workspace,
  Segments,
  SegmentTokens,
};
inline constexpr int64_t launchFieldCount = 15;
/// Of {data, row_stride}.
inline constexpr int64_t launchOperandBytes = 16;
inline constexpr int64_t launchAlignment = 16;

/// Bytes from the struct's start to a field, or to the end for
/// `launchFieldCount`.
constexpr int64_t launchFieldOffset(LaunchField field, int64_t operands) {
  return field == LaunchField::Operands
             ? 0
             : operands * launchOperandBytes +
                   (static_cast<int64_t>(field) - 1) * 8;
}
constexpr int64_t launchBytes(int64_t operands) {
  return operands * launchOperandBytes + (launchFieldCount - 1) * 8;
}

/// The struct as an LLVM type: element i is LaunchField i.
mlir::LLVM::LLVMStructType launchType(mlir::MLIRContext *context,
                                      int64_t operands);

/// Gives a kernel with one pointer parameter the attributes that pass the
/// struct by value in constant memory.
void setLaunchParameter(mlir::LLVM::LLVMFuncOp kernel, int64_t operands);

/// The number of operands that a kernel's parameter has room for.
llvm::Expected<int64_t> launchOperands(mlir::LLVM::LLVMFuncOp kernel);

//===----------------------------------------------------------------------===//
// Sizes known at launch
//===----------------------------------------------------------------------===//

/// Axes of a size. S counts slots of chunks: floor(B T / slotTokens) + N, which
/// is enough for each sequence to have its own, the last not full. G counts the
/// segments of a sequence, J the joints between them: G - 1.
inline constexpr llvm::StringLiteral extentAxes = "BTHKVNLSGJ";
inline constexpr int64_t slotTokens = 64;

/// A product of numbers and axes.
struct Product {
  int64_t number = 1;
  std::array<uint8_t, 10> powers{}; ///< by place in extentAxes
  bool operator==(const Product &) const = default;
};

/// outer * ceil(inner / divisor), written "N H", "3 N ceil(T H,256)", "1".
struct Extent {
  Product outer, inner;
  int64_t divisor = 1;
  bool operator==(const Extent &) const = default;
};

llvm::Expected<Extent> parseExtent(llvm::StringRef text);
std::string formatExtent(const Extent &extent);

//===----------------------------------------------------------------------===//
// Attributes of kernels and of their module
//===----------------------------------------------------------------------===//

inline constexpr llvm::StringLiteral entryAttribute = "decay.entry";
inline constexpr llvm::StringLiteral headDimsAttribute = "decay.head_dims";
inline constexpr llvm::StringLiteral stageAttribute = "decay.stage";
inline constexpr llvm::StringLiteral threadsAttribute = "decay.threads";
inline constexpr llvm::StringLiteral sharedBytesAttribute =
    "decay.shared_bytes";
inline constexpr llvm::StringLiteral gridAttribute = "decay.grid";
inline constexpr llvm::StringLiteral scheduleAttribute = "decay.schedule";
inline constexpr llvm::StringLiteral keptAttribute = "decay.kept";
/// On the gpu.module: a dictionary from entry to an array of parts.
inline constexpr llvm::StringLiteral workspaceAttribute = "decay.workspace";

/// What decides into how many segments sequences are cut, for an entry and head
/// dims: times in tenths of a microsecond.
struct Schedule {
  int64_t blocks; ///< of the kernel, that a multiprocessor has at a time
  int64_t whole;  ///< a chunk takes where sequences are whole
  int64_t cut;    ///< a chunk takes, with its part in the launch before
  int64_t launch; ///< that launch itself takes
  int64_t joint;  ///< a segment takes for each that stands before it
  int64_t behind; ///< a chunk takes of a multiprocessor in a launch behind
  bool operator==(const Schedule &) const = default;
};

/// How one kernel is launched.
struct KernelLaunch {
  std::string entry; ///< "forward", "backward", "step", "init_parameters"
  /// K and V that the kernel serves; none: any.
  std::optional<std::array<int64_t, 2>> headDims;
  /// Launches of an entry and head dims run in this order on the stream.
  int64_t stage = 0;
  int64_t threads = 0;        ///< in a block
  int64_t sharedBytes = 0;    ///< dynamic
  std::array<Extent, 3> grid; ///< not launched where an extent is 0
  /// Of the kernel that does an entry's work; none: sequences stay whole.
  std::optional<Schedule> schedule;
  /// Launched only if callers give what forward keeps (true), or do not
  /// (false); none: either way.
  std::optional<bool> kept;
};

void setKernelLaunch(mlir::LLVM::LLVMFuncOp kernel, const KernelLaunch &launch);
/// Fails with the kernel's name and what is missing or wrong.
llvm::Expected<KernelLaunch> kernelLaunch(mlir::LLVM::LLVMFuncOp kernel);

/// A part of an entry's workspace. Parts lie in order, each aligned to
/// workspaceAlignment; the first is the fault slot.
struct WorkspacePart {
  std::string name;
  Extent elements;
  int64_t bytesPerElement = 1;
};
inline constexpr int64_t workspaceAlignment = 256;
inline constexpr int64_t faultSlotBytes = 64;

void setWorkspace(mlir::gpu::GPUModuleOp module, llvm::StringRef entry,
                  llvm::ArrayRef<WorkspacePart> parts);
/// Empty when the module says nothing of the entry.
llvm::Expected<std::vector<WorkspacePart>>
workspaceOf(mlir::gpu::GPUModuleOp module, llvm::StringRef entry);

/// The fault slot. A thread that finds a violation takes `lock` (0 to 1), and
/// writes the rest unless there is a fault already that comes first in the
/// order of sequence, token, head and channel. The slot is zero when a
/// workspace is new; the host clears it when it reads it, and no launch does,
/// so that a launch costs no memset and a fault waits until someone asks.
struct FaultSlot {
  int32_t lock;
  int32_t code; ///< DecayStatus; 0: no fault
  int64_t sequence, token, head, channel;
  double value;
  int64_t layer, unused;
};
static_assert(sizeof(FaultSlot) == faultSlotBytes);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_LAUNCHES_H
