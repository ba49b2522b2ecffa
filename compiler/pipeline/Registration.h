//===- Registration.h - All dialects and passes of this build --*- C++ -*-===//
#ifndef DECAY_COMPILER_PIPELINE_REGISTRATION_H
#define DECAY_COMPILER_PIPELINE_REGISTRATION_H

namespace mlir {
class DialectRegistry;
}

namespace decay {

/// Ours, and those which the targets need.
void registerDialects(mlir::DialectRegistry &registry);

/// For tools that choose passes by name. Once for each process.
void registerPasses();

} // namespace decay

#endif // DECAY_COMPILER_PIPELINE_REGISTRATION_H
