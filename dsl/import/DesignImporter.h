//===- DesignImporter.h - From a checked design to decay IR ----*- C++ -*-===//
//
// The module that comes out, in this order everywhere:
//
//   @forward(projections, parameters, initial_state, initial_<carry>...)
//       -> (o, final_state, final_<carry>...)
//   @init_parameters() -> (one result per parameter)
//
// Every argument carries `decay.name` and `decay.role` = projection | parameter
// | initial; every result carries `decay.name`. Axes:
//
//   projection   token x head x channel (v: value for channel), or token x head
//   parameter    any of layer, head, channel
//   state        sequence x head (x pair) x channel x value
//   carry        sequence x head (x channel)
//
// The module carries `decay.design`, `decay.granularity`, `decay.sharing`,
// `decay.position` and `decay.compat` (strings).
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_IMPORT_DESIGNIMPORTER_H
#define DECAY_DSL_IMPORT_DESIGNIMPORTER_H

#include "dsl/check/CheckedDesign.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace decay::dsl {

/// Cannot fail: what a user can get wrong, the checker has refused. Loads the
/// dialects that it needs into `context`.
mlir::OwningOpRef<mlir::ModuleOp> importDesign(mlir::MLIRContext &context,
                                               const CheckedDesign &design);

} // namespace decay::dsl

#endif // DECAY_DSL_IMPORT_DESIGNIMPORTER_H
