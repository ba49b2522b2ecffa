//===- Layouts.cpp - Layouts as a block has them --------------------------===//
#include "compiler/target/cuda/tile/TileDialect.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace decay::cuda::tile {

using ir::Axis;

std::optional<Form> formOf(mlir::Attribute layout) {
  if (!layout)
    return std::nullopt;
  return llvm::TypeSwitch<mlir::Attribute, std::optional<Form>>(layout)
      .Case([](ThreadAttr) { return Form::thread; })
      .Case([](ColumnsAttr) { return Form::columns; })
      .Case([](RowsAttr) { return Form::rows; })
      .Case([](AccumulatorsAttr) { return Form::accumulators; })
      .Case([](PiecesAttr) { return Form::pieces; })
      .Case([](SavedAttr) { return Form::saved; })
      .Case([](LayersAttr) { return Form::layers; })
      .Case([](SlicesAttr) { return Form::slices; })
      .Default(std::nullopt);
}

namespace {

mlir::Attribute accumulatorsIn(BlockAttr block, bool turned) {
  BlockShape shape = block.getShape();
  int64_t tileRows = shape.stateTileRows(), tiles = shape.stateTiles();
  if (block.getScheme() == Scheme::bands) {
    // Four warps have all channels, and a part of v.
    tileRows = turned ? shape.bandTileRows() : shape.K / chunkTokens;
    tiles = turned ? shape.bandStateTiles()
                   : shape.V / 8 / (shape.bands() / groupCount);
  }
  return AccumulatorsAttr::get(block.getContext(), tileRows, tiles, turned);
}

} // namespace

mlir::Attribute layoutIn(BlockAttr block, chunk::TileType type, Form form,
                         const Choice &choice) {
  mlir::MLIRContext *context = block.getContext();
  switch (form) {
  case Form::thread:
    return ThreadAttr::get(context, block.columnsOf(type));
  case Form::columns:
    return ColumnsAttr::get(context, block.tokensPerThread(),
                            block.columnsOf(type));
  case Form::rows:
    return RowsAttr::get(context,
                         type.has(Axis::Value) ? block.getV() : block.getK(),
                         choice.place);
  case Form::accumulators:
    return accumulatorsIn(block, choice.turned);
  case Form::pieces:
    return PiecesAttr::get(context, block.getShape().stepPieces());
  case Form::saved:
    return SavedAttr::get(context);
  case Form::layers:
    return LayersAttr::get(context);
  case Form::slices:
    return SlicesAttr::get(context, choice.views,
                           block.getShape().slicePieces());
  }
  llvm_unreachable("a form that is not listed");
}

int64_t numbersOf(mlir::Attribute layout) {
  return llvm::TypeSwitch<mlir::Attribute, int64_t>(layout)
      .Case([](ThreadAttr own) { return own.getColumns(); })
      .Case([](ColumnsAttr own) { return own.getTokens() * own.getColumns(); })
      .Case([](AccumulatorsAttr own) {
        return own.getTileRows() * own.getTiles() * 4;
      })
      .Case([](PiecesAttr own) {
        return own.getCount() * BlockShape::pieceNumbers;
      })
      .Case([](SlicesAttr own) {
        return own.getViews() * own.getPieces() * BlockShape::pieceNumbers;
      })
      .Default(int64_t(0));
}

mlir::Attribute layoutOf(mlir::Value value) {
  auto argument = mlir::dyn_cast<mlir::BlockArgument>(value);
  mlir::Operation *op =
      argument ? argument.getOwner()->getParentOp() : value.getDefiningOp();
  unsigned index = argument
                       ? argument.getArgNumber()
                       : mlir::cast<mlir::OpResult>(value).getResultNumber();
  auto layouts = op->getAttrOfType<mlir::ArrayAttr>(
      argument ? TileDialect::argumentsName : TileDialect::layoutsName);
  return layouts && index < layouts.size() ? layouts[index] : mlir::Attribute();
}

} // namespace decay::cuda::tile
