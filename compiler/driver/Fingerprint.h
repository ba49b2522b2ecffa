//===- Fingerprint.h - Which compiler this is ------------------*- C++ -*-===//
#ifndef DECAY_COMPILER_DRIVER_FINGERPRINT_H
#define DECAY_COMPILER_DRIVER_FINGERPRINT_H

namespace decay {

/// "0.1.0"
const char *compilerVersion();

/// Version and a hash of the compiler's own sources: packages made by another
/// compiler are not taken for this one's.
const char *compilerFingerprint();

} // namespace decay

#endif // DECAY_COMPILER_DRIVER_FINGERPRINT_H
