// RUN: decay-opt --rewrite-hazards %s | FileCheck %s

!t = !decay.field<token, head>
!n = !decay.field<>
!s = !decay.field<sequence, head>

// CHECK-LABEL: @complement_of_sigmoid
// CHECK:         %[[N:.*]] = decay.map "neg"(%arg0)
// CHECK-NEXT:    %[[R:.*]] = decay.map "sigmoid"(%[[N]])
// CHECK-NEXT:    return %[[R]]
func.func @complement_of_sigmoid(%x: !t) -> !t {
  %one = decay.constant 1.0 : !n
  %s = decay.map "sigmoid"(%x) : (!t) -> !t
  %r = decay.map "sub"(%one, %s) : (!n, !t) -> !t
  return %r : !t
}

// CHECK-LABEL: @log_of_sigmoid
// CHECK-NEXT:    %[[R:.*]] = decay.map "logsigmoid"(%arg0)
// CHECK-NEXT:    return %[[R]]
func.func @log_of_sigmoid(%x: !t) -> !t {
  %s = decay.map "sigmoid"(%x) : (!t) -> !t
  %r = decay.map "log"(%s) : (!t) -> !t
  return %r : !t
}

// CHECK-LABEL: @complement_of_exponential
// CHECK:         decay.map "expm1"(%arg0)
// CHECK-NOT:     "exp"
func.func @complement_of_exponential(%x: !t) -> !t {
  %one = decay.constant 1.0 : !n
  %e = decay.map "exp"(%x) : (!t) -> !t
  %r = decay.map "sub"(%one, %e) : (!n, !t) -> !t
  return %r : !t
}

// The step of a logcumsumexp depends on x - z before the token alone.
// CHECK-LABEL: @step_of_scan
// CHECK:         %[[D:.*]] = decay.map "sub"(%exclusive, %arg0)
// CHECK-NEXT:    %[[R:.*]] = decay.map "sigmoid"(%[[D]])
// CHECK-NEXT:    return %[[R]]
func.func @step_of_scan(%x: !t, %z0: !s) -> !t {
  %z, %p, %last = decay.scan "logcumsumexp" %x from %z0 : (!t, !s) -> (!t, !t, !s)
  %g = decay.map "sub"(%p, %z) : (!t, !t) -> !t
  %r = decay.map "exp"(%g) : (!t) -> !t
  return %r : !t
}
