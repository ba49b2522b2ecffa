//===- Report.cpp - What a run tells --------------------------------------===//
#include "compiler/target/cuda/emulator/Emulator.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

namespace decay::cuda {

std::string Fault::text() const {
  return llvm::formatv("{0}\n  {1}\n  at {2}, block ({3}, {4}, {5}), thread "
                       "{6}, address {7:x}, {8} time(s)\n",
                       what, operation, location, block[0], block[1], block[2],
                       thread, address, times);
}

int64_t Report::wavefronts() const {
  int64_t sum = 0;
  for (const SharedCost &cost : shared)
    sum += cost.wavefronts;
  return sum;
}

int64_t Report::leastWavefronts() const {
  int64_t sum = 0;
  for (const SharedCost &cost : shared)
    sum += cost.least;
  return sum;
}

int64_t Report::executed(llvm::StringRef kind) const {
  for (const InstructionCount &count : counts)
    if (count.kind == kind)
      return count.threads;
  return 0;
}

int64_t Report::executed() const {
  int64_t sum = 0;
  for (const InstructionCount &count : counts)
    sum += count.threads;
  return sum;
}

std::string Report::faultText() const {
  std::string text;
  for (const Fault &fault : faults)
    text += fault.text();
  return text;
}

std::string Report::costText() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "executed        by threads     by warps  per thread\n";
  for (const InstructionCount &count : counts)
    stream << llvm::format("%14lld %12lld %11.2f  ",
                           static_cast<long long>(count.threads),
                           static_cast<long long>(count.warps),
                           static_cast<double>(count.threads) /
                               static_cast<double>(threads))
           << count.kind << "\n";
  stream << llvm::format("shared memory: %lld wavefronts, %lld without "
                         "conflicts; global memory: %lld sectors\n",
                         static_cast<long long>(wavefronts()),
                         static_cast<long long>(leastWavefronts()),
                         static_cast<long long>(globalSectors));
  for (const SharedCost &cost : shared)
    if (cost.wavefronts > cost.least)
      stream << llvm::format("%9lld accesses %9lld wavefronts %9lld least  ",
                             static_cast<long long>(cost.accesses),
                             static_cast<long long>(cost.wavefronts),
                             static_cast<long long>(cost.least))
             << cost.operation << "\n";
  return text;
}

} // namespace decay::cuda
