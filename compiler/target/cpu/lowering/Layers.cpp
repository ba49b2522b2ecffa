//===- Layers.cpp - Cross-layer parameters and position in the model ------===//
#include "compiler/target/cpu/lowering/ItemEmitter.h"

namespace decay::cpu {

namespace {
/// Address of row `layer` of a tile.
Value rowAt(Code &code, Value data, const Layout &layout, Value layer,
            Value column) {
  return code.at(data, code.add(code.mul(layer, layout.stride), column));
}
} // namespace

void ItemEmitter::emitAcrossLayers(chunk::AcrossLayersOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  Value one = code.integer(1);
  forColumns(from, [&](Value column, mlir::Type type) {
    auto at = [&](Value layer) {
      return code.load(type,
                       rowAt(code, from.data, from.layout, layer, column));
    };
    auto put = [&](Value layer, Value value) {
      code.store(value, rowAt(code, to.data, to.layout, layer, column));
    };
    if (op.getKind() == "first") {
      code.store(at(code.integer(0)), code.at(to.data, column));
      return;
    }
    if (op.getKind() == "cumsum") {
      code.reduce(sizes.layers, one, code.zero(type),
                  [&](Value layer, Value so) -> Value {
                    Value sum = apply("add", {so, at(layer)});
                    put(layer, sum);
                    return sum;
                  });
      return;
    }
    Value largest = code.reduce(sizes.layers, one, at(code.integer(0)),
                                [&](Value layer, Value so) -> Value {
                                  return apply("max", {so, at(layer)});
                                });
    Value total = code.reduce(sizes.layers, one, code.zero(type),
                              [&](Value layer, Value so) -> Value {
                                Value part = apply(
                                    "exp", apply("sub", {at(layer), largest}));
                                put(layer, part);
                                return apply("add", {so, part});
                              });
    code.loop(sizes.layers, [&](Value layer) {
      Value part =
          code.load(type, rowAt(code, to.data, to.layout, layer, column));
      put(layer, apply("div", {part, total}));
    });
  });
}

void ItemEmitter::emitAcrossLayersGradient(chunk::AcrossLayersGradientOp op) {
  Buffer value = buffer(op.getResultValue()), given = buffer(op.getDResult());
  Buffer to = buffer(op.getDOperand());
  Value one = code.integer(1);
  if (op.getKind() == "first")
    fill(to);
  forColumns(to, [&](Value column, mlir::Type type) {
    auto at = [&](const Buffer &tile, Value layer) {
      return code.load(type,
                       rowAt(code, tile.data, tile.layout, layer, column));
    };
    auto put = [&](Value layer, Value made) {
      code.store(made, rowAt(code, to.data, to.layout, layer, column));
    };
    if (op.getKind() == "first") {
      code.store(code.load(type, code.at(given.data, column)),
                 code.at(to.data, column));
      return;
    }
    if (op.getKind() == "cumsum") {
      Value last = code.sub(sizes.layers, one);
      code.reduce(sizes.layers, one, code.zero(type),
                  [&](Value index, Value so) -> Value {
                    Value layer = code.sub(last, index);
                    Value sum = apply("add", {so, at(given, layer)});
                    put(layer, sum);
                    return sum;
                  });
      return;
    }
    Value mean = code.reduce(
        sizes.layers, one, code.zero(type),
        [&](Value layer, Value so) -> Value {
          return apply(
              "add", {so, apply("mul", {at(value, layer), at(given, layer)})});
        });
    code.loop(sizes.layers, [&](Value layer) {
      put(layer, apply("mul", {at(value, layer),
                               apply("sub", {at(given, layer), mean})}));
    });
  });
}

void ItemEmitter::emitAtLayer(chunk::AtLayerOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  forColumns(to, [&](Value column, mlir::Type type) {
    code.store(code.load(type, rowAt(code, from.data, from.layout, sizes.layer,
                                     column)),
               code.at(to.data, column));
  });
}

void ItemEmitter::emitFromLayer(chunk::FromLayerOp op) {
  Buffer from = buffer(op.getOperand()), to = buffer(op.getResult());
  fill(to);
  forColumns(from, [&](Value column, mlir::Type type) {
    code.store(code.load(type, code.at(from.data, column)),
               rowAt(code, to.data, to.layout, sizes.layer, column));
  });
}

void ItemEmitter::emitIndex(chunk::IndexOp op) {
  const std::pair<llvm::StringRef, Value> known[] = {{"head", head},
                                                     {"heads", sizes.H},
                                                     {"layer", sizes.layer},
                                                     {"layers", sizes.layers}};
  for (auto [kind, value] : known)
    if (kind == op.getKind())
      code.store(
          mlir::arith::SIToFPOp::create(builder, code.place, code.f32(), value),
          buffer(op.getResult()).data);
}

} // namespace decay::cpu
