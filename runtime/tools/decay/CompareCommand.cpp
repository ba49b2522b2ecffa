//===- CompareCommand.cpp - decay compare ----------------------*- C++ -*-===//
#include "runtime/core/Files.h"
#include "runtime/data/Dataset.h"
#include "runtime/eval/Inspect.h"
#include "runtime/eval/Perplexity.h"
#include "runtime/eval/baseline/ByteTrigram.h"
#include "runtime/eval/comparison/Comparison.h"
#include "runtime/tools/decay/Commands.h"
#include "runtime/tools/decay/Session.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <sstream>

namespace decay::runtime {
namespace {

struct CompareOptions {
  std::vector<std::string> runs;
  std::string text, output;
  int64_t tokens = 2048, batch = 8, threads = 0;
  bool json = false;
};

/// Bits per byte of the byte trigram on the texts that the runs are measured
/// on, counted and fitted on those that they trained and validated on.
Result<double> baselineBitsPerByte(const std::string &folder) {
  DECAY_ASSIGN_OR_RETURN(SplitFiles files, chooseSplits({folder}, {}));
  BySplit<std::vector<std::string>> texts;
  for (Split split : allSplits)
    for (const std::filesystem::path &path : files.of(split)) {
      DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path));
      texts.of(split).push_back(std::move(text));
    }
  ByteTrigram trigram;
  for (const std::string &text : texts.of(Split::Train))
    trigram.count(text);
  const std::vector<std::string> &held = texts.of(Split::Validation);
  const std::vector<std::string_view> views(held.begin(), held.end());
  trigram.fitWeights(views);
  double bits = 0, bytes = 0;
  for (const std::string &text : texts.of(Split::Test)) {
    bits += trigram.bits(text);
    bytes += double(text.size());
  }
  if (bytes == 0)
    return Status::user(folder + " has no text to test on");
  return bits / bytes;
}

/// Calls read(object, line number) for each line of a JSON log.
template <typename Read>
Status eachLine(const std::filesystem::path &path, Read read) {
  DECAY_ASSIGN_OR_RETURN(std::string text, readFile(path));
  std::istringstream lines(text);
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number) {
    const std::string name = fmt::format("{}:{}", path.string(), number);
    DECAY_ASSIGN_OR_RETURN(Json object, parseJson(line, name));
    DECAY_RETURN_IF_ERROR(read(object, name));
  }
  return {};
}

/// The losses and the time of a run, from its logs.
Status readLogs(const std::filesystem::path &folder, RunSummary &summary) {
  DECAY_RETURN_IF_ERROR(eachLine(
      folder / "train.jsonl",
      [&](const Json &line, const std::string &name) -> Status {
        if (!line.contains("loss") || !line["loss"].is_number())
          return {};
        DECAY_ASSIGN_OR_RETURN(double step, jsonNumber(line, "step", name));
        DECAY_ASSIGN_OR_RETURN(double loss, jsonNumber(line, "loss", name));
        summary.lossSteps.push_back(step);
        summary.losses.push_back(loss);
        return {};
      }));
  double tokens = 0;
  DECAY_RETURN_IF_ERROR(
      eachLine(folder / "timing.jsonl",
               [&](const Json &line, const std::string &name) -> Status {
                 DECAY_ASSIGN_OR_RETURN(double seconds,
                                        jsonNumber(line, "seconds", name));
                 DECAY_ASSIGN_OR_RETURN(
                     double rate, jsonNumber(line, "tokens_per_second", name));
                 summary.trainingSeconds += seconds;
                 tokens += seconds * rate;
                 return {};
               }));
  if (summary.trainingSeconds > 0)
    summary.tokensPerSecond = tokens / summary.trainingSeconds;
  return {};
}

/// Opens the dataset that a model was trained on.
Result<Dataset> datasetOf(const TrainedModel &trained) {
  const std::string folder = trained.config.value("dataset", "");
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, Dataset::open(folder));
  if (dataset.tokenizer.hash() != trained.tokenizer.hash())
    return Status::user(folder +
                        " was made with another tokenizer than the model's");
  return dataset;
}

Status measurePerplexity(Machine &machine, const CompareOptions &options,
                         const std::string &run, RunSummary &summary) {
  RunShape shape;
  shape.B = options.batch, shape.T = 0;
  DECAY_ASSIGN_OR_RETURN(TrainedModel trained,
                         loadTrained(machine, run, shape));
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, datasetOf(trained));
  ScoreOptions score;
  score.B = options.batch;
  score.T = trained.sequence;
  DECAY_ASSIGN_OR_RETURN(TextScore result,
                         scoreText(*trained.model,
                                   dataset.tokens.of(Split::Test),
                                   trained.tokenizer, score));
  summary.perplexity = result.perplexity();
  summary.bitsPerByte = result.bitsPerByte();
  summary.parameters = trained.model->parameters().count();
  return {};
}

Status measureLambda(Machine &machine, const CompareOptions &options,
                     const std::string &run, RunSummary &summary) {
  RunShape shape;
  shape.T = options.tokens;
  shape.lambda = true;
  DECAY_ASSIGN_OR_RETURN(TrainedModel trained,
                         loadTrained(machine, run, shape));
  DECAY_ASSIGN_OR_RETURN(Dataset dataset, datasetOf(trained));
  const TokenSequence &test = dataset.tokens.of(Split::Test);
  std::vector<Token> tokens(
      static_cast<size_t>(std::min(test.size(), options.tokens)));
  test.read(0, tokens);
  DECAY_ASSIGN_OR_RETURN(std::vector<LambdaSummary> layers,
                         inspectLambda(*trained.model, tokens));
  for (const LambdaSummary &layer : layers)
    summary.lambda.push_back({layer.low, layer.median, layer.high});
  return {};
}

Status compare(const CompareOptions &options) {
  DECAY_ASSIGN_OR_RETURN(Machine machine, Machine::create(options.threads));
  fmt::print(stderr, "counting the byte trigram\n");
  DECAY_ASSIGN_OR_RETURN(double baseline, baselineBitsPerByte(options.text));
  std::vector<RunSummary> runs;
  for (const std::string &run : options.runs) {
    const std::filesystem::path folder(run);
    RunSummary summary;
    summary.design = (folder / "").parent_path().filename().string();
    fmt::print(stderr, "evaluating {}\n", summary.design);
    DECAY_RETURN_IF_ERROR(
        measurePerplexity(machine, options, run, summary).within(run));
    DECAY_RETURN_IF_ERROR(
        measureLambda(machine, options, run, summary).within(run));
    DECAY_RETURN_IF_ERROR(readLogs(folder, summary).within(run));
    runs.push_back(std::move(summary));
  }
  const std::string table = comparisonTable(runs, baseline);
  const std::string json = writeJson(comparisonJson(runs, baseline));
  if (!options.output.empty()) {
    const std::filesystem::path folder = options.output;
    DECAY_RETURN_IF_ERROR(createFolders(folder));
    DECAY_RETURN_IF_ERROR(writeFileAtomic(folder / "table.txt", table));
    DECAY_RETURN_IF_ERROR(
        writeFileAtomic(folder / "loss.svg", renderSvg(lossPlot(runs))));
    DECAY_RETURN_IF_ERROR(
        writeFileAtomic(folder / "lambda.svg", renderSvg(lambdaPlot(runs))));
    DECAY_RETURN_IF_ERROR(writeFileAtomic(folder / "summary.json", json));
  }
  fmt::print("{}", options.json ? json : table);
  return {};
}

} // namespace

void addCompareCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App *command =
      app.add_subcommand("compare", "Runs side by side, and a byte trigram");
  command->add_option("runs", options->runs, "Run folders")->required();
  command
      ->add_option("--text", options->text,
                   "Folder of the text that their dataset was prepared from, "
                   "split into train, validation and test")
      ->required();
  command
      ->add_option("-n,--tokens", options->tokens,
                   "Tokens over which the quartiles of λ are taken")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch", options->batch, "Windows at once")
      ->check(CLI::Range(1, 65536));
  command->add_option("-o,--output", options->output,
                      "Folder for table.txt, summary.json, loss.svg and "
                      "lambda.svg");
  command->add_option("--threads", options->threads, "0: one for each core");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer("Every model and the trigram are measured on the test files, "
                  "which none of them has seen.\n"
                  "  decay compare runs/mamba2 runs/hgrn2 --text books -o out");
  command->callback(
      [options, &action] { action = [options] { return compare(*options); }; });
}

} // namespace decay::runtime
