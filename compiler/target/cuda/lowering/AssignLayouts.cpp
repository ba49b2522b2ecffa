//===- AssignLayouts.cpp - The pass assign-layouts ------------------------===//
#include "compiler/target/cuda/lowering/AssignLayouts.h"
#include "compiler/target/Target.h"
#include "compiler/target/cuda/lowering/Gates.h"
#include "compiler/target/cuda/lowering/Passes.h"
#include "compiler/target/cuda/lowering/Schemes.h"
#include "compiler/target/cuda/lowering/SplitPointwise.h"

namespace decay::cuda {

#define GEN_PASS_DEF_ASSIGNLAYOUTS
#include "compiler/target/cuda/lowering/Passes.h.inc"

using ir::Axis;
using ir::axisBit;
using mlir::Value;
using tile::Form;
using tile::Kept;
using tile::Place;
using tile::Scheme;
using tile::TileDialect;

namespace {

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

constexpr unsigned token = axisBit(Axis::Token), layer = axisBit(Axis::Layer),
                   channel = axisBit(Axis::Channel),
                   value = axisBit(Axis::Value);

struct FormRow {
  llvm::StringLiteral op; ///< that makes the tile; empty: any
  unsigned axes;          ///< that the tile has, beside others
  Form forms[5];          ///< in the order of the schemes
};

/// The first row that a tile answers to is taken.
constexpr Form thread = Form::thread, columns = Form::columns,
               rows = Form::rows, layers = Form::layers, saved = Form::saved;
constexpr FormRow forms[] = {
    // An initialiser's thread has one layer.
    {"chunk.random", 0, {thread, thread, thread, thread, thread}},
    {"chunk.restore", channel | value, {saved, saved, saved, saved, saved}},
    {"", layer, {layers, layers, layers, layers, layers}},
    {"", token | value, {rows, rows, rows, rows, rows}},
    {"", token | channel, {columns, rows, columns, columns, columns}},
    {"", token, {columns, columns, columns, columns, columns}},
    {"",
     channel | value,
     {Form::accumulators, Form::accumulators, Form::pieces, Form::accumulators,
      Form::slices}},
    {"", 0, {thread, thread, thread, thread, thread}},
};

Form formFor(mlir::Operation *op, chunk::TileType type, Scheme scheme) {
  for (const FormRow &row : forms)
    if ((row.op.empty() || row.op == op->getName().getStringRef()) &&
        (type.getAxes() & row.axes) == row.axes)
      return row.forms[static_cast<size_t>(scheme)];
  llvm_unreachable("the last row takes all");
}

/// Where a tile's rows are, if it has any.
Place placeOf(mlir::Operation *op, Value made, Scheme scheme) {
  if (scheme == Scheme::step)
    return Place::registers;
  if (mlir::isa<chunk::ReadOp>(op))
    return scheme == Scheme::tokens ? Place::plain : Place::shared;
  bool isFused = false;
  for (mlir::Operation *user : made.getUsers()) {
    if (mlir::isa<chunk::RecurrenceOp, chunk::StateOp,
                  chunk::RecurrenceGradientOp>(user))
      return Place::in_place;
    isFused |=
        mlir::isa<chunk::PointwiseOp, chunk::SumOp, chunk::RotateOp>(user);
  }
  return isFused ? Place::fused : Place::written;
}

/// The sweep that carries a tile; none if no one does.
chunk::SweepOp carrierOf(Value carried) {
  if (auto inside = mlir::dyn_cast<chunk::SweepOp>(
          carried.getParentBlock()->getParentOp()))
    return inside;
  if (auto made = carried.getDefiningOp<chunk::SweepOp>())
    return made;
  for (mlir::Operation *user : carried.getUsers())
    if (auto sweep = mlir::dyn_cast<chunk::SweepOp>(user))
      return sweep;
  return nullptr;
}

/// Bands are columns of v, but where the state's gradient is carried: so each
/// is a right operand of most products as it stands.
bool isTurned(Value state, Scheme scheme) {
  if (scheme != Scheme::bands)
    return false;
  chunk::SweepOp sweep = carrierOf(state);
  return !sweep ||
         sweep.getBody().front().getOps<chunk::RecurrenceGradientOp>().empty();
}

/// The gradients of q, k and λ have the channels' axis: backward keeps states
/// that way as well.
int64_t viewsOf(mlir::Operation *op) {
  int64_t views = 1;
  op->getParentOfType<chunk::KernelOp>().walk(
      [&](chunk::RecurrenceGradientOp) { views = 2; });
  return views;
}

mlir::ArrayAttr layoutsFor(mlir::Operation *op, mlir::ValueRange values,
                           tile::BlockAttr block) {
  llvm::SmallVector<mlir::Attribute> layouts;
  for (Value made : values) {
    auto type = mlir::cast<chunk::TileType>(made.getType());
    Form form = formFor(op, type, block.getScheme());
    tile::Choice choice;
    if (form == Form::rows)
      choice.place = placeOf(op, made, block.getScheme());
    else if (form == Form::accumulators)
      choice.turned = isTurned(made, block.getScheme());
    else if (form == Form::slices)
      choice.views = viewsOf(op);
    layouts.push_back(tile::layoutIn(block, type, form, choice));
  }
  return mlir::ArrayAttr::get(op->getContext(), layouts);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// K, V, K, V, ... that packages serve unless others are asked for.
constexpr int64_t usualHeadDims[] = {64, 64, 128, 128};
/// Parameters have as many channels as the launch says.
constexpr int64_t anyHeadDims[] = {1, 1};

/// The kernels of an entry for one pair of head dims, where forward and
/// backward agree on an order of what is kept. Forward has two, as what it
/// keeps takes registers: 13 % more time for lightnet at 128 channels.
struct EntryRow {
  llvm::StringLiteral entry;
  llvm::ArrayRef<Kept> kernels;
};

constexpr Kept one[] = {Kept::none}, given[] = {Kept::given},
               two[] = {Kept::without, Kept::with};
const EntryRow entries[] = {{"forward", two}, {"backward", given}};

llvm::ArrayRef<Kept> kernelsOf(llvm::StringRef entry, bool agree) {
  for (const EntryRow &row : entries)
    if (row.entry == entry && agree)
      return row.kernels;
  return one;
}

Precision precisionOf(mlir::ModuleOp module) {
  auto asked = module->getAttrOfType<mlir::StringAttr>(precisionAttribute);
  return asked && asked.getValue() == "fp32" ? Precision::fp32
                                             : Precision::bf16;
}

struct AssignLayouts : impl::AssignLayoutsBase<AssignLayouts> {
  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    llvm::ArrayRef<int64_t> headDims = usualHeadDims;
    if (auto asked =
            module->getAttrOfType<mlir::DenseI64ArrayAttr>(headDimsAttribute))
      headDims = asked.asArrayRef();
    auto kernels = llvm::to_vector(module.getOps<chunk::KernelOp>());
    for (chunk::KernelOp kernel : kernels) {
      // Parameters start the same on every device.
      if (kernel.getSymName() != "init_parameters" &&
          precisionOf(module) == Precision::bf16)
        simplifyGates(kernel);
      splitPointwise(kernel);
    }
    for (chunk::KernelOp kernel : kernels)
      if (kernel.getSymName() != "init_parameters")
        makeKernels(kernel, headDims);
      else if (!kernel.getOperands().empty())
        // A design may have no parameters.
        makeKernels(kernel, anyHeadDims);
    for (chunk::KernelOp kernel : kernels)
      kernel.erase();
  }

  static void makeKernels(chunk::KernelOp kernel,
                          llvm::ArrayRef<int64_t> headDims) {
    auto module = kernel->getParentOfType<mlir::ModuleOp>();
    mlir::OpBuilder builder(kernel);
    Precision precision = precisionOf(module);
    std::string entry = kernel.getSymName().str();
    for (; !headDims.empty(); headDims = headDims.drop_front(2)) {
      int64_t K = headDims[0], V = headDims[1];
      std::optional<tile::BlockAttr> block =
          chooseBlock(kernel, K, V, precision);
      if (!block)
        continue;
      // None is named as its entry, of which a package's description is made.
      std::string name =
          entry + (block->getScheme() == Scheme::elements
                       ? "_any"
                       : "_" + std::to_string(K) + "_" + std::to_string(V));
      for (Kept kept : kernelsOf(entry, agreeOnKept(module, K, V, precision))) {
        auto made = mlir::cast<chunk::KernelOp>(builder.clone(*kernel));
        made.setSymName(kept == Kept::with ? name + "_kept" : name);
        made->setAttr(TileDialect::entryName,
                      tile::EntryAttr::get(kernel.getContext(), entry, kept));
        assignLayouts(made, *block);
      }
    }
  }
};

} // namespace

void assignLayouts(chunk::KernelOp kernel, tile::BlockAttr block) {
  kernel->setAttr(TileDialect::blockName, block);
  kernel.walk([&](mlir::Operation *op) {
    if (op == kernel || !mlir::isa<chunk::ChunkDialect>(op->getDialect()))
      return;
    if (op->getNumResults() > 0)
      op->setAttr(TileDialect::layoutsName,
                  layoutsFor(op, op->getResults(), block));
    if (auto sweep = mlir::dyn_cast<chunk::SweepOp>(op))
      op->setAttr(
          TileDialect::argumentsName,
          layoutsFor(op, sweep.getBody().front().getArguments(), block));
  });
}

} // namespace decay::cuda
