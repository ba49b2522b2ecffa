//===- PackageWriter.h - The files of a package ----------------*- C++ -*-===//
#ifndef DECAY_COMPILER_PACKAGE_PACKAGEWRITER_H
#define DECAY_COMPILER_PACKAGE_PACKAGEWRITER_H

#include "compiler/package/PackageDescription.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace decay {

/// Where the files of a package lie: `<directory>/<name>.so`, `.h`, `.json`,
/// and the target's texts at `<directory>/<name>` with an extension.
struct PackagePaths {
  PackagePaths(llvm::StringRef directory, llvm::StringRef name);
  std::string stem, library, header, manifest;
};

/// SHA-256 over all parts, with their lengths: 64 hex digits.
std::string packageHash(llvm::ArrayRef<llvm::StringRef> parts);

/// The hash in the manifest there, or empty when one of the three files is
/// missing or the manifest cannot be read.
std::string existingHash(const PackagePaths &paths);

/// Writes all of them, each under a temporary name first, the manifest last: a
/// package with a manifest is whole. Makes the directory. Fails as the world
/// fails.
llvm::Error writePackage(const PackageDescription &package,
                         const PackageCode &code, const PackagePaths &paths);

/// Makes a directory and those above it, if it is not there.
llvm::Error makeDirectory(llvm::StringRef path);

/// Writes one file whole or not at all.
llvm::Error writeFileAtomically(llvm::StringRef path, llvm::StringRef bytes);

/// The C header of a package: its operands, entry by entry.
std::string packageHeader(const PackageDescription &package);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_PACKAGEWRITER_H
