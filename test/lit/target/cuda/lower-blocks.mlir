// A chunk.kernel becomes one launch for each pair of head dims; a block does one head of one sequence.
// RUN: decayc simple_decay --target=cuda --emit=blocks > %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: FileCheck %s --check-prefix=FORWARD < %t.mlir
// RUN: decayc tnl --target=cuda --emit=blocks | FileCheck %s --check-prefix=PLAIN
// RUN: decayc lightnet --target=cuda --emit=blocks | FileCheck %s --check-prefix=CARRIED

// CHECK-LABEL: gpu.module @decay_kernels
// CHECK-SAME: backward = [{bytes_per_element = 64 : i64, name = "fault", shape = "1"}, {{.*}}name = "saved0", shape = "H S"}, {{.*}}name = "d_delta", shape = "H K N G"}, {{.*}}name = "local_states", shape = "H N J"}
// CHECK: llvm.func @decay_forward_64_64
// CHECK-SAME: decay.grid = ["H", "N", "G"]
// CHECK-SAME: decay.schedule = array<i64: 2, {{[0-9]+, [0-9]+, [0-9]+, [0-9]+, [0-9]+}}>
// CHECK: llvm.func @decay_forward_64_64_segments
// CHECK-SAME: decay.grid = ["H", "N", "J"]
// CHECK-NOT: decay.schedule
// CHECK-SAME: decay.stage = 1
// CHECK: llvm.func @decay_forward_128_128
// CHECK: llvm.func @decay_step_64_64
// CHECK: llvm.func @decay_backward_64_64(
// CHECK-SAME: decay.stage = 2
// CHECK: llvm.func @decay_backward_64_64_segments
// CHECK-SAME: decay.grid = ["H", "N", "2 J"]
// CHECK: llvm.func @decay_backward_64_64_sums
// CHECK-SAME: decay.stage = 4

// The sweep copies chunks while it multiplies; the state goes out once, behind it.
// FORWARD-LABEL: llvm.func @decay_forward_64_64
// FORWARD: scf.for
// FORWARD: nvvm.cp.async.wait.group 0
// FORWARD: nvvm.cp.async.shared.global
// FORWARD: nvvm.mma.sync
// FORWARD-NOT: llvm.store {{.*}} vector<2xf32>, !llvm.ptr<1>
// FORWARD: scf.yield
// FORWARD-LABEL: llvm.func @decay_forward_128_128

// A design without parameters has nothing to add up.
// PLAIN: llvm.func @decay_backward_64_64(
// PLAIN-NOT: _sums

// What scans come to in each segment is found first; what comes of them behind it is added last.
// CARRIED: llvm.func @decay_forward_64_64_scans
// CARRIED-SAME: decay.grid = ["H", "N", "J"]
// CARRIED-SAME: decay.stage = 0
// CARRIED: llvm.func @decay_backward_64_64_segments
// CARRIED-SAME: decay.stage = 1
// CARRIED: llvm.func @decay_backward_64_64_corrections
// CARRIED-SAME: decay.grid = ["H", "N", "8 J"]
// CARRIED-SAME: decay.stage = 3
