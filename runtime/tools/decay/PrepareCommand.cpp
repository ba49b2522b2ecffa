//===- PrepareCommand.cpp - decay prepare ----------------------*- C++ -*-===//
#include "runtime/core/Json.h"
#include "runtime/core/Progress.h"
#include "runtime/data/Dataset.h"
#include "runtime/tokenizer/Gpt2.h"
#include "runtime/tools/decay/Commands.h"

#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <unistd.h>

namespace decay::runtime {
namespace {

struct PrepareOptions {
  std::vector<std::string> texts;
  std::string output;
  std::string tokenizer = "train";
  std::optional<int64_t> vocabulary;
  DatasetOptions dataset;
  bool quiet = false, json = false;
};

/// The tokenizer that the words on the command line mean; none: train one.
Result<std::optional<Tokenizer>>
chooseTokenizer(const PrepareOptions &options) {
  const std::string &name = options.tokenizer;
  if (name == "train")
    return std::optional<Tokenizer>();
  if (options.vocabulary)
    return Status::user(fmt::format("--vocabulary is for a tokenizer that is "
                                    "trained; '{}' has its own",
                                    name));
  auto load = [&]() -> Result<Tokenizer> {
    std::filesystem::path path = name;
    if (name == "gpt2")
      return loadInstalledGpt2();
    if (std::filesystem::is_directory(path))
      return Tokenizer::load(path / "tokenizer.json");
    return path.extension() == ".json" ? Tokenizer::load(path) : loadGpt2(path);
  };
  DECAY_ASSIGN_OR_RETURN(Tokenizer tokenizer, load());
  return std::optional(std::move(tokenizer));
}

Status encodeTexts(const PrepareOptions &options) {
  std::vector<std::filesystem::path> inputs(options.texts.begin(),
                                            options.texts.end());
  DatasetOptions dataset = options.dataset;
  dataset.vocabularySize = options.vocabulary.value_or(dataset.vocabularySize);
  DECAY_ASSIGN_OR_RETURN(auto tokenizer, chooseTokenizer(options));
  DECAY_ASSIGN_OR_RETURN(SplitFiles files, chooseSplits(inputs, dataset));
  std::optional<Progress> progress;
  PrepareOutput output;
  if (!options.quiet) {
    output.say = [&](std::string_view line) {
      if (progress)
        progress->clear();
      fmt::print(stderr, "{}\n", line);
    };
    output.progress = [&](int64_t bytes, int64_t total) {
      if (!progress)
        progress.emplace(
            Progress::Options{.label = "encoding",
                              .unit = "B",
                              .total = total,
                              .terminal = isatty(STDERR_FILENO) == 1},
            [](std::string_view text) { fmt::print(stderr, "{}", text); });
      progress->update(bytes);
    };
  }
  return prepareDataset(files, options.output, dataset, std::move(tokenizer),
                        output);
}

Status prepare(const PrepareOptions &options) {
  DECAY_RETURN_IF_ERROR(encodeTexts(options));
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(options.output));
  Json splits;
  std::string table;
  for (Split split : allSplits) {
    const SplitSummary &part = dataset.summary.of(split);
    splits[std::string(splitName(split))] = {{"files", part.files.size()},
                                             {"documents", part.documents},
                                             {"bytes", part.bytes},
                                             {"tokens", part.tokens}};
    table +=
        fmt::format("{:<12}{:>8} documents {:>12} bytes {:>12} tokens\n",
                    splitName(split), part.documents, part.bytes, part.tokens);
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
  CLI::App *command = app.add_subcommand(
      "prepare", "Make a dataset of text files; also called `decay data`");
  command->alias("data");
  command
      ->add_option("text", options->texts,
                   "Text files, .jsonl files, or folders of them")
      ->required();
  command->add_option("-o,--output", options->output, "Folder of the dataset")
      ->required();
  command->add_option("--tokenizer", options->tokenizer,
                      "train, gpt2, a dataset's folder, or a vocabulary's file "
                      "(tokenizer.json, gpt2.tiktoken, vocab.bpe)");
  command->add_option("--vocabulary", options->vocabulary,
                      fmt::format("Tokens to train, from 257 to 65536 [{}]",
                                  options->dataset.vocabularySize));
  command->add_option("--validation", options->dataset.validationShare,
                      "Share held out to watch the training");
  command->add_option("--test", options->dataset.testShare,
                      "Share held out for `decay eval`");
  command->add_option("--seed", options->dataset.seed,
                      "Decides what is held out");
  constexpr int64_t fewestTokens = 1 << 10, mostTokens = (int64_t{1} << 31) - 1;
  command
      ->add_option("--shard-tokens", options->dataset.shardTokens,
                   "Tokens in a file")
      ->check(CLI::Range(fewestTokens, mostTokens));
  command
      ->add_option("--threads", options->dataset.threads,
                   "Threads; 0: one for each core")
      ->check(CLI::Range(0, 1024));
  command->add_flag("-q,--quiet", options->quiet, "Say nothing but errors");
  command->add_flag("--json", options->json, "Print the sizes as JSON");
  command->footer(
      "A text file is a document; a .jsonl file has one on each line, as the "
      "member `text` of an object.\nBefore each stands the end-of-text token. "
      "A folder with folders train, validation and test is split\nalready; of "
      "others whole text files are held out, and documents of .jsonl files. "
      "Shards are in llm.c's\nformat; a folder of published ones "
      "(*_train_*.bin, *_val_*.bin) needs no preparation.\n"
      "  decay prepare books/ -o data --vocabulary=4096\n"
      "  decay prepare essays/ web.jsonl -o data --tokenizer=gpt2 "
      "--test=0.001");
  command->callback(
      [options, &action] { action = [options] { return prepare(*options); }; });
}

} // namespace decay::runtime
