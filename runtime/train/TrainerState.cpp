//===- TrainerState.cpp - Starting, resuming, saving -----------*- C++ -*-===//
#include "runtime/core/Sha256.h"
#include "runtime/train/Trainer.h"

#include <fmt/format.h>

namespace decay::runtime {

Parameter trainedParameter(const LanguageModel &model,
                           const ParameterInfo &info, float *firstMoments,
                           float *secondMoments) {
  Parameter parameter{info.name,
                      model.weights() + info.offset,
                      model.gradients() + info.offset,
                      firstMoments + info.offset,
                      secondMoments + info.offset,
                      {},
                      info.count,
                      info.weightDecay,
                      /*sharesBlock=*/true};
  if (Numbers copy = model.weightCopy())
    parameter.copy = copy + info.offset;
  return parameter;
}

Result<std::unique_ptr<Trainer>> Trainer::create(const TrainConfig &config,
                                                 TrainerParts parts,
                                                 TrainerOutput output,
                                                 bool fallBack) {
  auto trainer = std::unique_ptr<Trainer>(
      new Trainer(config, std::move(parts), std::move(output)));
  DECAY_RETURN_IF_ERROR(trainer->prepare(fallBack));
  return trainer;
}

Status Trainer::prepare(bool fallBack) {
  const Tokenizer &tokenizer = parts.dataset.tokenizer;
  DECAY_ASSIGN_OR_RETURN(ModelConfig model,
                         config.model(tokenizer.vocabularySize()));
  RunShape shape;
  shape.B = config.batch, shape.T = config.sequence;
  shape.training = true;
  shape.states = config.sampleInterval > 0;
  DECAY_ASSIGN_OR_RETURN(network, LanguageModel::create(parts.backend, model,
                                                        parts.kernels, shape));
  DECAY_RETURN_IF_ERROR(planOptimizer());
  DECAY_ASSIGN_OR_RETURN(
      DataLoader data,
      DataLoader::create(parts.dataset.tokens.of(Split::Train), config.batch,
                         config.sequence, static_cast<uint64_t>(config.seed)));
  loader.emplace(std::move(data));
  tokens.resize(static_cast<size_t>(config.batch * config.sequence));
  targets.resize(tokens.size());
  DECAY_ASSIGN_OR_RETURN(
      schedule,
      config.schedule == "wsd"
          ? WsdSchedule::create(config.steps, config.warmup, config.rateFloor)
          : WsdSchedule::published(config.steps, config.warmup,
                                   config.rateFloor));

  DECAY_ASSIGN_OR_RETURN(auto checkpoints, listCheckpoints(parts.run.path()));
  if (checkpoints.empty())
    return start();
  DECAY_ASSIGN_OR_RETURN(Checkpoint checkpoint,
                         Checkpoint::load(parts.run.path(), fallBack));
  for (const std::string &message : checkpoint.refused())
    output.say("passed over: " + message);
  return resume(checkpoint)
      .within("resuming from " + checkpoint.folder().string());
}

Status Trainer::planOptimizer() {
  const Parameters &table = network->parameters();
  firstMoments =
      moments.planFloats("optimizer", "first moments", table.blockFloats());
  secondMoments =
      moments.planFloats("optimizer", "second moments", table.blockFloats());
  output.say(fmt::format("{} parameters; memory:", table.count()));
  output.say(network->plan().report() + moments.report());
  DECAY_RETURN_IF_ERROR(moments.allocate(parts.backend.device));
  std::vector<Parameter> list;
  for (const ParameterInfo &info : table.infos()) {
    list.push_back(trainedParameter(*network, info,
                                    moments.floats(firstMoments),
                                    moments.floats(secondMoments)));
    if (info.fill == Fill::Design && !config.designWeightDecay)
      list.back().weightDecay = false;
  }
  AdamWOptions options;
  options.beta1 = config.beta1, options.beta2 = config.beta2;
  options.epsilon = config.epsilon, options.weightDecay = config.weightDecay;
  optimizer.emplace(std::move(list), options);
  return {};
}

Status Trainer::start() {
  DECAY_RETURN_IF_ERROR(
      network->initialise(static_cast<uint64_t>(config.seed)));
  return openLogs(0);
}

Status Trainer::openLogs(int64_t keep) {
  DECAY_ASSIGN_OR_RETURN(RunLog lines,
                         RunLog::open(parts.run.path() / "train.jsonl", keep));
  log.emplace(std::move(lines));
  return openMetrics();
}

Status Trainer::openMetrics() {
  MetricsOptions options;
  options.folder = parts.run.path();
  options.resumed = stepsDone > 0;
  options.tensorboard = config.tensorboard;
  options.step = stepsDone, options.steps = config.steps;
  options.tokensPerStep = tokensPerStep();
  const ModelConfig &model = network->config();
  options.countedParameters =
      network->parameters().count() - model.vocabulary * model.width;
  options.peakTeraflops = config.peakTeraflops > 0
                              ? config.peakTeraflops
                              : parts.backend.device.peakTeraflops();
  options.memoryBytes = network->plannedBytes() + moments.bytes();
  DECAY_ASSIGN_OR_RETURN(Metrics opened, Metrics::open(std::move(options)));
  metrics.emplace(std::move(opened));
  return {};
}

HostArray Trainer::hostBlock(float *block) const {
  return {parts.backend.device, block, network->parameters().blockFloats()};
}

static std::vector<TensorTarget> targetsOf(const Parameters &table,
                                           float *block, const char *suffix) {
  std::vector<TensorTarget> targets;
  for (const ParameterInfo &info : table.infos())
    targets.push_back({info.name + suffix, info.shape, block + info.offset});
  return targets;
}

Status Trainer::resume(const Checkpoint &checkpoint) {
  const TrainingState &state = checkpoint.state();
  std::string file = (checkpoint.folder() / "training.json").string();
  DECAY_ASSIGN_OR_RETURN(std::string before,
                         jsonString(state.extra, "settings", file));
  if (before != config.canonical())
    return Status::user(fmt::format(
        "the configuration differs from the one that this run began "
        "with: {}. Use the old values, or another --job.dump_folder",
        TrainConfig::difference(before, config.canonical())));
  DECAY_ASSIGN_OR_RETURN(std::string design,
                         jsonString(state.extra, "design_hash", file));
  if (design != parts.kernels.design.manifest().hash)
    return Status::user(
        "the design is not the one that this run began with (its package has "
        "another hash); use the old file, or another --job.dump_folder");
  DECAY_ASSIGN_OR_RETURN(std::string tokenizer,
                         jsonString(state.extra, "tokenizer", file));
  if (tokenizer != parts.dataset.tokenizer.hash())
    return Status::user("training.dataset was made with another tokenizer than "
                        "the one that this "
                        "run began with");
  const Parameters &table = network->parameters();
  HostArray weights = hostBlock(network->weights()),
            first = hostBlock(moments.floats(firstMoments)),
            second = hostBlock(moments.floats(secondMoments));
  DECAY_RETURN_IF_ERROR(
      readTensors(checkpoint.model(), targetsOf(table, weights.data(), "")));
  std::vector<TensorTarget> all = targetsOf(table, first.data(), ".m");
  std::vector<TensorTarget> others = targetsOf(table, second.data(), ".v");
  all.insert(all.end(), others.begin(), others.end());
  DECAY_RETURN_IF_ERROR(readTensors(checkpoint.optimizer(), all));
  for (HostArray *block : {&weights, &first, &second})
    DECAY_RETURN_IF_ERROR(block->write());
  network->refreshWeights();

  DECAY_ASSIGN_OR_RETURN(int64_t updates,
                         jsonInteger(state.extra, "updates", file, 0));
  DECAY_ASSIGN_OR_RETURN(skipped, jsonInteger(state.extra, "skipped", file, 0));
  DECAY_ASSIGN_OR_RETURN(skippedInRow,
                         jsonInteger(state.extra, "skipped_in_row", file, 0));
  DECAY_ASSIGN_OR_RETURN(int64_t logBytes,
                         jsonInteger(state.extra, "log_bytes", file, 0));
  optimizer->setSteps(updates);
  loader->seek(state.dataPosition);
  stepsDone = savedStep = state.step;
  output.say(fmt::format("going on at step {} of {}", stepsDone, config.steps));
  return openLogs(logBytes);
}

Status Trainer::save() {
  DECAY_RETURN_IF_ERROR(log->flush());
  const Parameters &table = network->parameters();
  HostArray weights = hostBlock(network->weights()),
            first = hostBlock(moments.floats(firstMoments)),
            second = hostBlock(moments.floats(secondMoments));
  for (HostArray *block : {&weights, &first, &second})
    DECAY_RETURN_IF_ERROR(block->read());
  CheckpointContents contents;
  for (const ParameterInfo &info : table.infos()) {
    contents.model.push_back(
        floatTensor(info.name, info.shape, weights.data() + info.offset));
    contents.optimizer.push_back(
        floatTensor(info.name + ".m", info.shape, first.data() + info.offset));
    contents.optimizer.push_back(
        floatTensor(info.name + ".v", info.shape, second.data() + info.offset));
  }
  contents.config = network->config().toJson();
  contents.config.update(parts.record);
  contents.config["max_position_embeddings"] = config.sequence;
  contents.config["dataset"] = config.dataset;
  contents.files["tokenizer.json"] = parts.dataset.tokenizer.serialize();

  TrainingState &state = contents.state;
  state.step = stepsDone;
  state.dataPosition = loader->position();
  state.seed = static_cast<uint64_t>(config.seed);
  state.configHash = sha256(config.canonical());
  state.extra = {{"settings", config.canonical()},
                 {"design_hash", parts.kernels.design.manifest().hash},
                 {"tokenizer", parts.dataset.tokenizer.hash()},
                 {"updates", optimizer->steps()},
                 {"skipped", skipped},
                 {"skipped_in_row", skippedInRow},
                 {"log_bytes", log->bytes()}};
  DECAY_RETURN_IF_ERROR(
      saveCheckpoint(parts.run.path(), contents, config.keepCheckpoints)
          .within("saving"));
  savedStep = stepsDone;
  return {};
}

} // namespace decay::runtime
