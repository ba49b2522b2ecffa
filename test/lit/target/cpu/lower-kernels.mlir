// RUN: decay-opt --lower-kernels --canonicalize %s | FileCheck %s

// One function per processor variant, and the memory that a call needs.
// The loop around a pointwise chain is a function of its own, which reads the
// caller's rows where they are.
// CHECK-LABEL: func.func private @loop_twice_0_avx512(
// CHECK:         vector<16xf32>
// CHECK-LABEL: func.func @decay_twice_avx512(
// CHECK-SAME:    decay.operands
// CHECK:         scf.for
// CHECK:           call @loop_twice_0_avx512(
// CHECK-LABEL: func.func private @loop_twice_0_avx2(
// CHECK:         vector<8xf32>
// CHECK-LABEL: func.func @decay_twice_avx2(
// CHECK-LABEL: func.func @decay_twice_scratch_floats(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) -> i64
// CHECK-LABEL: func.func @decay_twice_partial_floats(%{{.*}}: !llvm.ptr) -> i64
// CHECK-NOT:   chunk.
chunk.kernel @twice chunk_length 64 operands [
    {access = 0 : i64, name = "x", optional = 0 : i64, shape = "B T H K"},
    {access = 1 : i64, name = "y", optional = 0 : i64, shape = "B T H K"}] {
  chunk.sweep() : () -> () {
    %x = chunk.read 0 : <token, channel>
    %y = chunk.pointwise(%x) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
    ^bb0(%n: f32):
      %m = arith.addf %n, %n : f32
      chunk.yield %m : f32
    }
    chunk.write %y to 1 : <token, channel>
  }
}
