// RUN: decay-opt --decay-to-chunk --canonicalize %s | FileCheck %s

// A λ that no token changes is spread over a chunk's tokens once, before the sweep,
// with 1 - λ from its own formula.

!key = !decay.field<token, head, channel>
!value = !decay.field<token, head, value>
!state = !decay.field<sequence, head, channel, value>

// CHECK-LABEL: chunk.kernel @forward
// CHECK:         %[[THETA:.*]] = chunk.read 3 : <>
// CHECK:         %[[LAMBDA:.*]] = chunk.pointwise(%[[THETA]])
// CHECK:           math.exp
// CHECK:         %[[REST:.*]] = chunk.pointwise(%[[THETA]])
// CHECK:           math.expm1
// CHECK:         %[[ROWS:.*]] = chunk.spread %[[LAMBDA]], %[[REST]]
// CHECK-SAME:      -> !chunk.tile<token>
// CHECK:         chunk.sweep
// CHECK:           chunk.recurrence %{{.*}}, %{{.*}}, %{{.*}}, %[[ROWS]], %{{.*}} :
func.func @forward(
    %q: !key {decay.name = "q", decay.role = "projection"},
    %k: !key {decay.name = "k", decay.role = "projection"},
    %v: !value {decay.name = "v", decay.role = "projection"},
    %theta: !decay.field<head> {decay.name = "theta", decay.role = "parameter"},
    %initial: !state {decay.name = "initial_state", decay.role = "initial"})
    -> (!value {decay.name = "o"}, !state {decay.name = "final_state"}) {
  %lambda = decay.map "exp"(%theta) : (!decay.field<head>) -> !decay.field<head>
  %o, %final = decay.recurrence q %q k %k v %v lambda %lambda initial %initial
      : (!key, !key, !value, !decay.field<head>, !state) -> (!value, !state)
  return %o, %final : !value, !state
}
