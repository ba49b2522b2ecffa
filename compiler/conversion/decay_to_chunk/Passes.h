//===- Passes.h - From decay to chunk --------------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_PASSES_H
#define DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_PASSES_H

#include "compiler/dialect/chunk/ChunkDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace decay {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/conversion/decay_to_chunk/Passes.h.inc"

} // namespace decay

#endif // DECAY_COMPILER_CONVERSION_DECAYTOCHUNK_PASSES_H
