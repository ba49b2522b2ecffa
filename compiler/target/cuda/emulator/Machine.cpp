//===- Machine.cpp - Runs the instructions of one block -------------------===//
#include "compiler/target/cuda/emulator/Machine.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include "mlir/IR/AsmState.h"

namespace decay::cuda::emulator {

static constexpr size_t faultLimit = 20;

Machine::~Machine() = default;

Machine::Machine(const Program &program, const GridShape &grid,
                 llvm::ArrayRef<GlobalRange> ranges)
    : program(program), code(program.code.data()), slots(program.slots.data()),
      ranges(ranges), threadCount(static_cast<unsigned>(grid.threads)),
      sharedMemory(grid.sharedBytes, program.granule, threadCount),
      registerStorage(program.registerBytes + 64),
      registers(registerStorage.data()), statistics(program.code.size()),
      lastRange(program.code.size()) {
  registers += -reinterpret_cast<uintptr_t>(registers) & 63;
  for (const Constant &constant : program.constants)
    fillConstant(constant);
  const LaunchSlots &launch = program.launch;
  for (unsigned t = 0; t < threadCount; ++t) {
    lanes<uint32_t>(launch.thread)[t] = t;
    lanes<uint32_t>(launch.lane)[t] = t % 32;
    lanes<uint32_t>(launch.warp)[t] = t / 32;
  }
  const int sizes[] = {grid.x, grid.y, grid.z};
  for (unsigned i = 0; i < 3; ++i)
    fill(launch.grid[i], static_cast<uint32_t>(sizes[i]));
  fill(launch.threads, threadCount);
  fill(launch.one, 1u);
  fill(launch.zero, 0u);
  fill(launch.warpSize, 32u);
}

template <typename Lane> void Machine::fill(Slot slot, Lane value) {
  std::fill_n(lanes<Lane>(slot), threadCount, value);
}

void Machine::fillConstant(const Constant &constant) {
  if (isWide(constant.kind))
    fill(constant.slot, constant.bits);
  else
    fill(constant.slot, static_cast<uint32_t>(constant.bits));
}

void Machine::setArgument(unsigned index, llvm::ArrayRef<uint64_t> components) {
  for (auto [slot, bits, kind] :
       llvm::zip(program.arguments[index].slots, components,
                 program.arguments[index].kinds))
    fillConstant({slot, kind, bits});
}

void Machine::runBlock(int x, int y, int z) {
  const int position[] = {x, y, z};
  for (unsigned i = 0; i < 3; ++i) {
    block[i] = position[i];
    fill(program.launch.block[i], static_cast<uint32_t>(position[i]));
  }
  sharedMemory.reset();
  std::fill_n(mask.warps, warps(), ~uint32_t(0));
  mask.recount(warps());
  ++blocksRun;
  execute(0, static_cast<uint32_t>(program.code.size()));
}

void Machine::execute(uint32_t begin, uint32_t end) {
  for (uint32_t at = begin; at < end && !isStopped;) {
    const Instruction &instruction = code[at];
    Statistics &count = statistics[at];
    count.threads += mask.threads;
    count.warps += mask.active;
    at = instruction.next;
    instruction.run(*this, instruction);
  }
}

Mask Machine::where(const uint32_t *condition) const {
  Mask result;
  for (unsigned warp = 0; warp < warps(); ++warp) {
    uint32_t bits = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      bits |= (condition[warp * 32 + lane] & 1) << lane;
    result.warps[warp] = bits & mask.warps[warp];
  }
  result.recount(warps());
  return result;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

void Machine::faultAlignment(const Instruction &instruction, unsigned thread,
                             uint64_t address, unsigned alignment) {
  fault(instruction, thread, address, "misaligned",
        llvm::Twine("needs a multiple of ") + llvm::Twine(alignment));
}

uint32_t Machine::findRange(uint64_t address, unsigned bytes) const {
  for (const GlobalRange &range : ranges)
    if (holds(range, address, bytes))
      return static_cast<uint32_t>(&range - ranges.begin());
  return static_cast<uint32_t>(ranges.size());
}

void Machine::faultGlobal(const Instruction &instruction, unsigned thread,
                          uint64_t address, unsigned bytes) {
  const uint32_t range = lastRange[indexOf(instruction)];
  if (range == ranges.size())
    fault(instruction, thread, address, "out of bounds",
          llvm::Twine(bytes) + " bytes of no range that the kernel may touch");
  else
    fault(instruction, thread, address, "read-only",
          "writes to " + ranges[range].name);
}

void Machine::account(const Instruction &instruction, Wavefronts wavefronts) {
  Statistics &count = statistics[indexOf(instruction)];
  ++count.accesses;
  count.wavefronts += wavefronts.taken;
  count.least += wavefronts.least;
}

void Machine::account(const Instruction &instruction, const WarpAccess &warp) {
  const Access &access = instruction.access;
  if (warp.global)
    globalSectors += countSectors(warp.addresses, warp.global, access.bytes);
  if (!warp.shared)
    return;
  Wavefronts sum;
  uint32_t offsets[32];
  for (unsigned at = 0; at < access.bytes; at += access.unit) {
    for (unsigned lane = 0; lane < 32; ++lane)
      offsets[lane] = warp.offsets[lane] + at;
    sum += countWavefronts(offsets, warp.shared, access.unit);
  }
  account(instruction, sum);
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

// Names are numbered once: for each print anew would be quadratic.
std::string Machine::print(mlir::Operation *operation) {
  if (!names)
    names = std::make_unique<mlir::AsmState>(
        program.function,
        mlir::OpPrintingFlags().skipRegions().useLocalScope());
  std::string text;
  llvm::raw_string_ostream stream(text);
  operation->print(stream, *names);
  return text;
}

void Machine::fault(const Instruction &instruction, unsigned thread,
                    uint64_t address, llvm::StringRef kind,
                    const llvm::Twine &what) {
  const uint32_t index = indexOf(instruction);
  auto [entry, isNew] = known.try_emplace(
      {index, static_cast<uint64_t>(llvm::hash_value(kind))}, faults.size());
  if (!isNew) {
    ++faults[entry->second].times;
    return;
  }
  mlir::Operation *origin = program.origins[index];
  Fault fault;
  fault.what = (kind + ": " + what).str();
  fault.operation = print(origin);
  llvm::raw_string_ostream(fault.location) << origin->getLoc();
  std::copy_n(block, 3, fault.block);
  fault.thread = static_cast<int>(thread);
  fault.address = address;
  faults.push_back(std::move(fault));
  isStopped = faults.size() >= faultLimit;
}

void Machine::faultPartialWarp(const Instruction &instruction, unsigned warp,
                               uint32_t active) {
  fault(instruction, warp * 32 + llvm::countr_zero(active), 0, "divergent warp",
        llvm::formatv("only lanes {0:x8} of warp {1} arrive", active, warp));
}

void Machine::complain(const Instruction &instruction, unsigned thread,
                       uint64_t address, const Complaint &complaint) {
  std::string other = complaint.other < 0
                          ? "several threads"
                          : "thread " + std::to_string(complaint.other);
  llvm::StringRef text = describe(complaint.hazard);
  auto [kind, what] = text.split(": ");
  fault(
      instruction, thread, address, kind,
      llvm::formatv(/*Validate=*/false, what.data(), other, sharedMemory.size())
          .str());
}

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

Report Machine::report() {
  Report report;
  report.faults = std::move(faults);
  report.globalSectors = globalSectors;
  report.blocks = blocksRun;
  report.threads = blocksRun * threadCount;
  llvm::StringMap<InstructionCount> kinds;
  for (size_t i = 0; i < statistics.size(); ++i) {
    const Statistics &count = statistics[i];
    if (!program.origins[i])
      continue;
    llvm::StringRef name = program.origins[i]->getName().getStringRef();
    InstructionCount &kind = kinds[name];
    kind.kind = name.str();
    kind.threads += count.threads;
    kind.warps += count.warps;
    if (count.accesses)
      report.shared.push_back({print(program.origins[i]), count.accesses,
                               count.wavefronts, count.least});
  }
  for (auto &entry : kinds)
    report.counts.push_back(std::move(entry.second));
  llvm::sort(report.counts, [](const auto &a, const auto &b) {
    return std::tie(b.threads, a.kind) < std::tie(a.threads, b.kind);
  });
  return report;
}

} // namespace decay::cuda::emulator
