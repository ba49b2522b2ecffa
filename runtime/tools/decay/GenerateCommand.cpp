//===- GenerateCommand.cpp - decay generate --------------------*- C++ -*-===//
#include "runtime/core/Signals.h"
#include "runtime/eval/Generator.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>

namespace decay::runtime {
namespace {

struct GenerateOptions {
  TrainedPlace place;
  std::string run, prompt;
  GenerationOptions generation;
  bool greedy = false, json = false;
};

Status generate(GenerateOptions options) {
  if (options.greedy)
    options.generation.sampling.temperature = 0;
  DECAY_ASSIGN_OR_RETURN(Machine machine, options.place.machine());
  RunShape shape;
  shape.states = true;
  DECAY_ASSIGN_OR_RETURN(
      TrainedModel trained,
      loadTrained(machine, options.run, shape, options.place.package));
  catchStopSignals();
  options.generation.stop = stopRequested;
  if (!options.json) {
    fmt::print("{}", options.prompt);
    options.generation.piece = [](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
  }
  DECAY_ASSIGN_OR_RETURN(std::string text,
                         generateText(*trained.model, trained.tokenizer,
                                      options.prompt, options.generation));
  if (options.json)
    fmt::print("{}", writeJson({{"prompt", options.prompt}, {"text", text}}));
  else
    fmt::print("\n");
  return {};
}

} // namespace

void addGenerateCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<GenerateOptions>();
  GenerationOptions &generation = options->generation;
  generation.sampling.temperature = 0.8;
  CLI::App *command =
      app.add_subcommand("generate", "Let a model go on with a text");
  command
      ->add_option("run", options->run, "Run folder, or one of its checkpoints")
      ->required();
  command->add_option("prompt", options->prompt, "How the text begins");
  command
      ->add_option("-n,--tokens", generation.tokens, "At most so many tokens")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--temperature", generation.sampling.temperature,
                      "0: greedy");
  command->add_option("--top-k", generation.sampling.topK,
                      "Only the k most probable; 0: all");
  command->add_option("--top-p", generation.sampling.topP,
                      "Only so much probability");
  command->add_option("--seed", generation.sampling.seed,
                      "The same seed, the same text");
  command
      ->add_option("--stop", generation.stops,
                   "End before this text; can be repeated")
      ->allow_extra_args(false);
  command->add_flag("--greedy", options->greedy,
                    "Always the most probable token");
  addPlaceOptions(*command, options->place);
  command->add_flag("--json", options->json, "Print prompt and text as JSON");
  command->footer("  decay generate run \"The state of\" -n 100 --temperature "
                  "0.7 --top-p 0.95\n"
                  "  decay generate run \"Q:\" --greedy --stop \"Q:\"");
  command->callback([options, &action] {
    action = [options] { return generate(*options); };
  });
}

} // namespace decay::runtime
