// One λ per token and head: a kernel of its own, of a warp for each band of the state, whose scores are weighed in fp32.
// RUN: decayc tnl --target=cuda --emit=blocks | FileCheck %s
// RUN: decayc lightnet --granularity=scalar --target=cuda --emit=blocks | FileCheck %s --check-prefix=SCAN

// CHECK: llvm.func @decay_forward_64_64(
// CHECK-SAME: decay.kept = false
// CHECK-SAME: decay.threads = 128 : i64
// CHECK-SAME: nvvm.minctasm = 4 : i32
// The next chunk is asked for as soon as this one is here.
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.barrier0
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.barrier0
// A group's scores with itself and earlier groups.
// CHECK: scf.for
// CHECK: nvvm.mma.sync
// CHECK-COUNT-2: nvvm.stmatrix
// The state is a right operand as it stands: no other matrix is stored.
// CHECK-NOT: nvvm.stmatrix
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.stmatrix
// Another one for callers who give what is kept for backward.
// CHECK-LABEL: llvm.func @decay_forward_64_64_kept(
// CHECK-SAME: decay.kept = true
// CHECK-LABEL: llvm.func @decay_forward_128_128(
// CHECK-SAME: decay.threads = 128 : i64
// CHECK-LABEL: llvm.func @decay_backward_128_128(
// CHECK-SAME: decay.threads = 256 : i64

// A scan along the tokens is work in columns.
// SCAN: llvm.func @decay_forward_64_64(
// SCAN-SAME: decay.threads = 256 : i64
