// RUN: decay-opt --decay-to-chunk --canonicalize %s | FileCheck %s
// RUN: decay-opt --derive-gradient --simplify --decay-to-chunk --canonicalize %s | FileCheck %s --check-prefix=BACKWARD

!key = !decay.field<token, head, channel>
!value = !decay.field<token, head, value>
!parameter = !decay.field<head, channel>
!state = !decay.field<sequence, head, channel, value>

// What has no token axis is read once; the state is carried from chunk to chunk.
// CHECK-LABEL: chunk.kernel @forward chunk_length 64
// CHECK:         %[[DELTA:.*]] = chunk.read 4 : <channel>
// CHECK:         %[[START:.*]] = chunk.read 5 : <channel, value>
// CHECK:         %[[END:.*]] = chunk.sweep(%[[START]])
// CHECK:         ^bb0(%[[STATE:.*]]: !chunk.tile<channel, value>):
// CHECK:           chunk.pointwise
// CHECK:           %[[O:.*]], %[[NEXT:.*]] = chunk.recurrence {{.*}}, %[[LAMBDA:[0-9]+]], %[[STATE]] :
// CHECK:           chunk.write %[[LAMBDA]] to 8
// CHECK:           chunk.write %[[O]] to 6
// CHECK:           chunk.yield %[[NEXT]]
// CHECK:         chunk.write %[[END]] to 7
// One token at a time, from the same function.
// CHECK-LABEL: chunk.kernel @step chunk_length 1

// The first sweep keeps the states alone, the second rebuilds all else.
// BACKWARD-LABEL: chunk.kernel @backward
// BACKWARD-SAME:    name = "d_delta", optional = 1 : i64, reduce = true
// BACKWARD:         chunk.sweep(
// BACKWARD:           chunk.save %{{.*}} in 0 : <channel, value>
// BACKWARD-NOT:       chunk.recurrence
// BACKWARD:           chunk.state
// BACKWARD:         chunk.sweep descending
// BACKWARD:           chunk.restore 0
// BACKWARD:           chunk.recurrence_gradient
// BACKWARD:           chunk.accumulate
func.func @forward(
    %q: !key {decay.name = "q", decay.role = "projection"},
    %k: !key {decay.name = "k", decay.role = "projection"},
    %v: !value {decay.name = "v", decay.role = "projection"},
    %f: !key {decay.name = "f", decay.role = "projection"},
    %delta: !parameter {decay.name = "delta", decay.role = "parameter"},
    %initial: !state {decay.name = "initial_state", decay.role = "initial"})
    -> (!value {decay.name = "o"}, !state {decay.name = "final_state"}) {
  %x = decay.map "add"(%f, %delta) : (!key, !parameter) -> !key
  %lambda = decay.map "sigmoid"(%x) : (!key) -> !key
  %o, %final = decay.recurrence q %q k %k v %v lambda %lambda initial %initial
      : (!key, !key, !value, !key, !state) -> (!value, !state)
  return %o, %final : !value, !state
}
