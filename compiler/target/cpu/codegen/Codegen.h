//===- Codegen.h - From item functions to a shared library -----*- C++ -*-===//
//
// Input: a module of item functions and size functions in scf, cf, arith, math,
// vector, func and llvm (the contract is in README.md of the CPU target). All
// steps are in this process, and give the same bytes for the same input. LLVM's
// switches and the linker's state are global: one package at a time.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CODEGEN_CODEGEN_H
#define DECAY_COMPILER_TARGET_CPU_CODEGEN_CODEGEN_H

#include "compiler/package/PackageDescription.h"
#include "compiler/target/cpu/Variants.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace llvm {
class Function;
class LLVMContext;
class Module;
} // namespace llvm
namespace mlir {
class DialectRegistry;
class ModuleOp;
class OpPassManager;
} // namespace mlir

namespace decay::cpu {

/// Everything down to the LLVM dialect.
void addLlvmDialectPasses(mlir::OpPassManager &passes);

/// What lowering and translation need to know of the dialects.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// The function uses all that LLVM's processor has, in vectors as wide as the
/// variant's.
void setProcessor(llvm::Function &function, const Variant &variant,
                  llvm::StringRef processor);

/// One optimised LLVM module: item functions with their processor's attributes,
/// glue and tables. Only the query symbol is external, and the cores, which it
/// calls and does not hold.
/// Fails for item functions that are missing or call what a package must not.
llvm::Expected<std::unique_ptr<llvm::Module>>
buildPackageModule(mlir::ModuleOp module, const PackageDescription &package,
                   llvm::LLVMContext &context);

/// The text of a module, its assembly or its ELF object file.
enum class MachineForm { Ir, Assembly, Object };
llvm::Expected<std::string> emitMachineForm(llvm::Module &module,
                                            MachineForm form);

/// Adds the tables of the package's entries and operands, and the trampolines
/// that bind a table entry to the glue. The glue must be in `module` already.
/// `only`: the one variant that there is code for; empty: all. `standIn`: whose
/// host flag it needs instead of its own, or null.
llvm::Error emitPackageTables(llvm::Module &module,
                              const PackageDescription &package,
                              llvm::StringRef only, const Variant *standIn);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CODEGEN_CODEGEN_H
