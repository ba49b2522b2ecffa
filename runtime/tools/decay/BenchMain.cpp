//===- BenchMain.cpp - decay bench without a compiler ---------------------===//
#include "runtime/bench/BenchCommand.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>

using namespace decay::runtime;

int main(int argc, char **argv) {
  CLI::App app("What `decay bench` times of packages, on a machine without the "
               "compiler.",
               "decay-bench");
  BenchCommand command;
  command.attach(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(StatusCode::User);
  }
  auto compile = [](const std::string &design, const BenchCommand::Settings &,
                    const std::string &) -> Result<std::string> {
    return Status::user(fmt::format(
        "this program cannot compile the design '{}': make its package with "
        "decayc and give --package FILE or --packages FOLDER",
        design));
  };
  Result<std::string> report = command.run(compile);
  if (report.ok())
    fmt::print("{}", *report);
  else
    fmt::print(stderr, "decay-bench: {}\n", report.status().message());
  return static_cast<int>(report.status().code());
}
