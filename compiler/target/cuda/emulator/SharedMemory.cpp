//===- SharedMemory.cpp - Who wrote and who read each byte ----------------===//
#include "compiler/target/cuda/emulator/SharedMemory.h"

#include <cassert>
#include <cstring>

namespace decay::cuda::emulator {

const char *describe(Hazard hazard) {
  static const char *const texts[] = {
      "nothing",
      "out of bounds: shared memory has {1} bytes",
      "uninitialised: reads shared memory that nobody wrote",
      "race: reads what {0} wrote, without a barrier between",
      "race: overwrites what {0} read, without a barrier between",
      "race: overwrites what {0} wrote, without a barrier between",
      "pending: touches what a cp.async of {0} has in flight",
      "unfenced: reads what {0} wrote, without a proxy fence between"};
  return texts[static_cast<unsigned>(hazard)];
}

SharedMemory::SharedMemory(int64_t bytes, unsigned granule, unsigned threads)
    : bytes(bytes), shift(llvm::countr_zero(granule)),
      storage(new char[static_cast<size_t>(bytes) + 2 * margin]),
      queues(threads), fences(threads) {
  reset();
}

void SharedMemory::reset() {
  order.reset();
  std::fill_n(storage.get(), static_cast<size_t>(bytes) + 2 * margin,
              static_cast<char>(0xff));
  cells.assign(static_cast<size_t>(bytes >> shift) + 1, Cell());
  queues.assign(queues.size(), Queue());
  fences.assign(fences.size(), 0);
}

void SharedMemory::forgetReaders(Cell &cell, unsigned warp) const {
  uint32_t kept = 0;
  for (uint32_t left = cell.readers; left; left &= left - 1) {
    unsigned other = llvm::countr_zero(left);
    if (!order.isBefore(cell.readStamp, other, warp))
      kept |= uint32_t(1) << other;
  }
  cell.readers = kept;
}

Complaint SharedMemory::checkRead(const Cell &cell, unsigned thread) const {
  if (mayRead(cell, thread))
    return {};
  if (cell.writer == nobody)
    return {Hazard::uninitialised, -1};
  if (cell.writer & inFlight)
    return {Hazard::pending, cell.writer & ~inFlight};
  return {Hazard::readAfterWrite, cell.writer};
}

Complaint SharedMemory::readUnordered(Cell *cell, Cell *end, unsigned thread) {
  const Complaint first = checkRead(*cell, thread);
  for (; cell != end; ++cell)
    if (!checkRead(*cell, thread))
      addReader(*cell, thread);
  return first;
}

Complaint SharedMemory::readByAsyncProxy(unsigned thread, uint32_t offset,
                                         unsigned count) {
  if (Complaint complaint = read(thread, offset, count))
    return complaint;
  for (unsigned i = 0, e = count >> shift; i < e; ++i) {
    const Cell &cell = cells[(offset >> shift) + i];
    if (cell.writer < nobody && cell.writeStamp > fences[cell.writer])
      return {Hazard::unfenced, cell.writer};
  }
  return {};
}

Complaint SharedMemory::checkWrite(const Cell &cell, unsigned thread) const {
  const unsigned warp = thread / 32;
  if (cell.writer != nobody) {
    if (cell.writer & inFlight)
      return {Hazard::pending, cell.writer & ~inFlight};
    if (cell.writer != thread &&
        !order.isBefore(cell.writeStamp, cell.writer / 32, warp))
      return {Hazard::writeAfterWrite, cell.writer};
  }
  for (uint32_t left = cell.readers; left; left &= left - 1) {
    unsigned other = llvm::countr_zero(left);
    if (order.isBefore(cell.readStamp, other, warp) || cell.reader == thread)
      continue;
    return {Hazard::writeAfterRead, cell.reader == several ? -1 : cell.reader};
  }
  return {};
}

Complaint SharedMemory::write(unsigned thread, uint32_t offset,
                              unsigned count) {
  if (outside(offset, count))
    return {Hazard::outOfBounds, -1};
  Cell *cell = cells.data() + (offset >> shift);
  const Cell written = {order.now(), 0, 0, static_cast<uint16_t>(thread),
                        nobody};
  Complaint first;
  for (unsigned i = 0, e = count >> shift; i < e; ++i) {
    const bool isMine =
        (cell[i].writer == thread || cell[i].writer == nobody) &&
        cell[i].readers == 0;
    if (!isMine)
      if (Complaint complaint = checkWrite(cell[i], thread);
          complaint && !first)
        first = complaint;
    cell[i] = written;
  }
  return first;
}

Complaint SharedMemory::beginCopy(unsigned thread, uint32_t offset,
                                  unsigned count) {
  Complaint complaint = write(thread, offset, count);
  if (complaint.hazard == Hazard::outOfBounds)
    return complaint;
  for (unsigned i = 0, e = count >> shift; i < e; ++i)
    cells[(offset >> shift) + i].writer =
        static_cast<uint16_t>(thread | inFlight);
  queues[thread].open.push_back({offset, count});
  return complaint;
}

void SharedMemory::commitGroup(unsigned thread) {
  Queue &queue = queues[thread];
  queue.committed.push_back(std::move(queue.open));
  queue.open.clear();
}

// The bytes count as written when they are known to be there, which is what
// other threads must be ordered behind.
void SharedMemory::land(unsigned thread, const Group &group) {
  for (Copy copy : group)
    for (unsigned i = 0, e = copy.count >> shift; i < e; ++i) {
      Cell &cell = cells[(copy.offset >> shift) + i];
      if (cell.writer == (thread | inFlight))
        cell = {order.now(), 0, 0, static_cast<uint16_t>(thread), nobody};
    }
}

void SharedMemory::waitGroups(unsigned thread, int64_t left) {
  std::vector<Group> &groups = queues[thread].committed;
  const auto count = static_cast<int64_t>(groups.size());
  if (count <= left)
    return;
  for (int64_t i = 0; i < count - left; ++i)
    land(thread, groups[static_cast<size_t>(i)]);
  groups.erase(groups.begin(), groups.begin() + (count - left));
}

void SharedMemory::beginCopyOut(unsigned thread, uint32_t offset, char *to,
                                unsigned count) {
  queues[thread].openOut.push_back({offset, count, to});
}

void SharedMemory::commitCopiesOut(unsigned thread) {
  Queue &queue = queues[thread];
  queue.committedOut.push_back(std::move(queue.openOut));
  queue.openOut.clear();
}

void SharedMemory::waitCopiesOut(unsigned thread, int64_t left) {
  auto &groups = queues[thread].committedOut;
  while (static_cast<int64_t>(groups.size()) > left) {
    for (const CopyOut &copy : groups.front())
      std::memcpy(copy.to, data() + copy.offset, copy.count);
    groups.erase(groups.begin());
  }
}

} // namespace decay::cuda::emulator
