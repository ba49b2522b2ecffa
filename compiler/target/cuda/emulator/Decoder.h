//===- Decoder.h - From operations to instructions -------------*- C++ -*-===//
//
// A construct's file has a table of the operations it decodes; operations that
// compute each lane alone need no more than a row that selects their handler.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CUDA_EMULATOR_DECODER_H
#define DECAY_COMPILER_TARGET_CUDA_EMULATOR_DECODER_H

#include "compiler/target/cuda/emulator/Program.h"

#include "mlir/Interfaces/DataLayoutInterfaces.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace decay::cuda::emulator {

using Slots = llvm::SmallVector<Slot, 4>;
using Kinds = llvm::SmallVector<ScalarKind, 4>;

/// An error that names the operation and its place.
llvm::Error unsupported(mlir::Operation *operation, const llvm::Twine &why);

/// The scalars that values of a type consist of; nothing: not supported.
std::optional<Kinds> scalarsOf(mlir::Type type);

class Decoder {
public:
  Decoder(Program &program, mlir::DataLayout layout)
      : program(program), layout(std::move(layout)) {}

  /// Parameters and body of an llvm.func.
  llvm::Error decodeFunction(mlir::Operation *function);

  //===--- What constructs use -------------------------------------------===//

  /// The operations of a block but its terminator, then the copies of the
  /// terminator's operands into `targets` (none: it has no operands).
  llvm::Error decodeBlock(mlir::Block &block, llvm::ArrayRef<Slot> targets);

  llvm::ArrayRef<Slot> slotsOf(mlir::Value value) const {
    return values.find(value)->second;
  }
  Slot slotOf(mlir::Value value) const { return slotsOf(value).front(); }
  /// Fresh registers for a value, or ones that exist.
  Slots define(mlir::Value value);
  void alias(mlir::Value value, llvm::ArrayRef<Slot> slots);
  Slot constant(ScalarKind kind, uint64_t bits);
  /// A register until the end of the operation that is decoded.
  Slot temporary(bool wide);
  /// Registers that nothing holds yet.
  Slots allocate(llvm::ArrayRef<ScalarKind> kinds);
  /// Keep registers that no value has, and let them go.
  void hold(llvm::ArrayRef<Slot> slots) {
    llvm::for_each(slots, [this](Slot slot) { retain(slot); });
  }
  void drop(llvm::ArrayRef<Slot> slots) {
    llvm::for_each(slots, [this](Slot slot) { release(slot); });
  }
  /// A null `origin`: an instruction that is not counted.
  Instruction &emit(mlir::Operation *origin, Handler handler,
                    llvm::ArrayRef<Slot> slots);
  void emitCopy(Slot to, Slot from);
  uint32_t position() const {
    return static_cast<uint32_t>(program.code.size());
  }
  Instruction &at(uint32_t index) { return program.code[index]; }
  const LaunchSlots &launch() const { return program.launch; }
  const mlir::DataLayout &dataLayout() const { return layout; }
  void noteSharedAccess(unsigned bytes) {
    program.granule = std::min(program.granule, bytes);
  }

private:
  llvm::Error decodeOperation(mlir::Operation *operation);
  llvm::Error decodeElementwise(mlir::Operation *operation,
                                Handler (*select)(llvm::ArrayRef<ScalarKind>));
  void fillLaunchSlots();
  void noteLastUse(mlir::Value value);
  void releaseAfter(mlir::Operation *operation);
  Slot allocate(bool wide);
  void retain(Slot slot);
  void release(Slot slot);
  bool wideAt(Slot slot) const { return references.find(slot)->second.wide; }

  struct Reference {
    int count = 0; ///< negative: never released
    bool wide = false;
  };

  Program &program;
  mlir::DataLayout layout;
  llvm::DenseMap<mlir::Value, Slots> values;
  llvm::DenseMap<Slot, Reference> references;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value, 2>> dying;
  llvm::DenseMap<std::pair<uint64_t, unsigned>, Slot> constants;
  llvm::SmallVector<Slot, 8> free[2];
  Slots temporaries;
};

/// A row of a construct's table.
struct Construct {
  llvm::StringRef name; ///< of the operation
  llvm::Error (*decode)(Decoder &decoder, mlir::Operation *operation);
};
template <typename Op, llvm::Error (*decode)(Decoder &, Op)>
Construct construct() {
  return {Op::getOperationName(), [](Decoder &decoder, mlir::Operation *op) {
            return decode(decoder, llvm::cast<Op>(op));
          }};
}

/// Of an operation that orders nothing which this emulator does out of order.
llvm::Error decodeNothing(Decoder &decoder, mlir::Operation *operation);

/// Stands for no instruction at all: the result is its only operand.
void identity(Machine &machine, const Instruction &instruction);

/// A row for an operation that computes each lane alone: its handler for the
/// kinds of the result and then of the operands; null: not for these.
struct Elementwise {
  llvm::StringRef name;
  Handler (*select)(llvm::ArrayRef<ScalarKind> kinds);
};

/// A store to global memory under a condition: of one number or, as a vector,
/// of several of one type.
llvm::Error decodeStoreWhere(Decoder &decoder, mlir::Operation *op,
                             mlir::ValueRange values, mlir::Value address,
                             mlir::Value condition);
llvm::ArrayRef<Construct> controlConstructs();
llvm::ArrayRef<Construct> valueConstructs();
llvm::ArrayRef<Construct> compareConstructs();
llvm::ArrayRef<Construct> memoryConstructs();
llvm::ArrayRef<Construct> atomicConstructs();
llvm::ArrayRef<Construct> asyncCopyConstructs();
llvm::ArrayRef<Construct> warpConstructs();
llvm::ArrayRef<Construct> barrierConstructs();
llvm::ArrayRef<Construct> matrixConstructs();
llvm::ArrayRef<Construct> groupMatrixConstructs();
llvm::ArrayRef<Construct> approximateConstructs();
llvm::ArrayRef<Elementwise> integerOperations();
llvm::ArrayRef<Elementwise> floatOperations();
llvm::ArrayRef<Elementwise> mathOperations();
llvm::ArrayRef<Elementwise> castOperations();

} // namespace decay::cuda::emulator

#endif // DECAY_COMPILER_TARGET_CUDA_EMULATOR_DECODER_H
