//===- SharedMemory.h - Shared memory that remembers its users -*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_SHAREDMEMORY_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_SHAREDMEMORY_H

#include "compiler/target/cuda/emulator/Ordering.h"

#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <vector>

namespace decay::cuda::emulator {

enum class Hazard : uint8_t {
  none,
  outOfBounds,
  uninitialised,
  readAfterWrite,
  writeAfterRead,
  writeAfterWrite,
  pending
};

/// Says what a hazard is; `{0}` stands for the other thread.
const char *describe(Hazard hazard);

struct Complaint {
  Hazard hazard = Hazard::none;
  int other = -1; ///< the thread in conflict; -1: several
  explicit operator bool() const { return hazard != Hazard::none; }
};

/// The shared memory of one block. Addresses are offsets, accesses are
/// multiples of the granule and aligned to it.
class SharedMemory {
public:
  SharedMemory(int64_t bytes, unsigned granule, unsigned threads);

  /// A new block: every byte is 0xFF and was never written.
  void reset();

  char *data() { return storage.get() + margin; }
  int64_t size() const { return bytes; }
  /// Whether a generic address means shared memory, or close beside it.
  bool owns(uint64_t address) const {
    return address - reinterpret_cast<uintptr_t>(storage.get()) <
           static_cast<uint64_t>(bytes) + 2 * margin;
  }
  Ordering &ordering() { return order; }

  Complaint read(unsigned thread, uint32_t offset, unsigned count);
  Complaint write(unsigned thread, uint32_t offset, unsigned count);

  /// A copy into [offset, offset + count) begins, in the thread's open group.
  Complaint beginCopy(unsigned thread, uint32_t offset, unsigned count);
  void commitGroup(unsigned thread);
  /// All but the last `left` groups of the thread are there.
  void waitGroups(unsigned thread, int64_t left);

private:
  static constexpr uint64_t margin = 1 << 16;
  static constexpr uint16_t nobody = 0x7fff, several = 0x7fff,
                            inFlight = 0x8000;

  /// What is known of one granule.
  struct Cell {
    uint32_t writeStamp = 0;
    uint32_t readStamp = 0;
    uint32_t readers = 0; ///< warps that no later reader is ordered behind
    uint16_t writer = nobody;
    uint16_t reader = nobody; ///< the thread, if `readers` is one warp
  };
  struct Copy {
    uint32_t offset, count;
  };
  using Group = std::vector<Copy>;
  struct Queue {
    Group open;
    std::vector<Group> committed;
  };

  bool outside(uint32_t offset, unsigned count) const {
    return static_cast<int64_t>(offset) + count > bytes;
  }
  Complaint readCell(Cell &cell, unsigned thread);
  Complaint checkWrite(const Cell &cell, unsigned thread) const;
  void addReader(Cell &cell, unsigned thread);
  void land(unsigned thread, const Group &group);

  int64_t bytes;
  unsigned shift; ///< log2 of the granule
  Ordering order;
  std::unique_ptr<char[]> storage;
  std::vector<Cell> cells;
  std::vector<Queue> queues; ///< of each thread
};

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_SHAREDMEMORY_H
