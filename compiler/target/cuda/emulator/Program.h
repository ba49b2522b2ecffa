//===- Program.h - A kernel as a flat list of instructions -----*- C++ -*-===//
//
// Every value is a few registers: arrays of 4- or 8-byte lanes, one for each
// thread of the block.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_PROGRAM_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_PROGRAM_H

#include "mlir/IR/Operation.h"

#include <vector>

namespace decay::cuda::emulator {

class Machine;
struct Instruction;
using Handler = void (*)(Machine &, const Instruction &);

/// Bytes from the start of the register file to the lane of thread 0.
using Slot = uint32_t;

/// What the lanes of a register hold. Integers below 32 bits are zero-extended.
enum class ScalarKind : uint8_t {
  i1,
  i8,
  i16,
  i32,
  i64,
  bf16,
  f32,
  f64,
  pointer,
  sharedPointer
};

/// Bytes in memory.
inline unsigned sizeOf(ScalarKind kind) {
  constexpr uint8_t sizes[] = {1, 1, 2, 4, 8, 2, 4, 8, 8, 4};
  return sizes[static_cast<unsigned>(kind)];
}
inline bool isWide(ScalarKind kind) { return sizeOf(kind) == 8; }
inline uint64_t onesOf(ScalarKind kind) {
  return kind == ScalarKind::i1 ? 1 : ~uint64_t(0) >> (64 - 8 * sizeOf(kind));
}

enum class Space : uint8_t { generic, global, shared };

/// How a load or store touches memory, for each thread.
struct Access {
  Space space = Space::generic;
  uint8_t parts = 1;      ///< scalars
  uint8_t unit = 4;       ///< bytes that go at once: at most the alignment
  uint8_t bytes = 4;      ///< of all parts
  uint16_t alignment = 4; ///< that the operation promises
};

struct Instruction {
  Handler run = nullptr;
  uint32_t slots = 0;     ///< index of the first of its slots, results first
  uint32_t next = 0;      ///< the instruction behind its regions
  uint32_t otherwise = 0; ///< of a branch: where its second region begins
  Access access;
  int64_t immediate = 0;
};

/// A register whose lanes are set before the program runs.
struct Constant {
  Slot slot;
  ScalarKind kind;
  uint64_t bits;
};

/// Registers that the launch fills.
struct LaunchSlots {
  Slot thread = 0, lane = 0, warp = 0;
  Slot block[3] = {}, threads = 0, grid[3] = {}, one = 0, zero = 0;
  Slot warpSize = 0;
};

/// Of a parameter: its registers, and what they hold.
struct ParameterSlots {
  llvm::SmallVector<Slot, 1> slots;
  llvm::SmallVector<ScalarKind, 1> kinds;
};

struct Program {
  mlir::Operation *function = nullptr;
  unsigned threads = 0;
  std::vector<Instruction> code;
  std::vector<mlir::Operation *> origins; ///< of each instruction; may be null
  std::vector<Slot> slots;
  std::vector<Constant> constants;
  std::vector<ParameterSlots> arguments;
  LaunchSlots launch;
  uint64_t registerBytes = 0;
  unsigned granule = 4; ///< bytes of the smallest access to shared memory
};

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_PROGRAM_H
