//===- Interpreter.cpp - The meaning of decay IR, in float64 --------------===//
#include "compiler/interpreter/Interpreter.h"
#include "compiler/interpreter/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

namespace decay {
namespace interpreter {

static Results evaluateOperation(mlir::Operation &op, Operands operands,
                                 Call &call) {
  return llvm::TypeSwitch<mlir::Operation *, Results>(&op)
      .Case<ir::ConstantOp, ir::IndexOp, ir::MapOp, ir::BroadcastOp, ir::SumOp,
            ir::CheckRangeOp, ir::AcrossLayersOp, ir::AcrossLayersGradientOp,
            ir::AtLayerOp, ir::FromLayerOp, ir::RotateOp, ir::ScanOp,
            ir::ScanGradientOp, ir::RecurrenceOp, ir::RecurrenceGradientOp,
            ir::RandomOp>(
          [&](auto known) { return evaluate(known, operands, call); })
      .Default([](mlir::Operation *) -> Results {
        llvm_unreachable("an operation that the interpreter does not know");
      });
}

} // namespace interpreter

namespace {

std::string nameOf(mlir::Attribute name) {
  return mlir::cast<mlir::StringAttr>(name).str();
}

Field argumentField(mlir::func::FuncOp function, unsigned index,
                    const Sizes &sizes, const NamedFields &inputs) {
  auto type = mlir::cast<ir::FieldType>(function.getArgument(index).getType());
  auto found = inputs.find(nameOf(function.getArgAttr(index, "decay.name")));
  if (found == inputs.end()) {
    [[maybe_unused]] std::string role =
        nameOf(function.getArgAttr(index, "decay.role"));
    assert((role == "initial" || role == "gradient") && "an input is missing");
    return makeField(type.getAxes(), sizes);
  }
  assert(found->second.axes == type.getAxes() &&
         found->second.values.size() ==
             static_cast<size_t>(Layout(type.getAxes(), sizes).count) &&
         "an input has other axes or sizes");
  return found->second;
}

/// The fields that are alive; one goes with its last use.
class Frame {
public:
  void set(mlir::Value value, Field field) {
    if (value.use_empty())
      return;
    uses[value] = std::distance(value.use_begin(), value.use_end());
    fields[value] = std::move(field);
  }
  const Field &get(mlir::Value value) { return fields[value]; }
  void release(mlir::Value value) {
    if (--uses[value] == 0)
      fields.erase(value);
  }

private:
  // A node-based map: operands are held by address while results are added.
  struct ByPointer {
    bool operator()(mlir::Value a, mlir::Value b) const {
      return a.getAsOpaquePointer() < b.getAsOpaquePointer();
    }
  };
  std::map<mlir::Value, Field, ByPointer> fields;
  std::map<mlir::Value, long, ByPointer> uses;
};

} // namespace

Interpretation interpret(mlir::func::FuncOp function, const Sizes &sizes,
                         const NamedFields &inputs, bool trackBounds) {
  Interpretation outcome;
  interpreter::Call call{sizes, trackBounds, outcome};
  Frame frame;
  for (unsigned index = 0; index < function.getNumArguments(); ++index)
    frame.set(function.getArgument(index),
              argumentField(function, index, sizes, inputs));
  for (mlir::Operation &op : function.front().without_terminator()) {
    llvm::SmallVector<const Field *> operands;
    for (mlir::Value operand : op.getOperands())
      operands.push_back(&frame.get(operand));
    interpreter::Results results =
        interpreter::evaluateOperation(op, operands, call);
    for (auto [value, field] : llvm::zip_equal(op.getResults(), results))
      frame.set(value, std::move(field));
    for (mlir::Value operand : op.getOperands())
      frame.release(operand);
  }
  auto returned = function.front().getTerminator()->getOperands();
  for (auto [index, value] : llvm::enumerate(returned)) {
    Field &result =
        outcome.results[nameOf(function.getResultAttr(index, "decay.name"))];
    result = frame.get(value);
    if (trackBounds && result.bounds.empty())
      result.bounds.resize(result.values.size());
  }
  return outcome;
}

} // namespace decay
