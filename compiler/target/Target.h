//===- Target.h - What the compiler asks of a machine ----------*- C++ -*-===//
//
// A target lives in one folder here, which is the only place that knows its
// name. The pipeline hands it a module in the chunk dialect; the target has its
// own phases down to its last MLIR level and emits the artefacts from there.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_TARGET_H
#define DECAY_COMPILER_TARGET_TARGET_H

#include "compiler/package/PackageDescription.h"
#include "dsl/check/CheckedDesign.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace mlir {
class DialectRegistry;
class ModuleOp;
class OpPassManager;
} // namespace mlir

namespace decay {

/// A named stretch of the pipeline, which `--emit=<name>` can stop after.
struct Phase {
  llvm::StringRef name;
  llvm::StringRef meaning; ///< for --help
  void (*addPasses)(mlir::OpPassManager &passes);
};

/// Something other than MLIR that a target can show of a lowered module.
struct TargetArtefact {
  llvm::StringRef name;    ///< for --emit
  llvm::StringRef meaning; ///< for --help
  bool binary = false;
};

/// On a module, an array of K, V, K, V, ...: the pairs of head dims that code
/// is wanted for. Absent: the target's usual ones.
inline constexpr const char *headDimsAttribute = "decay.head_dims";

/// On a module, the name of the precision that is wanted, one of
/// Target::precisions(). Absent: the first of them.
inline constexpr const char *precisionAttribute = "decay.precision";

class Target {
public:
  virtual ~Target() = default;

  virtual llvm::StringRef name() const = 0;
  virtual void registerDialects(mlir::DialectRegistry &registry) const = 0;
  virtual void registerPasses() const = 0;

  /// What a package's bytes depend on that is no part of Decay: the programs
  /// found on this machine. Part of the package's hash.
  virtual std::string tools() const { return ""; }

  /// Brings a design into a form that the target has better code for and that
  /// computes the same.
  virtual void adapt(dsl::CheckedDesign &design) const {}

  /// Sizes of K and V that the target has code for; empty: any.
  virtual llvm::ArrayRef<int64_t> headDims() const { return {}; }

  /// Types that tensors with tokens may have: "fp32", "bf16". The first is
  /// what a package has unless another is asked for.
  virtual llvm::ArrayRef<llvm::StringRef> precisions() const = 0;

  /// In the order in which they run.
  virtual llvm::ArrayRef<Phase> phases() const = 0;
  virtual llvm::ArrayRef<TargetArtefact> artefacts() const = 0;

  /// Marks a module of the decay dialect: of the code for several processors
  /// only that which this machine runs is wanted, or that of a variant, in
  /// instructions that this machine has.
  virtual void narrowToThisMachine(mlir::ModuleOp &module,
                                   llvm::StringRef variant) const {}

  /// The bytes of one of artefacts(), from a module that has gone through all
  /// phases.
  virtual llvm::Expected<std::string> emit(mlir::ModuleOp module,
                                           const PackageDescription &package,
                                           llvm::StringRef artefact) const = 0;

  /// The shared library of the package and what is kept beside it. The same
  /// bytes for the same module and package. Temporary files, if a target needs
  /// any, lie in `directory` and are gone afterwards.
  virtual llvm::Expected<PackageCode>
  emitLibrary(mlir::ModuleOp module, const PackageDescription &package,
              llvm::StringRef directory) const = 0;
};

/// All targets that this build has: one for each folder. The first is the
/// default.
llvm::ArrayRef<const Target *> targets();

/// Null: there is no target of that name.
const Target *findTarget(llvm::StringRef name);

} // namespace decay

#endif // DECAY_COMPILER_TARGET_TARGET_H
