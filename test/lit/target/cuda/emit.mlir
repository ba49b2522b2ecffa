// Kernels as the lowering leaves them become PTX and machine code, each by itself.
// RUN: decay-translate --target=cuda --from=nvvm --emit=nvvm %s | FileCheck %s --check-prefix=NVVM
// RUN: decay-translate --target=cuda --from=nvvm --emit=ptx %s | FileCheck %s --check-prefix=PTX

// NVVM-NOT: scf.
// NVVM-NOT: arith.
// NVVM-LABEL: llvm.func @forward_64
// NVVM-SAME: decay.entry = "forward"
// NVVM-LABEL: llvm.func @step

// PTX-LABEL: // kernel forward_64
// PTX: .version 8.0
// PTX: .target sm_90a
// PTX: .extern .shared .align 1024 .b8 dyn[];
// PTX: .visible .entry forward_64(
// PTX: .param .align 16 .b8 forward_64_param_0[144]
// PTX: .reqntid 64
// PTX: .minnctapersm 2
// PTX-NOT: .local
// PTX-LABEL: // kernel step
// PTX-NOT: dyn
// PTX: .visible .entry step(

!launch = !llvm.struct<(array<2 x struct<(ptr, i64)>>, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, ptr, ptr, i64, i64)>

module {
  gpu.module @decay_kernels attributes {
      decay.workspace = {
        forward = [{name = "fault", shape = "64", bytes_per_element = 1 : i64},
                   {name = "states", shape = "S H K V", bytes_per_element = 2 : i64}],
        step = [{name = "fault", shape = "64", bytes_per_element = 1 : i64}]}} {
    llvm.mlir.global external @dyn() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>

    // o = 2 q, a block for each token.
    llvm.func @forward_64(%launch: !llvm.ptr {llvm.align = 16 : i64, llvm.byval = !launch, nvvm.grid_constant})
        attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64>, nvvm.minctasm = 2 : i32,
                    decay.entry = "forward", decay.head_dims = array<i64: 64, 64>, decay.stage = 1 : i64,
                    decay.schedule = array<i64: 2, 1000, 1100, 10, 1, 0>,
                    decay.threads = 64 : i64, decay.shared_bytes = 256 : i64, decay.grid = ["B T", "H", "1"]} {
      %thread = nvvm.read.ptx.sreg.tid.x : i32
      %row = nvvm.read.ptx.sreg.ctaid.x : i32
      %head = nvvm.read.ptx.sreg.ctaid.y : i32
      %from_field = llvm.getelementptr %launch[0, 0, 0, 0] : (!llvm.ptr) -> !llvm.ptr, !launch
      %to_field = llvm.getelementptr %launch[0, 0, 1, 0] : (!llvm.ptr) -> !llvm.ptr, !launch
      %from_stride_field = llvm.getelementptr %launch[0, 0, 0, 1] : (!llvm.ptr) -> !llvm.ptr, !launch
      %to_stride_field = llvm.getelementptr %launch[0, 0, 1, 1] : (!llvm.ptr) -> !llvm.ptr, !launch
      %from = llvm.load %from_field : !llvm.ptr -> !llvm.ptr
      %to = llvm.load %to_field : !llvm.ptr -> !llvm.ptr
      %from_stride = llvm.load %from_stride_field : !llvm.ptr -> i64
      %to_stride = llvm.load %to_stride_field : !llvm.ptr -> i64
      %row64 = arith.extui %row : i32 to i64
      %head64 = arith.extui %head : i32 to i64
      %thread64 = arith.extui %thread : i32 to i64
      %c64 = arith.constant 64 : i64
      %in_head = arith.muli %head64, %c64 : i64
      %in_row = arith.addi %in_head, %thread64 : i64
      %from_row = arith.muli %row64, %from_stride : i64
      %to_row = arith.muli %row64, %to_stride : i64
      %from_at = arith.addi %from_row, %in_row : i64
      %to_at = arith.addi %to_row, %in_row : i64
      %from_place = llvm.getelementptr %from[%from_at] : (!llvm.ptr, i64) -> !llvm.ptr, bf16
      %x = llvm.load %from_place : !llvm.ptr -> bf16
      %x32 = arith.extf %x : bf16 to f32
      // By way of shared memory, and in a loop, to have both.
      %dyn = llvm.mlir.addressof @dyn : !llvm.ptr<3>
      %mine = llvm.getelementptr %dyn[%thread] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      llvm.store %x32, %mine : f32, !llvm.ptr<3>
      nvvm.barrier0
      %zero = arith.constant 0.0 : f32
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %sum = scf.for %i = %c0 to %c2 step %c1 iter_args(%so_far = %zero) -> f32 {
        %again = llvm.load volatile %mine : !llvm.ptr<3> -> f32
        %next = arith.addf %so_far, %again : f32
        scf.yield %next : f32
      }
      %y = arith.truncf %sum : f32 to bf16
      %to_place = llvm.getelementptr %to[%to_at] : (!llvm.ptr, i64) -> !llvm.ptr, bf16
      llvm.store %y, %to_place : bf16, !llvm.ptr
      llvm.return
    }

    // Reports λ = 2 at sequence 1, token 2, head 3, channel 4.
    llvm.func @step(%launch: !llvm.ptr {llvm.align = 16 : i64, llvm.byval = !launch, nvvm.grid_constant})
        attributes {nvvm.kernel, nvvm.reqntid = array<i32: 1>,
                    decay.entry = "step", decay.stage = 0 : i64,
                    decay.threads = 1 : i64, decay.shared_bytes = 0 : i64, decay.grid = ["1", "1", "1"]} {
      %workspace_field = llvm.getelementptr %launch[0, 12] : (!llvm.ptr) -> !llvm.ptr, !launch
      %workspace = llvm.load %workspace_field : !llvm.ptr -> !llvm.ptr
      %code = arith.constant 1 : i32
      %sequence = arith.constant 1 : i64
      %token = arith.constant 2 : i64
      %head = arith.constant 3 : i64
      %channel = arith.constant 4 : i64
      %value = arith.constant 2.0 : f64
      %code_at = llvm.getelementptr %workspace[4] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %code, %code_at : i32, !llvm.ptr
      %sequence_at = llvm.getelementptr %workspace[8] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %sequence, %sequence_at : i64, !llvm.ptr
      %token_at = llvm.getelementptr %workspace[16] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %token, %token_at : i64, !llvm.ptr
      %head_at = llvm.getelementptr %workspace[24] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %head, %head_at : i64, !llvm.ptr
      %channel_at = llvm.getelementptr %workspace[32] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %channel, %channel_at : i64, !llvm.ptr
      %value_at = llvm.getelementptr %workspace[40] : (!llvm.ptr) -> !llvm.ptr, i8
      llvm.store %value, %value_at : f64, !llvm.ptr
      llvm.return
    }

    // What goes before, where sequences are cut.
    llvm.func @forward_64_before(%launch: !llvm.ptr {llvm.align = 16 : i64, llvm.byval = !launch, nvvm.grid_constant})
        attributes {nvvm.kernel, nvvm.reqntid = array<i32: 1>,
                    decay.entry = "forward", decay.head_dims = array<i64: 64, 64>, decay.stage = 0 : i64,
                    decay.threads = 1 : i64, decay.shared_bytes = 0 : i64, decay.grid = ["H", "N", "J"]} {
      llvm.return
    }
  }
}
