//===- Designs.h - Library designs under all their settings ----*- C++ -*-===//
#ifndef DECAY_TEST_NUMERIC_SUPPORT_DESIGNS_H
#define DECAY_TEST_NUMERIC_SUPPORT_DESIGNS_H

#include "dsl/check/Check.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace decay::test {

/// A design of the library, or of a file (.decay), under one choice of the
/// common settings.
struct LibraryCase {
  std::string design;
  dsl::SettingChoices settings;

  /// "mamba2 granularity=scalar sharing=off ..."
  std::string name() const;
};

/// Every design and variant under each combination of granularity, sharing,
/// position and compat that it allows.
std::vector<LibraryCase> libraryCases();

/// The design, or null with the diagnostics' text in `problem`.
std::optional<dsl::CheckedDesign> check(const LibraryCase &libraryCase,
                                        std::string &problem);

/// What the interpreter runs: @forward, @init_parameters and @backward, hazards
/// rewritten first, as the compiler does. Null if a pass fails.
mlir::OwningOpRef<mlir::ModuleOp>
prepareModule(mlir::MLIRContext &context, const dsl::CheckedDesign &design);

/// Makes @forward give λ as well, over tokens and heads at least, as a kernel
/// does.
void returnLambda(mlir::ModuleOp module);

} // namespace decay::test

#endif // DECAY_TEST_NUMERIC_SUPPORT_DESIGNS_H
