//===- Trainer.cpp - The loop ----------------------------------*- C++ -*-===//
#include "runtime/train/Trainer.h"

#include "runtime/eval/Generator.h"
#include "runtime/eval/Perplexity.h"
#include "runtime/optim/Clipping.h"
#include "runtime/train/Reduction.h"

#include <cmath>
#include <fmt/format.h>

namespace decay::runtime {

Result<TrainOutcome> Trainer::run() {
  if (metrics)
    metrics->resume();
  TrainOutcome outcome;
  while (stepsDone < config.steps) {
    // Several ranks must stop after the same step.
    if (alone() ? output.stopRequested() : stopAgreed) {
      outcome.end = TrainEnd::Stopped;
      break;
    }
    DECAY_RETURN_IF_ERROR(parts.peers.causeOf(update()).within(
        fmt::format("step {}", stepsDone)));
    sayMemory();
    DECAY_RETURN_IF_ERROR(parts.peers.causeOf(afterStep()));
  }
  if (savedStep != stepsDone)
    DECAY_RETURN_IF_ERROR(parts.peers.causeOf(save()));
  outcome.step = stepsDone;
  outcome.lastLoss = lastLoss;
  outcome.skipped = skipped;
  return outcome;
}

Status Trainer::update() {
  double ownLoss = 0;
  DECAY_RETURN_IF_ERROR(accumulateGradients(ownLoss));
  double squares =
      gradientSquares(parts.backend.kernels, optimizer->parameters());
  DECAY_RETURN_IF_ERROR(network->readFaults());
  const double mine[] = {ownLoss, squares, output.stopRequested() ? 1.0 : 0.0};
  DECAY_ASSIGN_OR_RETURN(auto each, parts.peers.gather(mine));
  double loss = 0, sum = 0;
  for (const std::vector<double> &one : each) {
    loss += one[0], sum += one[1];
    stopAgreed |= one[2] != 0;
  }
  loss /= double(tokensPerStep());
  const double norm = std::sqrt(sum);
  double rate = config.rate * schedule.factor(stepsDone);
  lastLoss = loss;
  const bool finite = std::isfinite(loss) && std::isfinite(norm);
  const std::string spike = finite ? spikes.judge(loss, norm) : "";
  if (finite && spike.empty()) {
    DECAY_RETURN_IF_ERROR(
        updateWeights(rate, clippingFactor(norm, config.maxNorm)));
    spikes.remember(loss, norm);
    skippedInRow = 0;
  } else if (finite) {
    DECAY_RETURN_IF_ERROR(skipUpdate(spike));
  } else {
    DECAY_RETURN_IF_ERROR(skipNonFinite(loss, norm));
  }
  ++stepsDone;
  return report(loss, norm, rate);
}

Status Trainer::accumulateGradients(double &loss) {
  network->beginGradients();
  const float scale = static_cast<float>(1.0 / double(tokensPerStep()));
  for (int64_t pass = 0; pass < config.accumulation; ++pass) {
    double before = metrics ? metrics->now() : 0;
    loader->next(tokens, targets);
    if (metrics)
      metrics->waited(metrics->now() - before);
    ForwardCall call;
    call.tokens = tokens.data();
    call.B = config.batch, call.T = config.sequence;
    if (!alone())
      call.weightsNeeded = [&](int64_t offset) {
        return gather->await(offset);
      };
    DECAY_RETURN_IF_ERROR(network->forward(call));
    network->beginLoss(targets.data(), scale);
    if (alone() || pass + 1 < config.accumulation) {
      DECAY_RETURN_IF_ERROR(network->backward());
    } else {
      Reduction sums(parts.communicator, *shards, network->gradients());
      DECAY_RETURN_IF_ERROR(network->backward(
          [&](int64_t offset) { return sums.finalFrom(offset); }));
    }
    loss += network->lossSum();
  }
  return {};
}

Status Trainer::updateWeights(double rate, double scale) {
  Status sent;
  optimizer->step(parts.backend.kernels, rate, scale, [&](const float *next) {
    if (!alone() && sent.ok())
      sent = gather->updatedTo(next ? next - network->weights()
                                    : network->blockFloats());
  });
  return sent;
}

Status Trainer::awaitWeights() { return gather->await(network->blockFloats()); }

Status Trainer::skipNonFinite(double loss, double norm) {
  DECAY_ASSIGN_OR_RETURN(std::vector<std::string> places,
                         parts.peers.gather(firstNonFinite(
                             parts.backend.device, optimizer->parameters())));
  std::string place;
  for (size_t rank = 0; rank < places.size() && place.empty(); ++rank)
    place = places[rank];
  std::string what =
      fmt::format("loss {}, gradient norm {}{}{}", loss, norm,
                  place.empty() ? "" : ", first gradient ", place);
  if (!config.skipNonFinite)
    return Status::user(fmt::format(
        "{}; lower optimizer.lr, or set training.skip_nan_inf = true "
        "to leave such updates out",
        what));
  return skipUpdate(what);
}

Status Trainer::skipUpdate(const std::string &what) {
  ++skipped;
  ++skippedInRow;
  if (log)
    DECAY_RETURN_IF_ERROR(log->write(Json{
        {"step", stepsDone + 1},
        {"skipped", skipped},
        {"why", what}}.dump()));
  output.say(fmt::format("step {}: update skipped: {}", stepsDone + 1, what));
  if (skippedInRow < config.mostSkipped)
    return {};
  return Status::user(fmt::format(
      "{} updates in a row were skipped, the last because of {}; lower "
      "optimizer.lr, or go back to an older checkpoint",
      skippedInRow, what));
}

Status Trainer::report(double loss, double norm, double rate) {
  int64_t seen = stepsDone * tokensPerStep();
  output.progress(seen, fmt::format("step {}/{} loss {:.4f}", stepsDone,
                                    config.steps, loss));
  if (!log ||
      (stepsDone % config.logInterval != 0 && stepsDone != config.steps))
    return {};
  // JSON knows no NaN: such a number becomes null.
  Json line = {{"step", stepsDone},     {"tokens", seen},
               {"loss", loss},          {"grad_norm", norm},
               {"learning_rate", rate}, {"skipped", skipped}};
  DECAY_RETURN_IF_ERROR(log->write(line.dump()));
  DECAY_ASSIGN_OR_RETURN(std::string text,
                         metrics->log({stepsDone, loss, norm, rate, skipped}));
  output.say(text);
  return {};
}

Status Trainer::afterStep() {
  bool last = stepsDone == config.steps;
  auto due = [&](int64_t interval) {
    return interval > 0 && (stepsDone % interval == 0 || last);
  };
  // The rate in the log is that of training alone.
  if (metrics)
    metrics->pause();
  const bool first = parts.peers.isFirst();
  if (due(config.validationInterval) || due(config.sampleInterval))
    DECAY_RETURN_IF_ERROR(awaitWeights());
  if (first && due(config.validationInterval))
    DECAY_RETURN_IF_ERROR(validate().within("validation"));
  if (first && due(config.sampleInterval))
    DECAY_RETURN_IF_ERROR(sample().within("sample"));
  if (due(config.checkpointInterval))
    DECAY_RETURN_IF_ERROR(save());
  if (metrics)
    metrics->resume();
  return {};
}

Status Trainer::validate() {
  const TokenSequence &text = parts.dataset.tokens.of(Split::Validation);
  if (text.size() < 2)
    return {};
  ScoreOptions options;
  options.B = config.batch, options.T = config.sequence;
  options.mostWindows = config.validationWindows;
  DECAY_ASSIGN_OR_RETURN(
      TextScore score,
      scoreText(*network, text, parts.dataset.tokenizer, options));
  double loss = score.nats / double(score.tokens);
  DECAY_RETURN_IF_ERROR(log->write(Json{
      {"step", stepsDone},
      {"validation_loss", loss},
      {"validation_bits_per_byte",
       score.bitsPerByte()}}.dump()));
  DECAY_RETURN_IF_ERROR(
      metrics->logValidation(stepsDone, loss, score.bitsPerByte()));
  output.say(fmt::format("step {}: validation loss {:.4f}, perplexity {:.2f}, "
                         "{:.4f} bits per byte",
                         stepsDone, loss, score.perplexity(),
                         score.bitsPerByte()));
  return {};
}

Status Trainer::sample() {
  GenerationOptions options;
  options.tokens = config.sampleTokens;
  options.sampling.temperature = 0.8;
  options.sampling.seed = static_cast<uint64_t>(config.seed);
  DECAY_ASSIGN_OR_RETURN(std::string text,
                         generateText(*network, parts.dataset.tokenizer,
                                      config.samplePrompt, options));
  output.say(
      fmt::format("step {}: {}{}", stepsDone, config.samplePrompt, text));
  return log->write(
      Json{{"step", stepsDone}, {"sample", config.samplePrompt + text}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
}

void Trainer::sayMemory() {
  if (memorySaid)
    return;
  memorySaid = true;
  std::string verdict =
      memoryVerdict(parts.backend.device.usedBytes(), memoryExpected);
  if (!verdict.empty())
    output.say("memory: " + verdict);
}

} // namespace decay::runtime
