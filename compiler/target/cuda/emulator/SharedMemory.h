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
  pending,
  unfenced
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

  Complaint read(unsigned thread, uint32_t offset, unsigned count) {
    if (outside(offset, count))
      return {Hazard::outOfBounds, -1};
    Cell *cell = cells.data() + (offset >> shift);
    Cell *const end = cell + (count >> shift);
    for (; cell != end; ++cell) {
      if (!mayRead(*cell, thread))
        return readUnordered(cell, end, thread);
      if (cell->reader != thread || cell->readStamp != order.now())
        addReader(*cell, thread);
    }
    return {};
  }
  Complaint write(unsigned thread, uint32_t offset, unsigned count);
  /// The same as a read, by what reads past the threads' own way to memory.
  Complaint readByAsyncProxy(unsigned thread, uint32_t offset, unsigned count);
  /// What the thread has written is there for readByAsyncProxy.
  void fence(unsigned thread) { fences[thread] = order.now(); }

  /// A copy into [offset, offset + count) begins, in the thread's open group.
  Complaint beginCopy(unsigned thread, uint32_t offset, unsigned count);
  void commitGroup(unsigned thread);
  /// All but the last `left` groups of the thread are there.
  void waitGroups(unsigned thread, int64_t left);

  /// A copy out of [offset, offset + count) begins, in the thread's open group.
  /// Its bytes are what they are when somebody waits for it, which is as late
  /// as any machine could read them.
  void beginCopyOut(unsigned thread, uint32_t offset, char *to, unsigned count);
  void commitCopiesOut(unsigned thread);
  void waitCopiesOut(unsigned thread, int64_t left);

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
  struct CopyOut {
    uint32_t offset, count;
    char *to;
  };
  struct Queue {
    Group open;
    std::vector<Group> committed;
    std::vector<CopyOut> openOut;
    std::vector<std::vector<CopyOut>> committedOut;
  };

  bool outside(uint32_t offset, unsigned count) const {
    return static_cast<int64_t>(offset) + count > bytes;
  }
  /// Nothing is wrong with a read: somebody wrote, and before it.
  bool mayRead(const Cell &cell, unsigned thread) const {
    return cell.writer == thread ||
           (cell.writer < nobody &&
            order.isBefore(cell.writeStamp, cell.writer / 32, thread / 32));
  }
  /// The first complaint about cells of which the first may not be read.
  Complaint readUnordered(Cell *cell, Cell *end, unsigned thread);
  Complaint checkRead(const Cell &cell, unsigned thread) const;
  Complaint checkWrite(const Cell &cell, unsigned thread) const;
  void addReader(Cell &cell, unsigned thread) {
    const uint32_t mine = uint32_t(1) << (thread / 32);
    if (cell.readers && cell.readStamp <= order.lastJoin())
      forgetReaders(cell, thread / 32);
    const bool isOnly =
        cell.readers == 0 ||
        (cell.readers == mine &&
         (cell.reader == thread ||
          order.isBefore(cell.readStamp, thread / 32, thread / 32)));
    cell.reader = isOnly ? static_cast<uint16_t>(thread) : several;
    cell.readers |= mine;
    cell.readStamp = order.now();
  }
  /// Those that are ordered before what `warp` does now: whoever is ordered
  /// behind it is ordered behind them.
  void forgetReaders(Cell &cell, unsigned warp) const;
  void land(unsigned thread, const Group &group);

  int64_t bytes;
  unsigned shift; ///< log2 of the granule
  Ordering order;
  std::unique_ptr<char[]> storage;
  std::vector<Cell> cells;
  std::vector<Queue> queues;    ///< of each thread
  std::vector<uint32_t> fences; ///< the time of each thread's last one
};

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_SHAREDMEMORY_H
