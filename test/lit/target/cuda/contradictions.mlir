// What a kernel's attributes must say, and what happens when they do not.
// RUN: split-file %s %t
// RUN: not decay-translate --target=cuda --from=nvvm --emit=ptx %t/grid.mlir 2>&1 | FileCheck %t/grid.mlir
// RUN: not decay-translate --target=cuda --from=nvvm --emit=ptx %t/entry.mlir 2>&1 | FileCheck %t/entry.mlir
// RUN: not decay-translate --target=cuda --from=nvvm --emit=ptx %t/parameter.mlir 2>&1 | FileCheck %t/parameter.mlir
// RUN: not decay-translate --target=cuda --from=nvvm --emit=ptx %t/schedule.mlir 2>&1 | FileCheck %t/schedule.mlir
// RUN: not decay-translate --target=cuda --from=nvvm --emit=ptx %t/none.mlir 2>&1 | FileCheck %t/none.mlir

//--- grid.mlir
// CHECK: error: kernel 'k': 'Q H' is no size: expected a product of numbers and of BTHKVNLSGJ with blanks between
!launch = !llvm.struct<(array<0 x struct<(ptr, i64)>>, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, ptr, ptr, i64, i64)>
gpu.module @decay_kernels {
  llvm.func @k(%launch: !llvm.ptr {llvm.align = 16 : i64, llvm.byval = !launch, nvvm.grid_constant})
      attributes {nvvm.kernel, decay.entry = "step", decay.stage = 0 : i64, decay.threads = 1 : i64,
                  decay.shared_bytes = 0 : i64, decay.grid = ["Q H", "1", "1"]} {
    llvm.return
  }
}

//--- schedule.mlir
// CHECK: error: kernel 'k': no six numbers in 'decay.schedule'
!launch = !llvm.struct<(array<0 x struct<(ptr, i64)>>, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, ptr, ptr, i64, i64)>
gpu.module @decay_kernels {
  llvm.func @k(%launch: !llvm.ptr {llvm.align = 16 : i64, llvm.byval = !launch, nvvm.grid_constant})
      attributes {nvvm.kernel, decay.entry = "step", decay.stage = 0 : i64, decay.threads = 1 : i64,
                  decay.shared_bytes = 0 : i64, decay.grid = ["H", "1", "1"], decay.schedule = array<i64: 1, 2>} {
    llvm.return
  }
}

//--- entry.mlir
// CHECK: error: kernel 'k': no 'decay.entry'
gpu.module @decay_kernels {
  llvm.func @k() attributes {nvvm.kernel} {
    llvm.return
  }
}

//--- parameter.mlir
// CHECK: error: kernel 'k': its parameter is not the launch struct
gpu.module @decay_kernels {
  llvm.func @k(%launch: !llvm.ptr)
      attributes {nvvm.kernel, decay.entry = "step", decay.stage = 0 : i64, decay.threads = 1 : i64,
                  decay.shared_bytes = 0 : i64, decay.grid = ["2 H ceil(T,64)", "N", "1"]} {
    llvm.return
  }
}

//--- none.mlir
// CHECK: error: the lowered module has no kernels
gpu.module @decay_kernels {
}
