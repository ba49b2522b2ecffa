// RUN: decay-opt --derive-gradient --simplify --decay-to-chunk --canonicalize --keep-states %s | FileCheck %s

!key = !decay.field<token, head, channel>
!value = !decay.field<token, head, value>
!state = !decay.field<sequence, head, channel, value>

// Forward writes the state in front of each chunk, if it is given a place; backward reads it there.
// CHECK-LABEL: chunk.kernel @forward
// CHECK-SAME:    {access = 1 : i64, name = "kept_state", optional = 1 : i64, shape = "S H W V"}]
// CHECK:         chunk.sweep
// CHECK-NEXT:    ^bb0(%[[STATE:.*]]: !chunk.tile<channel, value>):
// CHECK-NEXT:      chunk.save %[[STATE]] in 0 {kept = [[WRITTEN:[0-9]+]] : i64}
// A step has no chunks.
// CHECK-LABEL: chunk.kernel @step
// CHECK-NOT:     kept
// CHECK-LABEL: chunk.kernel @backward
// CHECK-SAME:    {access = 0 : i64, name = "kept_state", optional = 1 : i64, shape = "S H W V"}]
// CHECK:         chunk.save %{{.*}} in 0 {kept = [[READ:[0-9]+]] : i64}
// CHECK:         chunk.sweep descending
// CHECK:           chunk.restore 0 {kept = [[READ]] : i64}
func.func @forward(
    %q: !key {decay.name = "q", decay.role = "projection"},
    %k: !key {decay.name = "k", decay.role = "projection"},
    %v: !value {decay.name = "v", decay.role = "projection"},
    %lambda: !key {decay.name = "lambda", decay.role = "projection"},
    %initial: !state {decay.name = "initial_state", decay.role = "initial"})
    -> (!value {decay.name = "o"}, !state {decay.name = "final_state"}) {
  %o, %final = decay.recurrence q %q k %k v %v lambda %lambda initial %initial
      : (!key, !key, !value, !key, !state) -> (!value, !state)
  return %o, %final : !value, !state
}
