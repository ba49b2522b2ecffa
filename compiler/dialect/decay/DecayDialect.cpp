//===- DecayDialect.cpp - Registration -----------------------------------===//
#include "compiler/dialect/decay/DecayDialect.h"

#include "compiler/dialect/decay/DecayDialect.cpp.inc"

namespace decay::ir {

void DecayDialect::initialize() {
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/decay/DecayOps.cpp.inc"
      >();
}

} // namespace decay::ir
