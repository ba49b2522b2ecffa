// One λ per token and head: a kernel of its own, of two threads a channel, whose scores are weighed in fp32.
// RUN: decayc tnl --target=cuda --emit=blocks | FileCheck %s
// RUN: decayc lightnet --granularity=scalar --target=cuda --emit=blocks | FileCheck %s --check-prefix=SCAN

// CHECK: llvm.func @decay_forward_64_64(
// CHECK-SAME: decay.threads = 128 : i64
// CHECK-SAME: nvvm.minctasm = 4 : i32
// The chunk's rows are done with when the next ones are asked for.
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.stmatrix
// CHECK: nvvm.barrier0
// CHECK: nvvm.mma.sync
// A group's scores with itself and earlier groups.
// CHECK: scf.for
// CHECK: nvvm.mma.sync
// CHECK: scf.yield
// CHECK: nvvm.barrier0
// CHECK: nvvm.cp.async.shared.global
// CHECK-LABEL: llvm.func @decay_forward_128_128(
// CHECK-SAME: decay.threads = 256 : i64
// CHECK-LABEL: llvm.func @decay_backward_128_128(
// CHECK-SAME: decay.threads = 256 : i64

// A scan along the tokens is work in columns.
// SCAN: llvm.func @decay_forward_64_64(
// SCAN-SAME: decay.threads = 256 : i64
