// RUN: decay-opt --derive-gradient --simplify %s | FileCheck %s

!key = !decay.field<token, head, channel>
!value = !decay.field<token, head, value>
!parameter = !decay.field<head, channel>
!state = !decay.field<sequence, head, channel, value>

// CHECK-LABEL: func.func @backward(
// CHECK-SAME:    decay.name = "initial_state", decay.role = "initial"
// CHECK-SAME:    %[[DO:.*]]: {{.*}} {decay.name = "d_o", decay.role = "gradient"}
// CHECK-SAME:    %[[DF:.*]]: {{.*}} {decay.name = "d_final_state", decay.role = "gradient"}
// CHECK-SAME:    {decay.name = "d_q"}
// CHECK-SAME:    {decay.name = "d_delta"}
// CHECK-SAME:    {decay.name = "d_initial_state"}
// CHECK:         %[[X:.*]] = decay.map "add"
// CHECK:         %[[L:.*]] = decay.map "sigmoid"(%[[X]])
// CHECK:         decay.recurrence_gradient q {{.*}} lambda %[[L]] {{.*}} gradients %[[DO]], %[[DF]]
// CHECK:         decay.map "neg"(%[[X]])
// CHECK:         %[[DX:.*]] = decay.map "mul"(%d_lambda
// CHECK:         %[[DP:.*]] = decay.sum %[[DX]]
// CHECK:         return %d_q, %d_k, %d_v, %[[DX]], %[[DP]], %d_initial
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
