//===- ChunkDialect.h - HOW a design runs, for any target ------*- C++ -*-===//
#ifndef DECAY_COMPILER_DIALECT_CHUNK_CHUNKDIALECT_H
#define DECAY_COMPILER_DIALECT_CHUNK_CHUNKDIALECT_H

#include "compiler/dialect/decay/DecayDialect.h"

#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"

#include "compiler/dialect/chunk/ChunkDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialect/chunk/ChunkTypes.h.inc"
#define GET_OP_CLASSES
#include "compiler/dialect/chunk/ChunkOps.h.inc"

#endif // DECAY_COMPILER_DIALECT_CHUNK_CHUNKDIALECT_H
