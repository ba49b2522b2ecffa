//===- Operands.cpp - Layouts that operations can work with ---------------===//
#include "compiler/target/cuda/tile/Verifier.h"

#include "llvm/ADT/StringExtras.h"

namespace decay::cuda::tile {

using mlir::LogicalResult;

namespace {

constexpr llvm::StringLiteral formNames[] = {"thread",       "columns", "rows",
                                             "accumulators", "pieces",  "saved",
                                             "layers",       "slices"};
static_assert(std::size(formNames) == formCount);

constexpr Forms none = 0, thread = bitOf(Form::thread),
                columns = bitOf(Form::columns), rows = bitOf(Form::rows),
                state = bitOf(Form::accumulators), pieces = bitOf(Form::pieces),
                saved = bitOf(Form::saved), layers = bitOf(Form::layers),
                slices = bitOf(Form::slices),
                numbers = thread | columns | layers,
                written = numbers | rows | state;

/// What an operand may be in blocks of columns, of bands, of a step, of
/// elements and of tokens; none where the operation has no code there.
struct OperandRow {
  llvm::StringLiteral op;
  unsigned operand;
  llvm::StringLiteral name;
  Forms forms[5];
};

constexpr OperandRow operandRows[] = {
    {"chunk.recurrence", 0, "q", {columns, rows, columns, none, columns}},
    {"chunk.recurrence", 1, "k", {columns, rows, columns, none, columns}},
    {"chunk.recurrence", 2, "v", {rows, rows, rows, none, rows}},
    {"chunk.recurrence", 3, "λ", {columns, columns, columns, none, columns}},
    {"chunk.recurrence", 4, "state", {state, state, pieces, none, slices}},
    {"chunk.state", 0, "k", {columns, rows, none, none, columns}},
    {"chunk.state", 1, "v", {rows, rows, none, none, rows}},
    {"chunk.state", 2, "λ", {columns, columns, none, none, columns}},
    {"chunk.state", 3, "state", {state, state, none, none, slices}},
    {"chunk.state_gradient", 0, "q", {columns, none, none, none, none}},
    {"chunk.state_gradient", 1, "d_o", {rows, none, none, none, none}},
    {"chunk.state_gradient", 2, "λ", {columns, none, none, none, none}},
    {"chunk.state_gradient", 3, "d_state", {state, none, none, none, none}},
    {"chunk.recurrence_gradient", 0, "q", {columns, rows, none, none, columns}},
    {"chunk.recurrence_gradient", 1, "k", {columns, rows, none, none, columns}},
    {"chunk.recurrence_gradient", 2, "v", {rows, rows, none, none, rows}},
    {"chunk.recurrence_gradient",
     3,
     "λ",
     {columns, columns, none, none, columns}},
    {"chunk.recurrence_gradient",
     4,
     "state",
     {saved, saved, none, none, saved}},
    {"chunk.recurrence_gradient",
     5,
     "d_state",
     {state, state, none, none, slices}},
    {"chunk.recurrence_gradient", 6, "d_o", {rows, rows, none, none, rows}},
    {"chunk.scan", 0, "term", {columns, none, columns, none, columns}},
    {"chunk.scan", 1, "carry", {thread, none, thread, none, thread}},
    {"chunk.scan_gradient", 0, "term", {columns, none, none, none, columns}},
    {"chunk.scan_gradient",
     1,
     "exclusive",
     {columns, none, none, none, columns}},
    {"chunk.scan_gradient",
     2,
     "d_inclusive",
     {columns, none, none, none, columns}},
    {"chunk.scan_gradient",
     3,
     "d_exclusive",
     {columns, none, none, none, columns}},
    {"chunk.scan_gradient", 4, "carry", {thread, none, none, none, thread}},
    {"chunk.rotate", 0, "operand", {columns, rows, columns, none, columns}},
    {"chunk.product", 0, "accumulator", {thread, none, none, none, none}},
    {"chunk.product", 1, "tile", {columns, none, none, none, none}},
    {"chunk.accumulate",
     0,
     "accumulator",
     {thread, thread, none, none, thread}},
    {"chunk.accumulate", 1, "tile", {columns, columns, none, none, columns}},
    {"chunk.spread", 0, "λ", {thread, thread, thread, none, thread}},
    {"chunk.spread", 1, "complement", {thread, thread, thread, none, thread}},
    {"chunk.sum",
     0,
     "operand",
     {numbers | rows, none, numbers, none, numbers | rows}},
    {"chunk.repeat_pair",
     0,
     "operand",
     {numbers, none, numbers, none, numbers}},
    {"chunk.at_layer", 0, "operand", {layers, layers, layers, none, layers}},
    {"chunk.from_layer", 0, "operand", {thread, thread, none, none, thread}},
    {"chunk.save",
     0,
     "tile",
     {state | thread, state, none, none, slices | thread}},
    {"chunk.write",
     0,
     "tile",
     {written, written, written | pieces, written, written | slices}},
};

/// What makes numbers one by one: an input must have them where the result is.
constexpr Forms pointwiseInputs[] = {
    thread,                  // of thread
    columns | thread,        // of columns
    rows | columns | thread, // of rows
    none,
    none,
    none,
    layers | thread, // of layers
    none,
};
static_assert(std::size(pointwiseInputs) == formCount);

/// Results that have an operand's layout: it goes on as what was carried.
struct SameRow {
  llvm::StringLiteral op;
  unsigned result, operand;
  llvm::StringLiteral resultName, operandName;
};

constexpr SameRow sameRows[] = {
    {"chunk.recurrence", 1, 4, "next", "state"},
    {"chunk.state", 0, 3, "next", "state"},
    {"chunk.state_gradient", 0, 3, "d_next", "d_state"},
    {"chunk.recurrence_gradient", 4, 5, "d_next", "d_state"},
    {"chunk.scan", 2, 1, "next", "carry"},
    {"chunk.scan_gradient", 1, 4, "next", "carry"},
    {"chunk.product", 0, 0, "result", "accumulator"},
    {"chunk.accumulate", 0, 0, "result", "accumulator"},
    {"chunk.check_range", 0, 0, "result", "operand"},
};

LogicalResult verifyForm(mlir::Operation *op, mlir::Value operand, Forms forms,
                         const llvm::Twine &name) {
  mlir::Attribute layout = layoutOf(operand);
  std::optional<Form> form = formOf(layout);
  if (form && (bitOf(*form) & forms))
    return mlir::success();
  mlir::InFlightDiagnostic said = op->emitError()
                                  << "expected " << name << " as "
                                  << namesOf(forms) << ", found ";
  return layout ? said << layout : said << "no layout";
}

/// Matrix products read rows in shared memory; what is written was made so.
LogicalResult verifyPlace(mlir::Operation *op, mlir::Value operand,
                          const llvm::Twine &name) {
  auto own = mlir::dyn_cast_or_null<RowsAttr>(layoutOf(operand));
  if (!own || own.getPlace() == Place::registers ||
      mlir::isa<chunk::PointwiseOp>(op))
    return mlir::success();
  bool isWritten = own.getPlace() == Place::written;
  bool isThere = isWritten || own.getPlace() == Place::fused;
  bool writes = mlir::isa<chunk::WriteOp>(op);
  // A rotation of rows is made with what takes its result.
  if (mlir::isa<chunk::SumOp, chunk::RotateOp>(op))
    return mlir::success();
  // Rows of values are made for whoever asks.
  bool isMade =
      own.getPlace() == Place::fused &&
      mlir::cast<chunk::TileType>(operand.getType()).has(ir::Axis::Value);
  if (writes ? isWritten || isMade : !isThere)
    return mlir::success();
  return op->emitError() << "expected " << name << " as rows that are "
                         << (writes ? "written" : "shared or made in_place")
                         << ", found " << mlir::Attribute(own);
}

LogicalResult verifySame(mlir::Operation *op, mlir::Value own,
                         const llvm::Twine &name, mlir::Value other,
                         const llvm::Twine &otherName) {
  mlir::Attribute found = layoutOf(own), wanted = layoutOf(other);
  if (found && found == wanted)
    return mlir::success();
  auto said = op->emitError() << "expected " << name << " in the layout of "
                              << otherName << ", which is ";
  (wanted ? said << wanted : said << "none") << "; found ";
  return found ? said << found : said << "none";
}

} // namespace

std::string namesOf(Forms forms) {
  llvm::SmallVector<llvm::StringRef> names;
  for (unsigned form = 0; form < formCount; ++form)
    if (forms & (1u << form))
      names.push_back(formNames[form]);
  return llvm::join(names, " or ");
}

LogicalResult verifyOperands(mlir::Operation *op, BlockAttr block) {
  llvm::StringRef name = op->getName().getStringRef();
  auto scheme = static_cast<size_t>(block.getScheme());
  for (const OperandRow &row : operandRows) {
    if (row.op != name || row.operand >= op->getNumOperands())
      continue;
    Forms forms = row.forms[scheme];
    if (!forms)
      return op->emitError() << "expected an operation that a block of "
                             << stringifyScheme(block.getScheme())
                             << " has code for, found " << name;
    mlir::Value operand = op->getOperand(row.operand);
    if (failed(verifyForm(op, operand, forms, row.name)) ||
        failed(verifyPlace(op, operand, row.name)))
      return mlir::failure();
  }
  for (const SameRow &row : sameRows)
    if (row.op == name && row.operand < op->getNumOperands() &&
        row.result < op->getNumResults() &&
        failed(verifySame(op, op->getResult(row.result), row.resultName,
                          op->getOperand(row.operand), row.operandName)))
      return mlir::failure();
  auto pointwise = mlir::dyn_cast<chunk::PointwiseOp>(op);
  if (!pointwise || op->getNumResults() == 0)
    return mlir::success();
  std::optional<Form> made = formOf(layoutOf(op->getResult(0)));
  for (auto [index, input] : llvm::enumerate(pointwise.getInputs()))
    if (failed(verifyForm(op, input,
                          pointwiseInputs[static_cast<size_t>(*made)],
                          "input " + llvm::Twine(index))))
      return mlir::failure();
  return mlir::success();
}

LogicalResult verifySweep(chunk::SweepOp op) {
  mlir::Block &body = op.getBody().front();
  mlir::Operation *last = body.getTerminator();
  // The operation's own verifier will say so.
  size_t count = body.getNumArguments();
  if (op.getInitial().size() != count || op.getNumResults() != count ||
      last->getNumOperands() != count)
    return op->emitError() << "expected as many tiles at the start, in the "
                              "body and behind it, as 'tile.arguments' has";
  for (auto [index, carried] : llvm::enumerate(body.getArguments())) {
    std::string name = "argument " + std::to_string(index);
    const std::pair<mlir::Value, llvm::StringLiteral> others[] = {
        {op.getInitial()[index], "initial tile "},
        {last->getOperand(index), "yielded tile "},
        {op.getResult(index), "result "}};
    for (auto [other, what] : others)
      if (failed(
              verifySame(op, other, what + llvm::Twine(index), carried, name)))
        return mlir::failure();
  }
  return mlir::success();
}

} // namespace decay::cuda::tile
