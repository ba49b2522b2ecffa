//===- Emit.h - Any level between a design and its package -----*- C++ -*-===//
//
// What decayc has and compileDesign has not: looking at the levels on the way.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_DRIVER_EMIT_H
#define DECAY_COMPILER_DRIVER_EMIT_H

#include "compiler/driver/Compile.h"

namespace decay {

struct EmitLevel {
  std::string name;
  std::string meaning; ///< one line
  bool binary = false;
};

/// ast, decay, ..., package: in order, for the request's target. Empty: there
/// is no such target.
std::vector<EmitLevel> emitLevels(const std::string &target);

/// The names of all targets; the first is the default.
std::vector<std::string> targetNames();

/// "0.1.0"
std::string versionText();

struct EmitOutcome {
  int exitCode = 0; ///< as in CompileOutcome
  std::string diagnostics;
  std::string output;
};

/// The text or bytes of a level other than package, which compileDesign makes.
/// `snapshots`: a directory for the module after each phase, or empty. Never
/// throws, never exits, never prints.
EmitOutcome emitDesign(const CompileRequest &request, const std::string &level,
                       const std::string &snapshots);

/// compileDesign with snapshots.
CompileOutcome compileWithSnapshots(const CompileRequest &request,
                                    const std::string &snapshots);

/// Checks every message about the design against the comments in its file,
///
///     # expected-error@-1:15 {{message; expected: ...; fix: ...}}
///
/// (also expected-warning; the line counts from the comment's). Exit code 1 and
/// a list of what differs, if anything does.
EmitOutcome verifyDiagnostics(const CompileRequest &request);

/// describeLibrary for programs: an array of designs with their settings, in
/// JSON.
std::string describeLibraryAsJson();

} // namespace decay

#endif // DECAY_COMPILER_DRIVER_EMIT_H
