//===- main.cpp - decay: train and use models of compiled designs -*- C++
//-*-===//
#include "runtime/tools/decay/Commands.h"

using namespace decay::runtime;

static constexpr const char *examples =
    R"(Examples, from text to a model that speaks:
  decay prepare books/ -o data                  tokenizer and token files of a folder of .txt
  decay data web.jsonl -o data --tokenizer=gpt2 GPT-2 tokens of JSONL
  decay train --design=simple_decay --training.dataset=data --job.dump_folder=run
  decay eval run                                perplexity and bits per byte of the test files
  decay generate run "Once upon a time"         text, one token at a time
  decay inspect run -o plots                    what λ does in each layer
  decay compare run other --text books          designs side by side
`decay COMMAND --help` says more. `decayc --list` shows the designs.)";

int main(int argc, char **argv) {
  CLI::App app("Train, evaluate and run language models whose memory decays as "
               "you wrote it.",
               "decay");
  app.footer(examples);
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  Action action;
  addPrepareCommand(app, action);
  addTrainCommand(app, action);
  addEvalCommand(app, action);
  addGenerateCommand(app, action);
  addInspectCommand(app, action);
  addCompareCommand(app, action);
  addBenchCommand(app, action);
  return runProgram(app, action, argc, argv);
}
