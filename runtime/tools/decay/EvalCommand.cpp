//===- EvalCommand.cpp - decay eval ----------------------------*- C++ -*-===//
#include "runtime/core/Files.h"
#include "runtime/core/Progress.h"
#include "runtime/core/Signals.h"
#include "runtime/data/Dataset.h"
#include "runtime/eval/Perplexity.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace decay::runtime {
namespace {

struct EvalOptions {
  TrainedPlace place;
  std::string run, dataset, split = "test";
  std::vector<std::string> texts;
  int64_t batch = 8, sequence = 0;
  bool json = false;
};

/// The tokens of some files, each after an end of text.
Result<TokenSequence> encodeFiles(const std::vector<std::string> &paths,
                                  const Tokenizer &tokenizer) {
  std::vector<uint16_t> tokens;
  for (const std::string &path : paths) {
    DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path));
    tokens.push_back(static_cast<uint16_t>(tokenizer.endOfText()));
    for (Token token : tokenizer.encode(text))
      tokens.push_back(static_cast<uint16_t>(token));
  }
  return TokenSequence::of(std::move(tokens));
}

Result<TokenSequence> heldOut(const EvalOptions &options,
                              const TrainedModel &trained) {
  if (!options.texts.empty())
    return encodeFiles(options.texts, trained.tokenizer);
  std::string folder = options.dataset;
  if (folder.empty() && trained.config.contains("dataset") &&
      trained.config["dataset"].is_string())
    folder = trained.config["dataset"].get<std::string>();
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(folder));
  if (dataset.tokenizer.hash() != trained.tokenizer.hash())
    return Status::user(folder +
                        " was made with another tokenizer than the model's");
  for (Split split : allSplits)
    if (splitName(split) == options.split)
      return std::move(dataset.tokens.of(split));
  return Status::user(fmt::format(
      "--split is '{}'; expected train, validation or test", options.split));
}

Status evaluate(const EvalOptions &options) {
  DECAY_ASSIGN_OR_RETURN(Machine machine, options.place.machine());
  RunShape shape;
  shape.B = options.batch, shape.T = options.sequence;
  DECAY_ASSIGN_OR_RETURN(
      TrainedModel trained,
      loadTrained(machine, options.run, shape, options.place.package));
  DECAY_ASSIGN_OR_RETURN(TokenSequence text, heldOut(options, trained));

  Progress::Options look;
  look.label = "eval";
  look.unit = "window";
  look.terminal = isatty(STDERR_FILENO);
  Progress progress(
      look, [](std::string_view line) { fmt::print(stderr, "{}", line); });
  catchStopSignals();
  ScoreOptions score;
  score.B = options.batch;
  score.T = options.sequence ? options.sequence : trained.sequence;
  score.progress = [&](int64_t window, int64_t) { progress.update(window); };
  score.stop = stopRequested;
  DECAY_ASSIGN_OR_RETURN(TextScore result, scoreText(*trained.model, text,
                                                     trained.tokenizer, score));
  progress.clear();
  if (options.json)
    fmt::print("{}",
               writeJson({{"checkpoint", trained.checkpoint.string()},
                          {"design", trained.config.value("design", "")},
                          {"step", trained.step},
                          {"parameters", trained.model->parameters().count()},
                          {"window", score.T},
                          {"tokens", result.tokens},
                          {"bytes", result.bytes},
                          {"nats", result.nats},
                          {"perplexity", result.perplexity()},
                          {"bits_per_byte", result.bitsPerByte()}}));
  else
    fmt::print("{}: perplexity {:.3f}, {:.4f} bits per byte, over {} tokens of "
               "{} bytes in windows "
               "of {}\n",
               trained.checkpoint.string(), result.perplexity(),
               result.bitsPerByte(), result.tokens, result.bytes, score.T);
  return {};
}

} // namespace

void addEvalCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App *command = app.add_subcommand(
      "eval", "Perplexity and bits per byte of held-out text");
  command
      ->add_option("run", options->run, "Run folder, or one of its checkpoints")
      ->required();
  command->add_option("--text", options->texts,
                      "Text files, instead of a dataset");
  command->add_option("--dataset", options->dataset,
                      "Dataset; the run's own by default");
  command->add_option("--split", options->split, "train, validation or test");
  command
      ->add_option("--window", options->sequence,
                   "Tokens in a window; 0: as in training")
      ->check(CLI::Range(0, 1 << 20));
  command->add_option("--batch", options->batch, "Windows at once")
      ->check(CLI::Range(1, 65536));
  addPlaceOptions(*command, options->place);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer("The text is cut into windows which each start with an empty "
                  "state, as in "
                  "training;\nends of text are context, but predicting them "
                  "does not count.\n"
                  "  decay eval run\n  decay eval run/step-000500 --text "
                  "chapter.txt --json");
  command->callback([options, &action] {
    action = [options] { return evaluate(*options); };
  });
}

} // namespace decay::runtime
