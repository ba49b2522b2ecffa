//===- Commands.h - The commands of `decay` --------------------*- C++ -*-===//
//
// Each file adds one command to the application. A command's function returns a
// Status; runProgram turns it into a message and an exit code (0, 1 user, 3
// world).
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_TOOLS_DECAY_COMMANDS_H
#define DECAY_RUNTIME_TOOLS_DECAY_COMMANDS_H

#include "runtime/core/Status.h"

#include <CLI/CLI.hpp>
#include <functional>

namespace decay::runtime {

/// What the chosen command does, set while arguments are parsed.
using Action = std::function<Status()>;

/// Reads the command line and does what the chosen command says: the exit code.
/// Messages begin with the application's name.
int runProgram(CLI::App &app, const Action &action, int count,
               char **arguments);

void addPrepareCommand(CLI::App &app, Action &action);
void addTrainCommand(CLI::App &app, Action &action);
void addEvalCommand(CLI::App &app, Action &action);
void addGenerateCommand(CLI::App &app, Action &action);
void addInspectCommand(CLI::App &app, Action &action);
void addCompareCommand(CLI::App &app, Action &action);
void addBenchCommand(CLI::App &app, Action &action);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOOLS_DECAY_COMMANDS_H
