// RUN: decay-opt --simplify %s | FileCheck %s

!t = !decay.field<token, head>
!n = !decay.field<>

// CHECK-LABEL: @neutral
// CHECK-NEXT:    return %arg0
func.func @neutral(%x: !t) -> !t {
  %one = decay.constant 1.0 : !n
  %zero = decay.constant 0.0 : !n
  %y = decay.map "mul"(%one, %x) : (!n, !t) -> !t
  %m = decay.map "neg"(%y) : (!t) -> !t
  %p = decay.map "neg"(%m) : (!t) -> !t
  %r = decay.map "add"(%p, %zero) : (!t, !n) -> !t
  return %r : !t
}

// CHECK-LABEL: @equal
// CHECK-NEXT:    %[[S:.*]] = decay.map "sigmoid"(%arg0)
// CHECK-NEXT:    %[[R:.*]] = decay.map "mul"(%[[S]], %[[S]])
// CHECK-NEXT:    return %[[R]]
func.func @equal(%x: !t) -> !t {
  %a = decay.map "sigmoid"(%x) : (!t) -> !t
  %b = decay.map "sigmoid"(%x) : (!t) -> !t
  %r = decay.map "mul"(%a, %b) : (!t, !t) -> !t
  return %r : !t
}
