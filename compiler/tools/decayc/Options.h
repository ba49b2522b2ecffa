//===- Options.h - What decayc's command line says -------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TOOLS_DECAYC_OPTIONS_H
#define DECAY_COMPILER_TOOLS_DECAYC_OPTIONS_H

#include "compiler/driver/Compile.h"

#include <optional>

namespace decay {

struct Options {
  std::vector<std::string> designs;
  CompileRequest request; ///< all but the design
  std::string emit = "package";
  std::string
      output; ///< a directory for packages, else a file; empty: here, or stdout
  std::string snapshots;
  bool list = false, json = false, verifyDiagnostics = false;
};

/// Nothing: the program ends now with `exitCode`; help or the complaint are
/// printed.
std::optional<Options> parseOptions(int argumentCount, char **arguments,
                                    int &exitCode);

} // namespace decay

#endif // DECAY_COMPILER_TOOLS_DECAYC_OPTIONS_H
