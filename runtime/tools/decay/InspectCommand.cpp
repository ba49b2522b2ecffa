//===- InspectCommand.cpp - decay inspect ----------------------*- C++ -*-===//
#include "runtime/core/Files.h"
#include "runtime/data/Dataset.h"
#include "runtime/eval/Inspect.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>

namespace decay::runtime {
namespace {

struct InspectOptions {
  TrainedPlace place;
  std::string run, text, dataset, output;
  int64_t tokens = 2048;
  bool json = false;
};

Result<std::vector<Token>> textOf(const InspectOptions &options,
                                  const TrainedModel &trained) {
  std::vector<Token> tokens;
  if (!options.text.empty()) {
    DECAY_ASSIGN_OR_RETURN(std::string text, readFile(options.text));
    tokens = trained.tokenizer.encode(text);
  } else {
    std::string folder = options.dataset;
    if (folder.empty() && trained.config.contains("dataset") &&
        trained.config["dataset"].is_string())
      folder = trained.config["dataset"].get<std::string>();
    DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(folder));
    const TokenSequence &test = dataset.tokens.of(Split::Test);
    tokens.resize(static_cast<size_t>(std::min(test.size(), options.tokens)));
    test.read(0, tokens);
  }
  if (int64_t(tokens.size()) > options.tokens)
    tokens.resize(static_cast<size_t>(options.tokens));
  return tokens;
}

Status inspect(const InspectOptions &options) {
  DECAY_ASSIGN_OR_RETURN(Machine machine, options.place.machine());
  RunShape shape;
  shape.T = options.tokens;
  shape.lambda = true;
  DECAY_ASSIGN_OR_RETURN(
      TrainedModel trained,
      loadTrained(machine, options.run, shape, options.place.package));
  DECAY_ASSIGN_OR_RETURN(std::vector<Token> tokens, textOf(options, trained));
  DECAY_ASSIGN_OR_RETURN(std::vector<LambdaSummary> layers,
                         inspectLambda(*trained.model, tokens));
  std::string design = trained.config.value("design", "");
  Json result = {{"checkpoint", trained.checkpoint.string()},
                 {"design", design},
                 {"tokens", tokens.size()},
                 {"lambda", lambdaJson(layers)}};
  if (!options.output.empty()) {
    DECAY_RETURN_IF_ERROR(createFolders(options.output));
    std::filesystem::path folder = options.output;
    DECAY_RETURN_IF_ERROR(writeFileAtomic(
        folder / "lambda.svg", renderSvg(lambdaPlotOf(layers, design))));
    DECAY_RETURN_IF_ERROR(
        writeFileAtomic(folder / "lambda.json", writeJson(result)));
  }
  if (options.json)
    fmt::print("{}", writeJson(result));
  else
    fmt::print("λ of {} over {} tokens\n{}", design, tokens.size(),
               lambdaTable(layers));
  return {};
}

} // namespace

void addInspectCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *command =
      app.add_subcommand("inspect", "Quartiles of λ in each layer over a text");
  command
      ->add_option("run", options->run, "Run folder, or one of its checkpoints")
      ->required();
  command->add_option("--text", options->text,
                      "Text file, instead of the dataset's test text");
  command->add_option("--dataset", options->dataset,
                      "Dataset; the run's own by default");
  command
      ->add_option("-n,--tokens", options->tokens,
                   "At most so many tokens of it")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-o,--output", options->output,
                      "Folder for lambda.svg and lambda.json");
  addPlaceOptions(*command, options->place);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer("λ near 1 keeps the state, λ near 0 forgets it.\n"
                  "  decay inspect run --text chapter.txt -o plots");
  command->callback(
      [options, &action] { action = [options] { return inspect(*options); }; });
}

} // namespace decay::runtime
