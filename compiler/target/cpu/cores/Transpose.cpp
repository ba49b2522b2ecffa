//===- Transpose.cpp - A state with its two axes exchanged ----------------===//
#include "compiler/target/cpu/cores/Parts.h"

using namespace mlir;

namespace decay::cpu {

func::FuncOp transposeFunction(Emitter &emit) {
  return emit.function("core_transpose", "ppii", [&](ArrayRef<Value> args) {
    Value source = args[0], target = args[1], rows = args[2], columns = args[3];
    emit.loop(rows, emit.lanes(), [&](Value row) {
      emit.loop(columns, emit.lanes(), [&](Value column) {
        Value from =
            emit.at(emit.at(source, emit.multiply(row, columns)), column);
        Values tile;
        for (int64_t i = 0; i < emit.lanes(); ++i) {
          tile.push_back(emit.load(from));
          from = emit.at(from, columns);
        }
        Value to = emit.at(emit.at(target, emit.multiply(column, rows)), row);
        for (Value vector : emit.transposed(tile)) {
          emit.store(vector, to);
          to = emit.at(to, rows);
        }
      });
    });
  });
}

} // namespace decay::cpu
