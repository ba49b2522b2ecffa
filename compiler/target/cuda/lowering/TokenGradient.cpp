//===- TokenGradient.cpp - The recurrence's adjoint, in fp32 --------------===//
//
// With G_t = q_t do_tᵀ + λ_{t+1} G_{t+1}, the gradient of s_t:
// dq_t = s_t do_t, dk_t = G_t v_t, dv_t = G_tᵀ k_t, dλ_t = Σ_v G_t ∘ s_{t-1}.
// The state climbs through the chunk once more and leaves itself, token by
// token, in the workspace; nothing is divided by λ.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cuda/lowering/TokenEmitter.h"

namespace decay::cuda {

namespace LLVM = mlir::LLVM;

static constexpr int64_t pieceNumbers = BlockShape::pieceNumbers;

/// This block's part of the workspace: [64, pieces, threads, 4].
Value TokenEmitter::historyPlace() {
  int64_t bytes = chunkTokens * shape.columns() * shape.V * floatBytes;
  return code.at(workspacePart(historyPart),
                 code.mul(code.extend(itemOfSequence()), code.wide(bytes)));
}

/// Where this block's v has its gradient's rows, fp32 [64, V], if more than the
/// caller wants them.
Value TokenEmitter::valuesPlace() {
  return code.at(workspacePart(valuesPart),
                 code.mul(code.extend(itemOfSequence()),
                          code.wide(chunkTokens * shape.V * floatBytes)));
}

Value TokenEmitter::pieceOfHistory(Value history, Value token, int64_t piece) {
  Value pieces = code.mul(token, viewNumbers() / pieceNumbers);
  Value row = code.mul(code.add(pieces, piece), blockThreads());
  return code.at(history, code.extend(code.mul(code.add(row, thread),
                                               pieceNumbers * floatBytes)));
}

/// Leaves what each token finds of the state, and q's gradient.
void TokenEmitter::ascend(Values state, const Rows &v, const Rows &output,
                          Value history) {
  const View &view = views.front();
  code.loop(
      code.integer(chunkTokens), state,
      [&](Value token, mlir::ValueRange carried) -> Values {
        Values before(carried);
        for (int64_t first = 0; first < viewNumbers(); first += pieceNumbers) {
          Value four = LLVM::PoisonOp::create(
              builder, code.place, code.vector(pieceNumbers, code.f32()));
          for (int64_t each = 0; each < pieceNumbers; ++each)
            four = LLVM::InsertElementOp::create(builder, code.place, four,
                                                 before[first + each],
                                                 code.integer(each));
          code.store(four,
                     pieceOfHistory(history, token, first / pieceNumbers));
        }
        Values made = advance(view, before, v, token);
        Value sum = code.number(0);
        for (auto [number, dO] :
             llvm::zip_equal(made, innerNumbers(view, output, token)))
          sum = code.fma(number, dO, sum);
        storeOwner(view, sumOfSlices(view, sum), queryGradient, token);
        return made;
      });
}

/// A token's number of v's gradient, in the rows that others read behind the
/// next barrier.
void TokenEmitter::storeValue(Value number, Value token, Value ownRows) {
  const View &view = views.back();
  Value element = code.add(code.mul(token, shape.V), owner(view));
  code.when(code.equal(code.bitAnd(thread, slices(view) - 1), 0), [&] {
    code.store(number, code.at(ownRows, code.mul(element, floatBytes)));
  });
}

/// v's gradient, and that of the state before the chunk.
Values TokenEmitter::descendByValue(Values gradient, const Rows &output,
                                    TokenSum store) {
  const View &view = views.back();
  return code.loop(code.integer(chunkTokens), gradient,
                   [&](Value index, mlir::ValueRange carried) -> Values {
                     Value token =
                         code.sub(code.integer(chunkTokens - 1), index);
                     Values q = innerNumbers(view, query, token),
                            k = innerNumbers(view, key, token),
                            decay = innerNumbers(view, lambda, token);
                     Value dO = ownerNumber(view, output, token),
                           sum = code.number(0);
                     Values made(carried);
                     for (auto [each, number] : llvm::enumerate(made)) {
                       number = code.fma(q[each], dO, number);
                       sum = code.fma(k[each], number, sum);
                       number = code.fmul(decay[each], number);
                     }
                     store(sumOfSlices(view, sum), token);
                     return made;
                   });
}

/// The gradients of k and λ, in their places, and that of the state before the
/// chunk.
Values TokenEmitter::descendByChannel(Values gradient, const Rows &v,
                                      const Rows &output, Value history) {
  const View &view = views.front();
  return code.loop(
      code.integer(chunkTokens), gradient,
      [&](Value index, mlir::ValueRange carried) -> Values {
        Value token = code.sub(code.integer(chunkTokens - 1), index);
        Value q = ownerNumber(view, query, token),
              decay = ownerNumber(view, lambda, token);
        Values dO = innerNumbers(view, output, token),
               own = innerNumbers(view, v, token);
        Value ofKey = code.number(0), ofLambda = code.number(0);
        Values made(carried), before;
        for (int64_t piece = 0; piece < viewNumbers() / pieceNumbers; ++piece) {
          Value four = code.load(code.vector(pieceNumbers, code.f32()),
                                 pieceOfHistory(history, token, piece));
          for (int64_t each = 0; each < pieceNumbers; ++each)
            before.push_back(LLVM::ExtractElementOp::create(
                builder, code.place, four, code.integer(each)));
        }
        for (auto [each, number] : llvm::enumerate(made)) {
          number = code.fma(q, dO[each], number);
          ofKey = code.fma(number, own[each], ofKey);
          ofLambda = code.fma(number, before[each], ofLambda);
          number = code.fmul(decay, number);
        }
        Value keySum = sumOfSlices(view, ofKey);
        Value lambdaSum = sumOfSlices(view, ofLambda);
        // The owner's other threads have read what is written over.
        code.warpBarrier();
        storeOwner(view, keySum, key, token);
        storeOwner(view, lambdaSum, lambda, token);
        return made;
      });
}

void TokenEmitter::emitTokenGradient(chunk::RecurrenceGradientOp op) {
  makeRowsInPlace(op.getV());
  Rows v = rowsOf(op.getV()), output = rowsOf(op.getDO());
  shareOperands(op.getQ(), op.getK(), op.getLambda());
  Value history = historyPlace();
  ascend(ofView(restoreState(op.getState()), 0), v, output, history);
  const Values gradient = tile(op.getDState()).numbers;
  std::optional<int64_t> operand = outputOperand(op.getDV());
  bool isUsed = followsFrom(op.getDV());
  Value ownRows = isUsed ? valuesPlace() : Value();
  Values byValue =
      descendByValue(ofView(gradient, 1), output, [&](Value sum, Value token) {
        if (isUsed)
          storeValue(sum, token, ownRows);
        else if (operand)
          storeToken(views.back(), sum, token, *operand);
      });
  // Keys and λ are still needed as they were.
  code.barrier();
  Tile next = assigned(op.getDNext());
  next.numbers = descendByChannel(ofView(gradient, 0), v, output, history);
  next.numbers.append(byValue);
  tiles[op.getDNext()] = next;
  Tile &dV = tiles[op.getDV()] = assigned(op.getDV());
  if (isUsed)
    dV.pieceAt = [this, ownRows](Value row, Value piece) {
      Value element =
          code.add(code.mul(row, shape.V), code.mul(piece, pieceNumbers));
      return unpackPiece(
          code.load(code.vector(pieceNumbers, code.i32()),
                    code.at(ownRows, code.mul(element, floatBytes))));
    };
  code.barrier();
  const std::pair<Value, const Rows &> results[] = {{op.getDQ(), queryGradient},
                                                    {op.getDK(), key},
                                                    {op.getDLambda(), lambda}};
  for (auto [result, rows] : results) {
    Tile &made = tiles[result] = assigned(result);
    made.numbers = ownColumn(rows);
  }
  auto type = mlir::cast<chunk::TileType>(op.getDLambda().getType());
  if (!type.has(ir::Axis::Channel)) {
    Tile &made = tiles[op.getDLambda()];
    made.numbers = sumColumns(made.numbers);
  }
  emitRowsTail(op);
  emitTail(op, Tail::all);
}

} // namespace decay::cuda
