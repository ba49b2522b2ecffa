//===- main.cpp - decayc: designs into packages
//----------------------------===//
#include "compiler/driver/Emit.h"
#include "compiler/tools/decayc/Limits.h"
#include "compiler/tools/decayc/Options.h"

#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace decay {
namespace {

int writeOutput(const std::string &path, const std::string &bytes) {
  if (path.empty() || path == "-") {
    bool written =
        fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
    if (written && fflush(stdout) == 0)
      return 0;
    fmt::print(stderr, "error: cannot write to stdout\n");
    return 3;
  }
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (file)
    return 0;
  fmt::print(stderr, "error: cannot write '{}'\n", path);
  return 3;
}

int emit(const Options &options) {
  CompileRequest request = options.request;
  request.design = options.designs.front();
  EmitOutcome outcome = emitDesign(request, options.emit, options.snapshots);
  fmt::print(stderr, "{}", outcome.diagnostics);
  return outcome.exitCode ? outcome.exitCode
                          : writeOutput(options.output, outcome.output);
}

int verify(const Options &options) {
  int exitCode = 0;
  for (const std::string &design : options.designs) {
    CompileRequest request = options.request;
    request.design = design;
    EmitOutcome outcome = verifyDiagnostics(request);
    fmt::print(stderr, "{}", outcome.diagnostics);
    exitCode = std::max(exitCode, outcome.exitCode);
  }
  return exitCode;
}

int compile(const Options &options) {
  nlohmann::ordered_json made = nlohmann::ordered_json::array();
  int exitCode = 0;
  for (const std::string &design : options.designs) {
    CompileRequest request = options.request;
    request.design = design;
    request.outputDirectory = options.output.empty() ? "." : options.output;
    restartClock();
    CompileOutcome outcome = compileWithSnapshots(request, options.snapshots);
    fmt::print(stderr, "{}", outcome.diagnostics);
    exitCode = std::max(exitCode, outcome.exitCode);
    if (outcome.exitCode)
      continue;
    made.push_back({{"design", design},
                    {"package", outcome.packagePath},
                    {"header", outcome.headerPath},
                    {"manifest", outcome.manifestPath},
                    {"hash", outcome.hash},
                    {"reused", outcome.reused}});
    if (!options.json)
      fmt::print("{}{}\n", outcome.packagePath,
                 outcome.reused ? " (up to date)" : "");
  }
  if (options.json)
    fmt::print("{}\n", made.dump(2));
  return exitCode;
}

int run(int argumentCount, char **arguments) {
  int exitCode = 0;
  std::optional<Options> options =
      parseOptions(argumentCount, arguments, exitCode);
  if (!options)
    return exitCode;
  limitResources();
  if (options->list)
    return writeOutput("", options->json ? describeLibraryAsJson()
                                         : describeLibrary());
  if (options->verifyDiagnostics)
    return verify(*options);
  return options->emit == "package" ? compile(*options) : emit(*options);
}

} // namespace
} // namespace decay

int main(int argumentCount, char **arguments) {
  return decay::run(argumentCount, arguments);
}
