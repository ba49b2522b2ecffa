//===- Compile.cpp - The one door to the compiler -------------------------===//

#include "compiler/driver/Compile.h"

#include "runtime/tools/decay/Session.h"

#include <cstdio>
#include <fmt/format.h>

namespace decay::runtime {

Result<std::string> compileDesign(const DesignRequest &request,
                                  const std::filesystem::path &folder) {
  CompileRequest compile;
  compile.design = request.design;
  compile.settings = request.settings;
  compile.target = request.target;
  compile.precision = request.precision;
  compile.outputDirectory = folder.string();
  CompileOutcome outcome = decay::compileDesign(compile);
  if (outcome.exitCode != 0)
    return outcome.exitCode == 1 ? Status::user(outcome.diagnostics)
                                 : Status::world(outcome.diagnostics);
  if (!outcome.diagnostics.empty())
    fmt::print(stderr, "{}", outcome.diagnostics);
  return outcome.packagePath;
}

} // namespace decay::runtime
