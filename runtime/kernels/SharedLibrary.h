//===- SharedLibrary.h - A file that the dynamic linker opens --*- C++ -*-===//
#ifndef DECAY_RUNTIME_KERNELS_SHAREDLIBRARY_H
#define DECAY_RUNTIME_KERNELS_SHAREDLIBRARY_H

#include "runtime/core/Status.h"

#include <memory>

namespace decay::runtime {

/// The dynamic linker's handle; the library closes with the last copy.
using SharedLibrary = std::shared_ptr<void>;

/// Opens a library, whole and with all that it needs. A world error when there
/// is no such file, when it is no shared library of this machine, or when its
/// end is missing: the dynamic linker would map what is not there and crash.
Result<SharedLibrary> openSharedLibrary(const std::string &path);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_SHAREDLIBRARY_H
