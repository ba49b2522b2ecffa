//===- UnusedCarries.cpp - Sweeps carry what someone asks for -------------===//
#include "compiler/dialect/chunk/ChunkDialect.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/BitVector.h"

namespace decay::chunk {

namespace {

/// Whether a carried tile is there for its own next value alone.
bool servesItself(mlir::BlockArgument carried) {
  llvm::SetVector<mlir::Value> made;
  made.insert(carried);
  for (size_t index = 0; index < made.size(); ++index)
    for (mlir::OpOperand &use : made[index].getUses()) {
      mlir::Operation *user = use.getOwner();
      if (mlir::isa<YieldOp>(user)) {
        if (use.getOperandNumber() != carried.getArgNumber())
          return false;
        continue;
      }
      if (!mlir::isMemoryEffectFree(user))
        return false;
      made.insert_range(user->getResults());
    }
  return true;
}

/// The gradient of a λ that nothing was learned for, above all.
struct DropUnusedCarries : mlir::OpRewritePattern<SweepOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(SweepOp op, mlir::PatternRewriter &rewriter) const override {
    mlir::Block &body = op.getBody().front();
    llvm::BitVector unused(op.getNumResults());
    for (mlir::OpResult result : op.getResults()) {
      unsigned index = result.getResultNumber();
      unused[index] =
          result.use_empty() && servesItself(body.getArgument(index));
    }
    if (unused.none())
      return mlir::failure();
    llvm::SmallVector<mlir::Value> initial;
    llvm::SmallVector<mlir::Type> types;
    for (auto [index, value] : llvm::enumerate(op.getInitial()))
      if (!unused[index]) {
        initial.push_back(value);
        types.push_back(value.getType());
      } else {
        // What was made of it is dead now, and goes as such.
        rewriter.replaceAllUsesWith(body.getArgument(index), value);
      }
    auto made = SweepOp::create(rewriter, op.getLoc(), types, initial,
                                op.getDescending());
    made->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.modifyOpInPlace(body.getTerminator(), [&] {
      body.getTerminator()->eraseOperands(unused);
    });
    body.eraseArguments(unused);
    rewriter.inlineRegionBefore(op.getBody(), made.getBody(),
                                made.getBody().begin());
    llvm::SmallVector<mlir::Value> results;
    auto next = made.getResults().begin();
    for (unsigned index = 0; index < op.getNumResults(); ++index)
      results.push_back(unused[index] ? op.getInitial()[index] : *next++);
    rewriter.replaceOp(op, results);
    return mlir::success();
  }
};

} // namespace

void SweepOp::getCanonicalizationPatterns(mlir::RewritePatternSet &patterns,
                                          mlir::MLIRContext *context) {
  patterns.add<DropUnusedCarries>(context);
}

} // namespace decay::chunk
