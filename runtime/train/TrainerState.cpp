//===- TrainerState.cpp - Starting, resuming, saving -----------*- C++ -*-===//
#include "runtime/core/Sha256.h"
#include "runtime/train/Trainer.h"

#include <algorithm>
#include <fmt/format.h>

namespace decay::runtime {

Parameter trainedParameter(const LanguageModel &model,
                           const ParameterInfo &info, float *firstMoments,
                           float *secondMoments) {
  return trainedPart(model, info, {{0, model.blockFloats()}, 0}, firstMoments,
                     secondMoments);
}

Parameter trainedPart(const LanguageModel &model, const ParameterInfo &info,
                      const Shards::Part &part, float *firstMoments,
                      float *secondMoments) {
  const int64_t begin = std::max(info.offset, part.range.begin),
                end = std::min(info.offset + info.count, part.range.end());
  const int64_t moment = part.place + begin - part.range.begin;
  Parameter parameter;
  parameter.name = info.name;
  parameter.size = std::max<int64_t>(0, end - begin);
  if (parameter.size == 0)
    return parameter;
  parameter.value = model.weights() + begin;
  parameter.gradient = model.gradients() + begin;
  parameter.firstMoment = firstMoments + moment;
  parameter.secondMoment = secondMoments + moment;
  parameter.first = begin - info.offset;
  parameter.weightDecay = info.weightDecay;
  parameter.sharesBlock = true;
  if (Numbers copy = model.weightCopy())
    parameter.copy = copy + begin;
  return parameter;
}

Result<std::unique_ptr<Trainer>> Trainer::create(const TrainConfig &config,
                                                 TrainerParts parts,
                                                 TrainerOutput output,
                                                 bool fallBack) {
  auto trainer = std::unique_ptr<Trainer>(
      new Trainer(config, std::move(parts), std::move(output)));
  DECAY_RETURN_IF_ERROR(trainer->parts.peers.agree(trainer->prepare(fallBack)));
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
  shape.blockMultiple = Shards::multiple(parts.peers.size());
  shape.recompute = config.activationCheckpoint == "full";
  DECAY_ASSIGN_OR_RETURN(network, LanguageModel::prepare(parts.backend, model,
                                                         parts.kernels, shape));
  DECAY_RETURN_IF_ERROR(planOptimizer());
  DECAY_ASSIGN_OR_RETURN(
      DataLoader data,
      DataLoader::create(parts.dataset.tokens.of(Split::Train), config.batch,
                         config.sequence, static_cast<uint64_t>(config.seed),
                         WindowOrder::Shuffled,
                         {parts.peers.rank(), parts.peers.size()}));
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
  shards.emplace(network->blockFloats(), parts.peers.size(),
                 parts.peers.rank());
  firstMoments =
      moments.planFloats("optimizer", "first moments", shards->ownFloats());
  secondMoments =
      moments.planFloats("optimizer", "second moments", shards->ownFloats());
  output.say(fmt::format("{} parameters; memory:", table.count()));
  MemoryPlan memory(parts.backend.device);
  memory.add(*network);
  memory.add(moments);
  output.say(memory.report());
  DECAY_RETURN_IF_ERROR(memory.check());
  memoryExpected = memory.expectedBytes();
  DECAY_RETURN_IF_ERROR(network->allocate());
  DECAY_RETURN_IF_ERROR(moments.allocate(parts.backend.device));
  gather.emplace(parts.communicator, *shards, network->weights(),
                 [this](const BlockRange &range) {
                   network->refreshWeights(range.begin, range.count);
                 });
  std::vector<Parameter> list;
  for (const Shards::Part &part : shards->own())
    for (const ParameterInfo &info : table.infos()) {
      Parameter own =
          trainedPart(*network, info, part, moments.floats(firstMoments),
                      moments.floats(secondMoments));
      if (own.size == 0)
        continue;
      // The copy is made anew when all weights have come.
      if (!alone())
        own.copy = {};
      if (info.fill == Fill::Design && !config.designWeightDecay)
        own.weightDecay = false;
      list.push_back(std::move(own));
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
  if (!parts.peers.isFirst())
    return {};
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
  options.peakTeraflops *= double(parts.peers.size());
  options.usedBytes = [this] { return parts.backend.device.usedBytes(); };
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

Result<std::vector<float>> Trainer::wholeMoments(Arena::Region own) {
  const auto bytes = [](int64_t count) {
    return static_cast<size_t>(count) * sizeof(float);
  };
  Device &device = parts.backend.device;
  float *block = moments.floats(own);
  if (!alone()) {
    block = network->gradients();
    for (const Shards::Part &part : shards->own())
      DECAY_RETURN_IF_ERROR(device.copy(block + part.range.begin,
                                        moments.floats(own) + part.place,
                                        bytes(part.range.count)));
    for (const BlockRange &bucket : shards->buckets())
      DECAY_RETURN_IF_ERROR(
          parts.communicator.allGather(block + bucket.begin, bucket.count));
    DECAY_RETURN_IF_ERROR(parts.communicator.join());
  }
  std::vector<float> whole;
  if (!parts.peers.isFirst())
    return whole;
  whole.resize(static_cast<size_t>(network->blockFloats()));
  DECAY_RETURN_IF_ERROR(
      device.download(whole.data(), block, bytes(network->blockFloats())));
  return whole;
}

Status Trainer::takeMoments(Arena::Region own,
                            const std::vector<float> &whole) {
  for (const Shards::Part &part : shards->own())
    DECAY_RETURN_IF_ERROR(parts.backend.device.upload(
        moments.floats(own) + part.place, whole.data() + part.range.begin,
        static_cast<size_t>(part.range.count) * sizeof(float)));
  return parts.backend.device.synchronise();
}

Status Trainer::checkSettings(const Checkpoint &checkpoint,
                              const std::string &file) const {
  const Json &extra = checkpoint.state().extra;
  DECAY_ASSIGN_OR_RETURN(std::string before,
                         jsonString(extra, "settings", file));
  int64_t ranks = 1; // checkpoints of before do not say it
  if (extra.contains("ranks")) {
    DECAY_ASSIGN_OR_RETURN(ranks, jsonInteger(extra, "ranks", file, 1));
  }
  const std::string now = config.canonical();
  std::string difference = ranks == parts.peers.size()
                               ? TrainConfig::difference(before, now)
                               : TrainConfig::differenceOfRanks(
                                     before, ranks, now, parts.peers.size());
  if (difference.empty())
    return {};
  return Status::user(
      fmt::format("the configuration differs from the one that this run began "
                  "with: {}. Use the old values, or another --job.dump_folder",
                  difference));
}

Status Trainer::resume(const Checkpoint &checkpoint) {
  const TrainingState &state = checkpoint.state();
  std::string file = (checkpoint.folder() / "training.json").string();
  DECAY_RETURN_IF_ERROR(checkSettings(checkpoint, file));
  DECAY_ASSIGN_OR_RETURN(std::string design,
                         jsonString(state.extra, "design_hash", file));
  if (design != parts.kernels.design.manifest().hash)
    return Status::user(
        "the design is not the one that this run began with (its package has "
        "another hash: by another file, compiler, target or precision); use "
        "the old ones, or another --job.dump_folder");
  DECAY_ASSIGN_OR_RETURN(std::string tokenizer,
                         jsonString(state.extra, "tokenizer", file));
  if (tokenizer != parts.dataset.tokenizer.hash())
    return Status::user("training.dataset was made with another tokenizer than "
                        "the one that this "
                        "run began with");
  const Parameters &table = network->parameters();
  HostArray weights = hostBlock(network->weights());
  std::vector<float> first(static_cast<size_t>(network->blockFloats())),
      second(first.size());
  DECAY_RETURN_IF_ERROR(
      readTensors(checkpoint.model(), targetsOf(table, weights.data(), "")));
  std::vector<TensorTarget> all = targetsOf(table, first.data(), ".m");
  std::vector<TensorTarget> others = targetsOf(table, second.data(), ".v");
  all.insert(all.end(), others.begin(), others.end());
  DECAY_RETURN_IF_ERROR(readTensors(checkpoint.optimizer(), all));
  DECAY_RETURN_IF_ERROR(weights.write());
  DECAY_RETURN_IF_ERROR(takeMoments(firstMoments, first));
  DECAY_RETURN_IF_ERROR(takeMoments(secondMoments, second));
  network->refreshWeights();

  DECAY_ASSIGN_OR_RETURN(int64_t updates,
                         jsonInteger(state.extra, "updates", file, 0));
  DECAY_ASSIGN_OR_RETURN(skipped, jsonInteger(state.extra, "skipped", file, 0));
  DECAY_ASSIGN_OR_RETURN(skippedInRow,
                         jsonInteger(state.extra, "skipped_in_row", file, 0));
  DECAY_ASSIGN_OR_RETURN(int64_t logBytes,
                         jsonInteger(state.extra, "log_bytes", file, 0));
  if (auto seen = state.extra.find("spikes"); seen != state.extra.end())
    DECAY_RETURN_IF_ERROR(spikes.restore(*seen, file));
  optimizer->setSteps(updates);
  loader->seek(state.dataPosition);
  stepsDone = savedStep = state.step;
  output.say(fmt::format("going on at step {} of {}", stepsDone, config.steps));
  return openLogs(logBytes);
}

Status Trainer::save() {
  DECAY_RETURN_IF_ERROR(awaitWeights());
  DECAY_ASSIGN_OR_RETURN(std::vector<float> first, wholeMoments(firstMoments));
  DECAY_ASSIGN_OR_RETURN(std::vector<float> second,
                         wholeMoments(secondMoments));
  Status written = parts.peers.isFirst() ? write(first, second) : Status();
  DECAY_RETURN_IF_ERROR(parts.peers.agree(written));
  savedStep = stepsDone;
  return {};
}

Status Trainer::write(std::vector<float> &first, std::vector<float> &second) {
  DECAY_RETURN_IF_ERROR(log->flush());
  const Parameters &table = network->parameters();
  HostArray weights = hostBlock(network->weights());
  DECAY_RETURN_IF_ERROR(weights.read());
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
                 {"spikes", spikes.state()},
                 {"ranks", parts.peers.size()},
                 {"log_bytes", log->bytes()}};
  return saveCheckpoint(parts.run.path(), contents, config.keepCheckpoints)
      .within("saving");
}

} // namespace decay::runtime
