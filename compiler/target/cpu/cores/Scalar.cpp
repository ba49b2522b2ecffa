//===- Scalar.cpp - Scalar decay as vector decay with equal channels ------===//
//
// The state costs K V operations a token whatever the decay is; spreading λ
// over the channels costs K. So a scalar core is a vector core with its λ
// spread before and, backward, dλ summed after.
//
//===----------------------------------------------------------------------===//
#include "compiler/target/cpu/cores/Parts.h"

using namespace mlir;

namespace decay::cpu {

namespace {

/// spread [n, K] = lambda [n] in every channel.
void spreadLambda(Emitter &emit, Value lambda, Value spread, Value n, Value K) {
  emit.loop(n, 1, [&](Value token) {
    Value value = emit.splat(emit.at(lambda, token));
    Value row = emit.at(spread, emit.multiply(token, K));
    emit.loop(K, emit.lanes(),
              [&](Value channel) { emit.store(value, emit.at(row, channel)); });
  });
}

/// gradient [n] = spread [n, K] summed over channels.
void sumChannels(Emitter &emit, Value spread, Value gradient, Value n,
                 Value K) {
  emit.loop(n, 1, [&](Value token) {
    Value row = emit.at(spread, emit.multiply(token, K));
    Values sum = emit.loop(emit.integer(0), K, emit.lanes(), emit.zeros(),
                           [&](Value channel, ValueRange carried) {
                             return Values{emit.plus(
                                 carried[0], emit.load(emit.at(row, channel)))};
                           });
    emit.storeFloat(emit.lane(emit.laneSums(sum), 0), emit.at(gradient, token));
  });
}

struct Shape {
  const char *types;
  unsigned lambda, dLambda, n;
};

/// Where a core's arguments stand, by direction; 0 for no dλ.
constexpr Shape shapes[] = {
    {"ppppppiiip", 3, 0, 6},
    {"ppppiiip", 2, 0, 4},
    {"pppppppppppiiip", 3, 10, 11},
};

} // namespace

func::FuncOp scalarCore(Emitter &emit, StringRef base, Direction direction,
                        func::FuncOp vectorCore) {
  const Shape &shape = shapes[static_cast<size_t>(direction)];
  return emit.function(base, shape.types, [&](ArrayRef<Value> args) {
    Values inner(args);
    Value n = args[shape.n], K = args[shape.n + 1], work = args.back();
    Value room = emit.multiply(K, chunkTokens);
    inner[shape.lambda] = work;
    spreadLambda(emit, args[shape.lambda], work, n, K);
    if (shape.dLambda)
      inner[shape.dLambda] = emit.at(work, room);
    inner.back() = emit.at(work, emit.multiply(room, 2));
    emit.call(vectorCore, inner);
    if (shape.dLambda)
      sumChannels(emit, inner[shape.dLambda], args[shape.dLambda], n, K);
  });
}

} // namespace decay::cpu
