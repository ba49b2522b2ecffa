// Math functions become a few instructions; what has none and no formula is an error.
// RUN: split-file %s %t
// RUN: decay-opt --ptx-math %t/formulas.mlir | FileCheck %t/formulas.mlir
// RUN: not decay-opt --ptx-math %t/unknown.mlir 2>&1 | FileCheck %t/unknown.mlir

//--- formulas.mlir
// Under afn one product and one instruction, else what the product loses is put back.
// CHECK-LABEL: @exponentials
// CHECK: arith.mulf
// CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: math.fma
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
// CHECK-NOT: math.exp
func.func @exponentials(%x: f32) -> (f32, f32) {
  %short = math.exp %x fastmath<afn> : f32
  %usual = math.exp %x : f32
  return %short, %usual : f32, f32
}

// CHECK-LABEL: @quotients
// CHECK: %[[INVERSE:.*]] = llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%arg1)
// CHECK: arith.mulf %arg0, %[[INVERSE]]
// CHECK: arith.mulf %arg0, %{{.*}} : f32
// CHECK: llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%arg1)
// CHECK-NOT: arith.divf {{.*}} : f32
// CHECK: arith.divf {{.*}} : f64
func.func @quotients(%x: f32, %y: f32, %z: f64) -> (f32, f32, f32, f64) {
  %three = arith.constant 3.0 : f32
  %one = arith.constant 1.0 : f32
  %quotient = arith.divf %x, %y : f32
  %third = arith.divf %x, %three : f32
  %inverse = arith.divf %one, %y : f32
  %wide = arith.divf %z, %z : f64
  return %quotient, %third, %inverse, %wide : f32, f32, f32, f64
}

// What has an instruction stays.
// CHECK-LABEL: @instructions
// CHECK: math.floor
// CHECK: math.fma
func.func @instructions(%x: f32) -> f32 {
  %floor = math.floor %x : f32
  %fma = math.fma %x, %floor, %x : f32
  return %fma : f32
}

//--- unknown.mlir
// CHECK: 'math.erf' op has no instruction and no formula for 'f32'
func.func @unknown(%x: f32) -> f32 {
  %y = math.erf %x : f32
  return %y : f32
}
