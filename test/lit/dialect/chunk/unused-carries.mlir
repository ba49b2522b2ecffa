// Sweeps carry what someone asks for.
// RUN: decay-opt --canonicalize %s | FileCheck %s

// Nobody reads the sum after the sweep: what was added to it goes as well. The state is saved inside, so it stays.
// CHECK-LABEL: chunk.kernel @unread_sum
// CHECK:         chunk.sweep descending(%{{[^,]*}}) : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value>
// CHECK-NEXT:    ^bb0(%[[STATE:.*]]: !chunk.tile<channel, value>):
// CHECK-NEXT:      chunk.save %[[STATE]] in 0
// CHECK-NEXT:      chunk.yield %[[STATE]]
// CHECK-NOT:     chunk.accumulate
chunk.kernel @unread_sum chunk_length 64 operands [] {
  %state = chunk.read 0 : <channel, value>
  %zero = chunk.fill : <>
  %final, %sum = chunk.sweep descending(%state, %zero)
      : (!chunk.tile<channel, value>, !chunk.tile<>) -> (!chunk.tile<channel, value>, !chunk.tile<>) {
  ^bb0(%carried: !chunk.tile<channel, value>, %sofar: !chunk.tile<>):
    chunk.save %carried in 0 : <channel, value>
    %x = chunk.read 1 : <token>
    %more = chunk.accumulate %sofar, %x : (!chunk.tile<>, !chunk.tile<token>) -> !chunk.tile<>
    chunk.yield %carried, %more : !chunk.tile<channel, value>, !chunk.tile<>
  }
}

// One that is read stays; so does one that another needs.
// CHECK-LABEL: chunk.kernel @read_sum
// CHECK:         chunk.sweep(%{{.*}}, %{{.*}}) : (!chunk.tile<>, !chunk.tile<>) -> (!chunk.tile<>, !chunk.tile<>)
chunk.kernel @read_sum chunk_length 64 operands [] {
  %zero = chunk.fill : <>
  %first, %second = chunk.sweep(%zero, %zero) : (!chunk.tile<>, !chunk.tile<>) -> (!chunk.tile<>, !chunk.tile<>) {
  ^bb0(%a: !chunk.tile<>, %b: !chunk.tile<>):
    %x = chunk.read 0 : <token>
    %more = chunk.accumulate %a, %x : (!chunk.tile<>, !chunk.tile<token>) -> !chunk.tile<>
    %other = chunk.pointwise(%a, %b) : (!chunk.tile<>, !chunk.tile<>) -> !chunk.tile<> {
    ^bb0(%m: f32, %n: f32):
      %sum = arith.addf %m, %n : f32
      chunk.yield %sum : f32
    }
    chunk.yield %more, %other : !chunk.tile<>, !chunk.tile<>
  }
  chunk.write %second to 1 : <>
}
