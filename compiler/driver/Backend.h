//===- Backend.h - From a checked design to a level or a package -*- C++
//-*-===//
#ifndef DECAY_COMPILER_DRIVER_BACKEND_H
#define DECAY_COMPILER_DRIVER_BACKEND_H

#include "compiler/driver/Frontend.h"

namespace decay {

/// The text or bytes of a level of emitLevels() other than ast and package.
/// `snapshots`: a directory for the module after each phase, or empty.
llvm::Expected<std::string> emitLevel(const Frontend &frontend,
                                      llvm::StringRef level,
                                      llvm::StringRef snapshots);

/// Compiles and writes the package's files. What the target has to remark, a
/// line each.
llvm::Expected<std::string> makePackage(const Frontend &frontend,
                                        llvm::StringRef directory,
                                        llvm::StringRef snapshots);

} // namespace decay

#endif // DECAY_COMPILER_DRIVER_BACKEND_H
