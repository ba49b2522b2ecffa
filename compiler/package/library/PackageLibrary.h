//===- PackageLibrary.h - The parts of a package's library -----*- C++ -*-===//
//
// What targets share when they make the shared library of a package: tables of
// runtime/abi/DecayPackage.h as constants, the link. Tables are LLVM constants
// whose fields stand one by one, so a target checks the sizes of its structs.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_PACKAGE_LIBRARY_PACKAGELIBRARY_H
#define DECAY_COMPILER_PACKAGE_LIBRARY_PACKAGELIBRARY_H

#include "compiler/package/PackageDescription.h"
#include "runtime/abi/DecayPackage.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace llvm {
class Constant;
class Function;
class GlobalVariable;
class Module;
class Twine;
} // namespace llvm

namespace decay {

class PackageTables {
public:
  explicit PackageTables(llvm::Module &module) : module(module) {}

  llvm::Constant *int32(int64_t value);
  llvm::Constant *int64(int64_t value);
  llvm::Constant *nullPointer();
  llvm::Constant *structure(llvm::ArrayRef<llvm::Constant *> fields);
  /// Text that ends in a zero; equal texts are one.
  llvm::Constant *text(llvm::StringRef value);
  llvm::GlobalVariable *global(const llvm::Twine &name, llvm::Constant *value);
  /// A global array of structs of one type; null when it has none.
  llvm::Constant *array(const llvm::Twine &name,
                        llvm::ArrayRef<llvm::Constant *> rows);

  /// DecayOperandInfo of each operand.
  llvm::Constant *operandTable(
      const EntryDescription &entry,
      llvm::function_ref<DecayType(const OperandDescription &)> typeOf);
  /// DecayPackage with these entries, each of them a DecayEntry.
  llvm::Constant *packageTable(const PackageDescription &package,
                               llvm::StringRef variant, DecayMemory memory,
                               llvm::ArrayRef<llvm::Constant *> entries);
  /// A function that calls the one named with `first` as its first argument and
  /// its own arguments behind it.
  llvm::Function *trampoline(llvm::StringRef callee, llvm::Constant *first,
                             const llvm::Twine &name);
  /// Gives a variable that the module only declares its value.
  void define(llvm::StringRef name, llvm::Constant *value);

private:
  llvm::Module &module;
  llvm::StringMap<llvm::GlobalVariable *> texts;
};

/// Links object files into a stripped shared library, without functions that
/// nothing calls, and returns its bytes.
/// The linker's own output lies for a moment in `directory`. The linker's state
/// is global, and it puts LLVM's switches back: one at a time.
llvm::Expected<std::string>
linkSharedLibrary(llvm::ArrayRef<llvm::StringRef> objects,
                  llvm::StringRef directory);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_LIBRARY_PACKAGELIBRARY_H
