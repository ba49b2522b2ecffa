//===- Emulator.h - A kernel of threads, executed on the CPU ---*- C++ -*-===//
//
// Runs an llvm.func of scf, arith, math, llvm and nvvm operations as a grid of
// thread blocks, and checks every access to memory: bounds, alignment,
// initialisation, data races and copies in flight.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_EMULATOR_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_EMULATOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace mlir {
class Operation;
} // namespace mlir

namespace decay::cuda {

/// Blocks of the grid; threads of one block (a multiple of 32, at most 1024,
/// all in x); dynamic shared memory of one block.
struct GridShape {
  int x = 1, y = 1, z = 1;
  int threads = 32;
  int64_t sharedBytes = 0;
};

/// Host memory that the kernel may touch; any other address is a fault.
struct GlobalRange {
  void *begin = nullptr;
  int64_t bytes = 0;
  bool writable = false;
  std::string name; ///< for faults
};

/// What one parameter of the kernel gets.
class Argument {
public:
  enum class Kind { i32, i64, f32, pointer, bytes };

  static Argument i32(int32_t value) {
    return {Kind::i32, static_cast<uint32_t>(value)};
  }
  static Argument i64(int64_t value) {
    return {Kind::i64, static_cast<uint64_t>(value)};
  }
  static Argument f32(float value) {
    return {Kind::f32, llvm::bit_cast<uint32_t>(value)};
  }
  static Argument pointer(const void *address) {
    return {Kind::pointer, reinterpret_cast<uintptr_t>(address)};
  }
  /// A structure passed by value: the parameter is a pointer with llvm.byval.
  static Argument bytes(const void *begin, size_t count) {
    Argument argument{Kind::bytes, 0};
    argument.storage.assign(static_cast<const char *>(begin), count);
    return argument;
  }
  template <typename T> static Argument byValue(const T &value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return bytes(&value, sizeof value);
  }

  Kind kind() const { return which; }
  uint64_t bits() const { return scalar; }
  llvm::StringRef content() const { return storage; }

private:
  Argument(Kind kind, uint64_t bits) : which(kind), scalar(bits) {}

  Kind which;
  uint64_t scalar;
  std::string storage;
};

/// What one operation did wrong. An operation's faults of one kind are told
/// once, by the first thread that met them.
struct Fault {
  std::string what;      ///< kind and particulars
  std::string operation; ///< as MLIR prints it
  std::string location;
  int block[3] = {0, 0, 0};
  int thread = 0;
  uint64_t address = 0; ///< host address, or the offset in shared memory
  int64_t times = 1;

  std::string text() const;
};

/// Of one kind of operation: how often threads and warps executed it, over the
/// whole grid. A warp counts if any of its threads is active.
struct InstructionCount {
  std::string kind; ///< the operation's name
  int64_t threads = 0;
  int64_t warps = 0;
};

/// What one operation cost the shared memory, over the whole grid: 32 banks of
/// 4 bytes, a wavefront for each set of words that the banks can give at once.
/// Accesses of 8 and 16 bytes go by half and quarter warps, matrices by rows.
struct SharedCost {
  std::string operation;
  int64_t accesses = 0;   ///< of warps
  int64_t wavefronts = 0; ///< what they took
  int64_t least = 0;      ///< what they would take without conflicts
};

struct Report {
  std::vector<Fault> faults;            ///< empty: nothing to complain about
  std::vector<InstructionCount> counts; ///< most executed first
  std::vector<SharedCost> shared;       ///< in the order of the kernel
  int64_t globalSectors = 0; ///< 32-byte sectors that warps' accesses touched
  int64_t blocks = 0, threads = 0; ///< that ran; threads of all blocks

  int64_t wavefronts() const;
  int64_t leastWavefronts() const;
  /// Executions by threads, of one kind or of all.
  int64_t executed(llvm::StringRef kind) const;
  int64_t executed() const;
  /// All faults, one paragraph each; empty without any.
  std::string faultText() const;
  /// Counts and costs as a table.
  std::string costText() const;
};

/// Runs `kernel`, an llvm.func of one block with structured control flow, for
/// every block of the grid, one after another. Pointers are host addresses.
/// Stops once 20 operations are at fault. An error: the kernel holds something
/// that the emulator has no meaning for, or the arguments or the shape do not
/// suit it; nothing has run then.
llvm::Expected<Report> emulate(mlir::Operation *kernel, const GridShape &grid,
                               llvm::ArrayRef<Argument> arguments,
                               llvm::ArrayRef<GlobalRange> ranges);

} // namespace decay::cuda

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_EMULATOR_H
