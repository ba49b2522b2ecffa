// RUN: decay-opt --fuse-pointwise %s | FileCheck %s

// Producer and consumer become one loop; the value between them is not kept, and
// sigmoid(x) and sigmoid(-x) ask for the exponential of the same number.
// CHECK-LABEL: chunk.kernel @chain
// CHECK:         %[[X:.*]] = chunk.read 0
// CHECK:         %[[Y:.*]] = chunk.pointwise(%[[X]])
// CHECK:         ^bb0(%[[N:.*]]: f32):
// CHECK:           arith.negf %[[N]]
// CHECK:           math.absf %[[N]]
// CHECK:           chunk.yield %{{.*}} : f32
// CHECK-NOT:     chunk.pointwise
// CHECK:         chunk.write %[[Y]] to 1
chunk.kernel @chain chunk_length 64 operands [] {
  %x = chunk.read 0 : <token>
  %minus = chunk.pointwise(%x) : (!chunk.tile<token>) -> !chunk.tile<token> {
  ^bb0(%n: f32):
    %m = arith.negf %n : f32
    chunk.yield %m : f32
  }
  %absolute = chunk.pointwise(%minus) : (!chunk.tile<token>) -> !chunk.tile<token> {
  ^bb0(%n: f32):
    %a = math.absf %n : f32
    chunk.yield %a : f32
  }
  chunk.write %absolute to 1 : <token>
}

// A scan between two loops keeps them apart: the second needs its result.
// CHECK-LABEL: chunk.kernel @apart
// CHECK:         chunk.pointwise
// CHECK:         chunk.scan
// CHECK:         chunk.pointwise
chunk.kernel @apart chunk_length 64 operands [] {
  %x = chunk.read 0 : <token>
  %carry = chunk.read 1 : <>
  %y = chunk.pointwise(%x) : (!chunk.tile<token>) -> !chunk.tile<token> {
  ^bb0(%n: f32):
    %m = arith.negf %n : f32
    chunk.yield %m : f32
  }
  %inclusive, %exclusive, %next = chunk.scan "cumsum" %y, %carry : (!chunk.tile<token>, !chunk.tile<>) -> (!chunk.tile<token>, !chunk.tile<token>, !chunk.tile<>)
  %z = chunk.pointwise(%inclusive) : (!chunk.tile<token>) -> !chunk.tile<token> {
  ^bb0(%n: f32):
    %m = math.exp %n : f32
    chunk.yield %m : f32
  }
  chunk.write %y to 2 : <token>
  chunk.write %z to 3 : <token>
}
