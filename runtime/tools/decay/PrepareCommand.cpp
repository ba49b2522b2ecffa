//===- PrepareCommand.cpp - decay prepare ----------------------*- C++ -*-===//
#include "runtime/core/Json.h"
#include "runtime/data/Dataset.h"
#include "runtime/tools/decay/Commands.h"

#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <memory>

namespace decay::runtime {
namespace {

struct PrepareOptions {
  std::vector<std::string> texts;
  std::string output;
  DatasetOptions dataset;
  bool json = false;
};

Status prepare(const PrepareOptions &options) {
  std::vector<std::filesystem::path> inputs(options.texts.begin(),
                                            options.texts.end());
  DECAY_ASSIGN_OR_RETURN(SplitFiles files,
                         chooseSplits(inputs, options.dataset));
  auto say = [](std::string_view line) { fmt::print(stderr, "{}\n", line); };
  DECAY_RETURN_IF_ERROR(
      prepareDataset(files, options.output, options.dataset, say));
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(options.output));
  Json splits;
  std::string table;
  for (Split split : allSplits) {
    const SplitSummary &part = dataset.summary.of(split);
    splits[std::string(splitName(split))] = {{"files", part.files.size()},
                                             {"bytes", part.bytes},
                                             {"tokens", part.tokens}};
    table += fmt::format("{:<12}{:>6} files {:>12} bytes {:>12} tokens\n",
                         splitName(split), part.files.size(), part.bytes,
                         part.tokens);
  }
  int64_t vocabulary = dataset.tokenizer.vocabularySize();
  if (options.json)
    fmt::print("{}",
               writeJson({{"vocabulary", vocabulary}, {"splits", splits}}));
  else
    fmt::print("{}: a vocabulary of {} tokens\n{}", options.output, vocabulary,
               table);
  return {};
}

} // namespace

void addPrepareCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<PrepareOptions>();
  CLI::App *command =
      app.add_subcommand("prepare", "Make a dataset of text files");
  command->add_option("text", options->texts, "Text files, or folders of them")
      ->required();
  command->add_option("-o,--output", options->output, "Folder of the dataset")
      ->required();
  command->add_option("--vocabulary", options->dataset.vocabularySize,
                      "Tokens, from 257 to 65536");
  command->add_option("--validation", options->dataset.validationShare,
                      "Share of the bytes held out to watch the training");
  command->add_option("--test", options->dataset.testShare,
                      "Share of the bytes held out for `decay eval`");
  command->add_option("--seed", options->dataset.seed,
                      "Decides which files are held out");
  command->add_flag("--json", options->json, "Print the sizes as JSON");
  command->footer(
      "A folder with folders train, validation and test is split already; of "
      "others,\nwhole files are held out.\n"
      "  decay prepare books/ -o data --vocabulary=4096");
  command->callback(
      [options, &action] { action = [options] { return prepare(*options); }; });
}

} // namespace decay::runtime
