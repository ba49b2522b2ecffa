// RUN: decay-opt %s | decay-opt | FileCheck %s

// Every operation prints as it is parsed.

!n = !decay.field<>
!h = !decay.field<head>
!l = !decay.field<layer, head>
!t = !decay.field<token, head>
!s = !decay.field<sequence, head>
!key = !decay.field<token, head, channel>
!pairs = !decay.field<token, head, pair, channel>
!value = !decay.field<token, head, value>
!state = !decay.field<sequence, head, channel, value>

// CHECK-LABEL: @pointwise
func.func @pointwise(%x: !t, %a: !h) -> (!t, !h) {
  // CHECK: decay.constant 5.000000e-01 : <>
  %c = decay.constant 0.5 : !n
  // CHECK: decay.index "head" : <head>
  %i = decay.index "head" : !h
  // CHECK: decay.map "clamp"(%arg0, %{{.*}}, %arg1) : (!decay.field<token, head>, !decay.field<>, !decay.field<head>) -> !decay.field<token, head>
  %m = decay.map "clamp"(%x, %c, %a) : (!t, !n, !h) -> !t
  // CHECK: decay.broadcast %{{.*}} : <head> -> <token, head>
  %b = decay.broadcast %i : !h -> !t
  %sum = decay.map "add"(%m, %b) : (!t, !t) -> !t
  // CHECK: decay.check_range
  %r = decay.check_range %sum : !t
  // CHECK: decay.sum %{{.*}} : <token, head> -> <head>
  %y = decay.sum %r : !t -> !h
  return %r, %y : !t, !h
}

// CHECK-LABEL: @layers
func.func @layers(%x: !l) -> (!l, !h) {
  // CHECK: decay.across_layers "softmax" %arg0 : <layer, head> -> <layer, head>
  %p = decay.across_layers "softmax" %x : !l -> !l
  // CHECK: decay.across_layers "first" %{{.*}} : <layer, head> -> <head>
  %f = decay.across_layers "first" %p : !l -> !h
  // CHECK: decay.at_layer
  %a = decay.at_layer %p : !l -> !h
  // CHECK: decay.from_layer
  %b = decay.from_layer %a : !h -> !l
  // CHECK: decay.across_layers_gradient "softmax"
  %g = decay.across_layers_gradient "softmax" %p gradient %b : !l, !l -> !l
  return %g, %f : !l, !h
}

// CHECK-LABEL: @carried
func.func @carried(%x: !t, %z0: !s) -> (!t, !s) {
  // CHECK: decay.scan "logcumsumexp" %arg0 from %arg1
  %z, %p, %last = decay.scan "logcumsumexp" %x from %z0 : (!t, !s) -> (!t, !t, !s)
  // CHECK: decay.scan_gradient "logcumsumexp" %arg0, %exclusive gradients
  %dx, %dz0 = decay.scan_gradient "logcumsumexp" %x, %p gradients %z, %p, %last
      : (!t, !t, !t, !t, !s) -> (!t, !s)
  return %dx, %dz0 : !t, !s
}

// CHECK-LABEL: @attention
func.func @attention(%x: !key, %v: !value, %l: !t, %s0: !state) -> (!pairs, !key) {
  // CHECK: decay.rotate "rope" %arg0 : <token, head, channel> -> <token, head, channel>
  %q = decay.rotate "rope" %x : !key -> !key
  // CHECK: decay.rotate "rope" %{{.*}} adjoint
  %k = decay.rotate "rope" %q adjoint : !key -> !key
  // CHECK: decay.rotate "lrpe_cosine"
  %w = decay.rotate "lrpe_cosine" %k : !key -> !pairs
  // CHECK: decay.recurrence q %{{.*}} k %{{.*}} v %arg1 lambda %arg2 initial %arg3
  %o, %s = decay.recurrence q %q k %k v %v lambda %l initial %s0
      : (!key, !key, !value, !t, !state) -> (!value, !state)
  // CHECK: decay.recurrence_gradient q
  %dq, %dk, %dv, %dl, %ds = decay.recurrence_gradient q %q k %k v %v lambda %l initial %s0
      gradients %o, %s : (!key, !key, !value, !t, !state, !value, !state)
      -> (!key, !key, !value, !t, !state)
  return %w, %dq : !pairs, !key
}

// CHECK-LABEL: @draws
func.func @draws(%a: !n, %b: !n) -> !h {
  // CHECK: decay.random "normal" stream 3
  %r = decay.random "normal" stream 3 %a, %b : (!n, !n) -> !h
  return %r : !h
}
