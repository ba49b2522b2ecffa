// RUN: decay-opt --approximate-math %s | FileCheck %s

// CHECK-LABEL: @all
// CHECK-NOT: math.{{(exp|log|tanh|sin|cos|log1p|expm1)}} 
// CHECK:     math.fma {{.*}} : vector<16xf32>
// CHECK:     return
func.func @all(%x: vector<16xf32>) -> vector<16xf32> {
  %a = math.exp %x : vector<16xf32>
  %b = math.log %a : vector<16xf32>
  %c = math.tanh %b : vector<16xf32>
  %d = math.log1p %c : vector<16xf32>
  %e = math.expm1 %d : vector<16xf32>
  %f = math.sin %e : vector<16xf32>
  %g = math.cos %f : vector<16xf32>
  return %g : vector<16xf32>
}

// CHECK-LABEL: @scalar
// CHECK-NOT: math.exp
// CHECK:     math.fma {{.*}} : f32
func.func @scalar(%x: f32) -> f32 {
  %a = math.exp %x : f32
  return %a : f32
}

// A sigmoid above 1/2 comes from its complement; x's sign says which it is.
// CHECK-LABEL: @sigmoid
// CHECK:     %[[SMALL:.*]] = arith.divf
// CHECK:     %[[LARGE:.*]] = arith.subf %{{.*}}, %[[SMALL]]
// CHECK:     %[[BITS:.*]] = arith.bitcast %arg0 : f32 to i32
// CHECK:     %[[IS:.*]] = arith.cmpi slt, %[[BITS]]
// CHECK:     arith.select %[[IS]], %[[SMALL]], %[[LARGE]]
func.func @sigmoid(%x: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %size = math.absf %x : f32
  %exponent = arith.negf %size : f32
  %e = math.exp %exponent : f32
  %is = arith.cmpf oge, %x, %zero : f32
  %top = arith.select %is, %one, %e : f32
  %sum = arith.addf %e, %one : f32
  %y = arith.divf %top, %sum : f32
  return %y : f32
}
