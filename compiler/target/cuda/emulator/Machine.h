//===- Machine.h - The state of the block that runs ------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_MACHINE_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_MACHINE_H

#include "compiler/target/cuda/emulator/Banks.h"
#include "compiler/target/cuda/emulator/Emulator.h"
#include "compiler/target/cuda/emulator/Program.h"
#include "compiler/target/cuda/emulator/SharedMemory.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/Twine.h"

#include <memory>

namespace mlir {
class AsmState;
} // namespace mlir

namespace decay::cuda::emulator {

/// The threads that execute, a bit each, a word for each warp.
struct Mask {
  uint32_t warps[Ordering::maxWarps] = {};
  unsigned threads = 0, active = 0; ///< threads and warps with any

  void recount(unsigned warpCount) {
    threads = active = 0;
    for (unsigned w = 0; w < warpCount; ++w) {
      threads += static_cast<unsigned>(llvm::popcount(warps[w]));
      active += warps[w] != 0;
    }
  }
  bool any() const { return threads != 0; }
};

/// What an instruction did so far, over all blocks.
struct Statistics {
  int64_t threads = 0, warps = 0;
  int64_t accesses = 0, wavefronts = 0, least = 0;
};

/// Where the lanes of a warp touched memory.
struct WarpAccess {
  uint32_t offsets[32];
  uint64_t addresses[32];
  uint32_t shared = 0, global = 0; ///< lanes
};

class Machine {
public:
  Machine(const Program &program, const GridShape &grid,
          llvm::ArrayRef<GlobalRange> ranges);
  ~Machine();

  void setArgument(unsigned index, llvm::ArrayRef<uint64_t> components);
  void runBlock(int x, int y, int z);
  void execute(uint32_t begin, uint32_t end);
  bool stopped() const { return isStopped; }
  Report report();

  //===--- What handlers use ---------------------------------------------===//

  template <typename Lane> Lane *lanes(Slot slot) {
    return reinterpret_cast<Lane *>(registers + slot);
  }
  Slot slot(const Instruction &instruction, unsigned index) const {
    return slots[instruction.slots + index];
  }
  template <typename Lane>
  Lane *lanes(const Instruction &instruction, unsigned index) {
    return lanes<Lane>(slot(instruction, index));
  }
  uint32_t indexOf(const Instruction &instruction) const {
    return static_cast<uint32_t>(&instruction - code);
  }
  unsigned threads() const { return threadCount; }
  unsigned warps() const { return threadCount / 32; }
  bool isFull() const { return mask.threads == threadCount; }
  /// The first of the active threads, of which there are some.
  unsigned firstActive() const {
    unsigned warp = 0;
    while (!mask.warps[warp])
      ++warp;
    return warp * 32 + llvm::countr_zero(mask.warps[warp]);
  }
  /// Calls f(warp, lanes) for every warp with active lanes.
  template <typename F> void forWarps(F &&f) {
    for (unsigned warp = 0; warp < warps(); ++warp)
      if (mask.warps[warp])
        f(warp, mask.warps[warp]);
  }
  /// The active threads whose lane of `condition` is odd.
  Mask where(const uint32_t *condition) const;
  /// Like forWarps, for what a whole warp must do together: a partly active one
  /// is a fault, and does nothing.
  template <typename F> void forWholeWarps(const Instruction &i, F &&f) {
    forWarps([&](unsigned warp, uint32_t active) {
      if (active != ~uint32_t(0))
        faultPartialWarp(i, warp, active);
      else
        f(warp);
    });
  }

  void fault(const Instruction &instruction, unsigned thread, uint64_t address,
             llvm::StringRef kind, const llvm::Twine &what);
  void faultPartialWarp(const Instruction &instruction, unsigned warp,
                        uint32_t active);
  void complain(const Instruction &instruction, unsigned thread,
                uint64_t address, const Complaint &complaint);

  enum class Direction { read, write };
  /// The host address of what a thread accesses at `address` (an offset, in
  /// shared memory), checked; null after a fault that leaves none.
  char *access(const Instruction &instruction, unsigned thread,
               uint64_t address, Direction direction, WarpAccess &warp) {
    const Access &access = instruction.access;
    bool isShared = access.space == Space::shared;
    if (access.space == Space::generic && sharedMemory.owns(address)) {
      address -= reinterpret_cast<uintptr_t>(sharedMemory.data());
      isShared = true;
    }
    if (!isAligned(instruction, thread, address, access.alignment))
      return nullptr;
    const unsigned lane = thread % 32;
    if (isShared) {
      warp.shared |= uint32_t(1) << lane;
      warp.offsets[lane] = static_cast<uint32_t>(address);
      return accessShared(instruction, thread, address, direction);
    }
    warp.global |= uint32_t(1) << lane;
    warp.addresses[lane] = address;
    return accessGlobal(instruction, thread, address, access.bytes, direction);
  }
  char *accessShared(const Instruction &instruction, unsigned thread,
                     uint64_t offset, Direction direction) {
    const auto at = static_cast<uint32_t>(offset);
    const unsigned bytes = instruction.access.bytes;
    Complaint complaint = direction == Direction::read
                              ? sharedMemory.read(thread, at, bytes)
                              : sharedMemory.write(thread, at, bytes);
    if (LLVM_UNLIKELY(static_cast<bool>(complaint)))
      complain(instruction, thread, at, complaint);
    return complaint.hazard == Hazard::outOfBounds ? nullptr
                                                   : sharedMemory.data() + at;
  }
  char *accessGlobal(const Instruction &instruction, unsigned thread,
                     uint64_t address, unsigned bytes, Direction direction) {
    uint32_t &range = lastRange[indexOf(instruction)];
    if (range >= ranges.size() || !holds(ranges[range], address, bytes))
      range = findRange(address, bytes);
    if (range < ranges.size() &&
        (direction == Direction::read || ranges[range].writable))
      return reinterpret_cast<char *>(address);
    faultGlobal(instruction, thread, address, bytes);
    return nullptr;
  }
  bool isAligned(const Instruction &instruction, unsigned thread,
                 uint64_t address, unsigned alignment) {
    if ((address & (alignment - 1)) == 0)
      return true;
    faultAlignment(instruction, thread, address, alignment);
    return false;
  }
  void account(const Instruction &instruction, const WarpAccess &warp);
  void account(const Instruction &instruction, Wavefronts wavefronts);
  void accountSectors(unsigned sectors) { globalSectors += sectors; }

  SharedMemory &shared() { return sharedMemory; }
  Ordering &ordering() { return sharedMemory.ordering(); }

  Mask mask;

private:
  template <typename Lane> void fill(Slot slot, Lane value);
  void fillConstant(const Constant &constant);
  std::string print(mlir::Operation *operation);
  static bool holds(const GlobalRange &range, uint64_t address,
                    unsigned bytes) {
    const uint64_t offset = address - reinterpret_cast<uintptr_t>(range.begin);
    return offset < static_cast<uint64_t>(range.bytes) &&
           bytes <= static_cast<uint64_t>(range.bytes) - offset;
  }
  /// The first range that holds the bytes; the number of ranges if none does.
  uint32_t findRange(uint64_t address, unsigned bytes) const;
  void faultAlignment(const Instruction &instruction, unsigned thread,
                      uint64_t address, unsigned alignment);
  /// Of an access to the instruction's last range, or to none.
  void faultGlobal(const Instruction &instruction, unsigned thread,
                   uint64_t address, unsigned bytes);

  const Program &program;
  const Instruction *code;
  const Slot *slots;
  llvm::ArrayRef<GlobalRange> ranges;
  unsigned threadCount;
  int block[3] = {0, 0, 0};
  int64_t blocksRun = 0;
  SharedMemory sharedMemory;
  std::vector<char> registerStorage;
  char *registers;

  std::vector<Statistics> statistics;
  std::vector<uint32_t> lastRange; ///< of each instruction
  int64_t globalSectors = 0;
  std::unique_ptr<mlir::AsmState> names;
  std::vector<Fault> faults;
  llvm::DenseMap<std::pair<uint32_t, uint64_t>, unsigned> known;
  bool isStopped = false;
};

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_MACHINE_H
