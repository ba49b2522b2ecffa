// Kernels become machine code through ptxas, wherever that is, and the report says what they take.
// REQUIRES: ptxas
// RUN: decay-translate --target=cuda --from=nvvm --emit=cubin %S/emit.mlir > %t.cubins
// RUN: head -n 1 %t.cubins | FileCheck %s --check-prefix=FIRST
// RUN: decay-translate --target=cuda --from=nvvm --emit=cubin %S/emit.mlir | cmp - %t.cubins
// RUN: decay-translate --target=cuda --from=nvvm --emit=report %S/emit.mlir | FileCheck %s --check-prefix=REPORT
// RUN: env DECAY_PTXAS= not decay-translate --target=cuda --from=nvvm --emit=cubin %S/emit.mlir 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: env DECAY_PTXAS=%t.nowhere not decay-translate --target=cuda --from=nvvm --emit=cubin %S/emit.mlir 2>&1 \
// RUN:   | FileCheck %s --check-prefix=WRONG

// FIRST: cubin forward_64 {{[0-9]+}}

// REPORT: kernel registers threads shared spills stack blocks/SM
// REPORT-NEXT: forward_64 {{[0-9]+}} 64 256 0 0 32
// REPORT-NEXT: step {{[0-9]+}} 1 0 0 0 32

// NONE: error: this level needs ptxas, which is not here: set DECAY_PTXAS
// WRONG: error: DECAY_PTXAS is '{{.*}}nowhere', expected the program ptxas or a folder that has it
