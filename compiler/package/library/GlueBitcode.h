//===- GlueBitcode.h - Compiled C that packages carry ----------*- C++ -*-===//
#ifndef DECAY_COMPILER_PACKAGE_LIBRARY_GLUEBITCODE_H
#define DECAY_COMPILER_PACKAGE_LIBRARY_GLUEBITCODE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Module;
}

namespace decay {

/// LLVM bitcode of one C file.
struct GlueBitcode {
  llvm::StringRef name;
  llvm::StringRef bytes;
};

/// Links the files into a module, whose triple and data layout they take.
llvm::Error linkGlue(llvm::Module &module, llvm::ArrayRef<GlueBitcode> parts);

/// Packages bring all they need but `allowed` functions of any C library. Fails
/// with the name of another that the module calls.
llvm::Error checkSelfContained(const llvm::Module &module,
                               llvm::ArrayRef<llvm::StringRef> allowed);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_LIBRARY_GLUEBITCODE_H
