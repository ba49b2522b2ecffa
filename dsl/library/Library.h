//===- Library.h - The published designs, built in -------------*- C++ -*-===//
//
// Every `.decay` file of this folder, embedded when the library is built: a new
// file dropped in is picked up by the next build.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_LIBRARY_LIBRARY_H
#define DECAY_DSL_LIBRARY_LIBRARY_H

#include "dsl/syntax/Ast.h"
#include "dsl/syntax/Diagnostics.h"

#include "llvm/ADT/ArrayRef.h"

namespace decay::dsl {

/// A file of this folder.
struct EmbeddedFile {
  const char *fileName; ///< "library/mamba2.decay"
  const char *text;
};

/// Sorted by name.
llvm::ArrayRef<EmbeddedFile> embeddedFiles();

/// The parsed file with the design or variant, or null.
const FileAst *findLibraryFile(llvm::StringRef designName);

} // namespace decay::dsl

#endif // DECAY_DSL_LIBRARY_LIBRARY_H
