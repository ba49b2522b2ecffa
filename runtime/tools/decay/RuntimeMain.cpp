//===- RuntimeMain.cpp - decay without the compiler -----------------------===//
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"

#include <fmt/format.h>

using namespace decay::runtime;

Result<std::string>
decay::runtime::compileDesign(const DesignRequest &request,
                              const std::filesystem::path &) {
  return Status::user(fmt::format(
      "this program cannot compile the design '{}': make its package with "
      "decayc and give the package's file, --design=FILE.so",
      request.design));
}

int main(int argc, char **argv) {
  CLI::App app("What `decay` does with compiled packages, on a machine without "
               "the compiler.",
               "decay-runtime");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  Action action;
  addPrepareCommand(app, action);
  addTrainCommand(app, action);
  addEvalCommand(app, action);
  addGenerateCommand(app, action);
  addInspectCommand(app, action);
  addBenchCommand(app, action);
  return runProgram(app, action, argc, argv);
}
