//===- Emulator.cpp - Checks a launch and runs its blocks -----------------===//
#include "compiler/target/cuda/emulator/Emulator.h"
#include "compiler/target/cuda/emulator/Decoder.h"
#include "compiler/target/cuda/emulator/Machine.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <memory>

using namespace mlir;

namespace decay::cuda {

using emulator::Decoder;
using emulator::Machine;
using emulator::Program;
using emulator::ScalarKind;

namespace {

llvm::Error checkShape(LLVM::LLVMFuncOp function, const GridShape &grid) {
  if (grid.threads <= 0 || grid.threads > 1024 || grid.threads % 32)
    return llvm::createStringError("a block of %d threads: must be a multiple "
                                   "of 32 and at most 1024",
                                   grid.threads);
  if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0)
    return llvm::createStringError("a grid without blocks");
  if (grid.sharedBytes < 0 || grid.sharedBytes > 227 * 1024)
    return llvm::createStringError("more than 227 KiB of shared memory");
  if (auto threads = function->getAttrOfType<DenseI32ArrayAttr>("nvvm.reqntid"))
    if (threads.asArrayRef().front() != grid.threads)
      return llvm::createStringError(
          "%d threads, but the kernel is for %d (nvvm.reqntid)", grid.threads,
          threads.asArrayRef().front());
  return llvm::Error::success();
}

/// What a parameter of one register takes.
struct Acceptance {
  Argument::Kind given;
  ScalarKind parameter;
};
constexpr Acceptance acceptances[] = {
    {Argument::Kind::i32, ScalarKind::i32},
    {Argument::Kind::i64, ScalarKind::i64},
    {Argument::Kind::f32, ScalarKind::f32},
    {Argument::Kind::pointer, ScalarKind::pointer},
    {Argument::Kind::bytes, ScalarKind::pointer}};

/// The bytes of structures passed by value, where the kernel can read them.
class ParameterMemory {
public:
  uint64_t add(llvm::StringRef content, unsigned index,
               std::vector<GlobalRange> &ranges) {
    blocks.emplace_back(new std::max_align_t[content.size() / 16 + 2]);
    void *begin = blocks.back().get();
    std::memcpy(begin, content.data(), content.size());
    ranges.push_back({begin, static_cast<int64_t>(content.size()), false,
                      "parameter " + std::to_string(index)});
    return reinterpret_cast<uintptr_t>(begin);
  }

private:
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks;
};

llvm::Error checkArgument(LLVM::LLVMFuncOp function, unsigned index,
                          const Argument &argument, const Program &program) {
  auto fail = [&](llvm::StringRef what) {
    return llvm::createStringError("argument " + llvm::Twine(index) + ": " +
                                   what);
  };
  const auto &kinds = program.arguments[index].kinds;
  if (kinds.size() != 1 || llvm::none_of(acceptances, [&](Acceptance row) {
        return row.given == argument.kind() && row.parameter == kinds[0];
      }))
    return fail("not of the parameter's type");
  auto byValue = function.getArgAttrOfType<TypeAttr>(index, "llvm.byval");
  if ((argument.kind() == Argument::Kind::bytes) != !!byValue)
    return fail("bytes go to parameters with llvm.byval, and only there");
  if (byValue) {
    DataLayout layout = DataLayout::closest(function);
    const uint64_t size = layout.getTypeSize(byValue.getValue());
    if (size != argument.content().size())
      return fail("the parameter has " + std::to_string(size) + " bytes, not " +
                  std::to_string(argument.content().size()));
  }
  return llvm::Error::success();
}

llvm::Expected<Program> decode(LLVM::LLVMFuncOp function,
                               const GridShape &grid) {
  Program program;
  program.threads = static_cast<unsigned>(grid.threads);
  Decoder decoder(program, DataLayout::closest(function));
  if (llvm::Error error = decoder.decodeFunction(function))
    return error;
  return program;
}

} // namespace

llvm::Expected<Report> emulate(Operation *kernel, const GridShape &grid,
                               llvm::ArrayRef<Argument> arguments,
                               llvm::ArrayRef<GlobalRange> ranges) {
  auto function = dyn_cast<LLVM::LLVMFuncOp>(kernel);
  if (!function || !llvm::hasSingleElement(function.getBody()))
    return llvm::createStringError("not an llvm.func of one block");
  if (llvm::Error error = checkShape(function, grid))
    return error;
  if (function.getNumArguments() != arguments.size())
    return llvm::createStringError("%u parameters, but %zu arguments",
                                   function.getNumArguments(),
                                   arguments.size());
  llvm::Expected<Program> program = decode(function, grid);
  if (!program)
    return program.takeError();

  std::vector<GlobalRange> touchable(ranges.begin(), ranges.end());
  ParameterMemory memory;
  std::vector<uint64_t> values;
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    const auto index = static_cast<unsigned>(i);
    if (llvm::Error error = checkArgument(function, index, argument, *program))
      return error;
    values.push_back(argument.kind() == Argument::Kind::bytes
                         ? memory.add(argument.content(), index, touchable)
                         : argument.bits());
  }
  Machine machine(*program, grid, touchable);
  for (unsigned i = 0; i < values.size(); ++i)
    machine.setArgument(i, values[i]);
  for (int z = 0; z < grid.z; ++z)
    for (int y = 0; y < grid.y; ++y)
      for (int x = 0; x < grid.x && !machine.stopped(); ++x)
        machine.runBlock(x, y, z);
  return machine.report();
}

} // namespace decay::cuda
