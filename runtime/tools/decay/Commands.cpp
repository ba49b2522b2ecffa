//===- Commands.cpp - From a command line to an exit code -----------------===//
#include "runtime/tools/decay/Commands.h"

#include <cstdio>
#include <fmt/format.h>

namespace decay::runtime {

int runProgram(CLI::App &app, const Action &action, int count,
               char **arguments) {
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError &error) {
    // 0 for --help; every other mistake on the command line is the user's.
    return app.exit(error) == 0 ? 0 : static_cast<int>(StatusCode::User);
  }
  Status status = action();
  if (!status.ok())
    fmt::print(stderr, "{}: {}\n", app.get_name(), status.message());
  return static_cast<int>(status.code());
}

} // namespace decay::runtime
