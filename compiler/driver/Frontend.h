//===- Frontend.h - From a request to a checked design ---------*- C++ -*-===//
#ifndef DECAY_COMPILER_DRIVER_FRONTEND_H
#define DECAY_COMPILER_DRIVER_FRONTEND_H

#include "compiler/driver/Compile.h"
#include "compiler/target/Target.h"
#include "dsl/check/CheckedDesign.h"
#include "dsl/syntax/Diagnostics.h"

namespace decay {

/// What the user got wrong, ready to print; every other llvm::Error is the
/// world's.
class UserError final : public llvm::ErrorInfo<UserError> {
public:
  static char ID;
  explicit UserError(std::string text) : text(std::move(text)) {}
  void log(llvm::raw_ostream &out) const override { out << text; }
  std::error_code convertToErrorCode() const override {
    return std::make_error_code(std::errc::invalid_argument);
  }

private:
  std::string text;
};

/// The exit code and the text of a failure: 1 for the user's, 3 for the
/// world's.
std::pair<int, std::string> describeFailure(llvm::Error error);

/// A source and the name of the design in it (empty: its first).
struct NamedSource {
  dsl::DesignSource source;
  std::string design;
};

/// Finds a library design, or reads a file: "path.decay" or "path.decay:name".
llvm::Expected<NamedSource> readSource(const std::string &design);

/// The target of that name; empty: the default one.
llvm::Expected<const Target *> chooseTarget(const std::string &name);

struct Frontend {
  NamedSource named;
  dsl::CheckedDesign design;
  const Target *target = nullptr;
  std::vector<std::pair<int64_t, int64_t>> headDims;
  std::string precision; ///< one of the target's
  bool forThisMachineOnly = false;
  std::string variant;
  std::string warnings; ///< for people, or empty
  std::string hash;
};

/// Reads, parses and checks. Writes nothing.
llvm::Expected<Frontend> runFrontend(const CompileRequest &request);

} // namespace decay

#endif // DECAY_COMPILER_DRIVER_FRONTEND_H
