//===- Layers.cpp - Cross-layer parameters and position in the model ------===//
//
// A model has any number of layers, so a tile over layers is a function of the
// layer, and what needs all layers is a loop. All threads of a block ask for
// the same layer at the same time.
//
//===----------------------------------------------------------------------===//
#include "compiler/conversion/decay_to_chunk/PointwiseExpansion.h"
#include "compiler/target/cuda/lowering/KernelEmitter.h"

namespace decay::cuda {

using ir::Axis;

Value KernelEmitter::numberOf(const Tile &of, Value layer) {
  return of.kind == Tile::Kind::layers ? of.atLayer(layer) : ownOf(of.numbers);
}

Tile KernelEmitter::layersOf(std::function<Value(Value)> atLayer) {
  Tile made;
  made.kind = Tile::Kind::layers;
  made.atLayer = std::move(atLayer);
  return made;
}

/// One number for each of the thread's columns, or one if `of` has no channels.
Values KernelEmitter::columnsOf(Value of, llvm::function_ref<Value()> make) {
  bool perChannel =
      mlir::cast<chunk::TileType>(of.getType()).has(Axis::Channel);
  return perChannel ? perColumn(make) : Values{make()};
}

Value KernelEmitter::overLayers(Value initial, Value count, LayerStep step) {
  return code.loop(count, {initial},
                   [&](Value layer, mlir::ValueRange carried) -> Values {
                     return {step(layer, carried[0])};
                   })[0];
}
Value KernelEmitter::overLayers(Value initial, LayerStep step) {
  return overLayers(initial, layerCount(), step);
}

Value KernelEmitter::layerCount() {
  return code.truncate(field(LaunchField::Layers));
}

void KernelEmitter::emitLayersRead(chunk::ReadOp op) {
  int64_t operand = op.getOperand();
  tiles[op.getResult()] = layersOf([this, operand](Value layer) -> Value {
    return code.load(code.f32(), numberPlace(operand, layer));
  });
}

/// All threads make the numbers, as some may need the others'; one of those
/// that have the same number writes it.
void KernelEmitter::emitLayersWrite(chunk::WriteOp op) {
  const Tile from = tile(op.getTile());
  int64_t operand = op.getOperand();
  bool perChannel = shapeOf(operand).contains('K');
  Value owner =
      code.both(code.equal(group, 0), perChannel ? code.less(column, shape.K)
                                                 : code.equal(column, 0));
  code.when(code.notNull(dataOf(operand)), [&] {
    code.loop(layerCount(), {}, [&](Value layer, mlir::ValueRange) -> Values {
      auto write = [&] {
        Value number = numberOf(from, layer);
        code.when(owner,
                  [&] { code.store(number, numberPlace(operand, layer)); });
      };
      perChannel ? forColumns(write) : write();
      return {};
    });
  });
}

void KernelEmitter::emitLayersPointwise(chunk::PointwiseOp op) {
  llvm::SmallVector<Tile> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(tile(input));
  for (auto [index, result] : llvm::enumerate(op.getResults()))
    tiles[result] = layersOf([this, op, inputs, index](Value layer) {
      Values numbers;
      for (const Tile &input : inputs)
        numbers.push_back(numberOf(input, layer));
      return cloneRegion(code, op, numbers)[index];
    });
}

void KernelEmitter::emitAcrossLayers(chunk::AcrossLayersOp op) {
  const Tile from = tile(op.getOperand());
  Value zero = code.number(0);
  if (op.getKind() == "first") {
    Tile made = assigned(op.getResult());
    made.numbers = columnsOf(op.getResult(),
                             [&] { return numberOf(from, code.integer(0)); });
    tiles[op.getResult()] = made;
    return;
  }
  if (op.getKind() == "cumsum") {
    tiles[op.getResult()] = layersOf([this, from, zero](Value layer) {
      return overLayers(zero, code.add(layer, 1), [&](Value each, Value so) {
        return code.fadd(so, numberOf(from, each));
      });
    });
    return;
  }
  assert(op.getKind() == "softmax" && "the verifier knows every kind");
  Values largest = columnsOf(op.getResult(), [&] {
    return overLayers(numberOf(from, code.integer(0)),
                      [&](Value layer, Value so) {
                        return apply("max", {so, numberOf(from, layer)});
                      });
  });
  auto part = [this, from, largest](Value layer) {
    return apply("exp", {code.fsub(numberOf(from, layer), ownOf(largest))});
  };
  Values total = columnsOf(op.getResult(), [&] {
    return overLayers(zero, [&](Value layer, Value so) {
      return code.fadd(so, part(layer));
    });
  });
  tiles[op.getResult()] = layersOf([this, part, total](Value layer) {
    return apply("div", {part(layer), ownOf(total)});
  });
}

void KernelEmitter::emitAcrossLayersGradient(chunk::AcrossLayersGradientOp op) {
  const Tile value = tile(op.getResultValue()), given = tile(op.getDResult());
  Value zero = code.number(0);
  if (op.getKind() == "first") {
    Values numbers = given.numbers;
    tiles[op.getDOperand()] = layersOf([this, numbers, zero](Value layer) {
      return code.choose(code.equal(layer, 0), ownOf(numbers), zero);
    });
    return;
  }
  if (op.getKind() == "cumsum") {
    Value last = code.add(layerCount(), -1);
    tiles[op.getDOperand()] = layersOf([this, given, zero, last](Value layer) {
      Value count = code.add(code.sub(last, layer), 1);
      return overLayers(zero, count, [&](Value index, Value so) {
        return code.fadd(so, numberOf(given, code.sub(last, index)));
      });
    });
    return;
  }
  assert(op.getKind() == "softmax" && "the verifier knows every kind");
  Values mean = columnsOf(op.getDOperand(), [&] {
    return overLayers(zero, [&](Value layer, Value so) {
      return code.fma(numberOf(value, layer), numberOf(given, layer), so);
    });
  });
  tiles[op.getDOperand()] = layersOf([this, value, given, mean](Value layer) {
    return code.fmul(numberOf(value, layer),
                     code.fsub(numberOf(given, layer), ownOf(mean)));
  });
}

void KernelEmitter::emitAtLayer(chunk::AtLayerOp op) {
  Tile made = assigned(op.getResult());
  made.numbers = columnsOf(op.getResult(), [&] {
    return numberOf(tile(op.getOperand()),
                    code.truncate(field(LaunchField::Layer)));
  });
  tiles[op.getResult()] = made;
}

void KernelEmitter::emitFromLayer(chunk::FromLayerOp op) {
  Values numbers = tile(op.getOperand()).numbers;
  Value own = code.truncate(field(LaunchField::Layer));
  tiles[op.getResult()] = layersOf([this, numbers, own](Value layer) {
    return code.choose(code.equal(layer, own), ownOf(numbers), code.number(0));
  });
}

} // namespace decay::cuda
