//===- TrainConfig.cpp -----------------------------------------*- C++ -*-===//
#include "runtime/train/TrainConfig.h"

#include "runtime/nn/layers/Glu.h"
#include "runtime/optim/Schedule.h"

#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <sstream>
#include <variant>

namespace decay::runtime {
namespace {

using Member = std::variant<bool TrainConfig::*, int64_t TrainConfig::*,
                            double TrainConfig::*, std::string TrainConfig::*,
                            std::vector<std::string> TrainConfig::*>;

/// Whether a run may go on with another value of a setting.
enum class Resume : uint8_t { Fixed, Free };

struct Setting {
  const char *key;
  Member member;
  double least, most; ///< numbers only
  Resume resume;
  const char *help;
};

constexpr double many = 1 << 30;
constexpr double tiny = 1e-30;
using C = TrainConfig;

const Setting settings[] = {
    {"job.dump_folder", &C::runFolder, 0, 0, Resume::Free, "folder of the run"},
    {"job.device", &C::device, 0, 0, Resume::Free,
     "what to train on; empty: the default"},
    {"job.precision", &C::precision, 0, 0, Resume::Free,
     "fp32 or bf16; empty: the device's own"},
    {"job.threads", &C::threads, 0, 1024, Resume::Free,
     "threads; 0: one for each core"},
    {"job.communicator", &C::communicator, 0, 0, Resume::Free,
     "of several ranks: nccl or loopback; empty: the device's"},
    {"job.rank_timeout", &C::rankTimeout, 0.1, 1e6, Resume::Free,
     "seconds of silence after which a rank is lost"},
    {"job.start_timeout", &C::startTimeout, 0.1, 1e6, Resume::Free,
     "seconds to wait for all ranks at the start"},
    {"model.design", &C::design, 0, 0, Resume::Fixed,
     "library design, or path to a .decay file"},
    {"model.granularity", &C::granularity, 0, 0, Resume::Fixed,
     "vector or scalar"},
    {"model.sharing", &C::sharing, 0, 0, Resume::Fixed,
     "on: k follows from the decay"},
    {"model.position", &C::position, 0, 0, Resume::Fixed,
     "none, rope, lrpe_cosine or tpe"},
    {"model.compat", &C::compat, 0, 0, Resume::Fixed, "published or authors"},
    {"model.set", &C::set, 0, 0, Resume::Fixed,
     "the design's own settings: [\"p=0.9\"]"},
    {"model.hidden_size", &C::width, 1, 65536, Resume::Fixed,
     "width D of the model"},
    {"model.num_hidden_layers", &C::layers, 1, 1000, Resume::Fixed, "layers"},
    {"model.num_heads", &C::heads, 1, 65536, Resume::Fixed,
     "heads; a head is D / heads wide"},
    {"model.intermediate_size", &C::gluWidth, 0, many, Resume::Fixed,
     "GLU width; 0: 8 D / 3"},
    {"model.multiple_of", &C::gluMultiple, 1, 65536, Resume::Fixed,
     "8 D / 3 is rounded up to it"},
    {"model.gate_rank", &C::gateRank, 0, 65536, Resume::Fixed,
     "output gate; 0: head width"},
    {"model.pad_vocab_size_multiple_of", &C::vocabularyMultiple, 1, 65536,
     Resume::Fixed, "the softmax is padded to a multiple of it"},
    {"model.norm_eps", &C::normEpsilon, 0, 1, Resume::Fixed,
     "epsilon of RMSNorm"},
    {"model.norm_eps_place", &C::epsilonPlace, 0, 0, Resume::Fixed,
     "sum (the paper's) or mean"},
    {"model.initialization", &C::initialisation, 0, 0, Resume::Fixed,
     "published or huggingface"},
    {"training.dataset", &C::dataset, 0, 0, Resume::Free,
     "folder made by `decay prepare`, or of published shards"},
    {"training.batch_size", &C::batch, 1, 65536, Resume::Fixed,
     "sequences in one pass of each rank"},
    {"training.seq_len", &C::sequence, 1, 1 << 20, Resume::Fixed,
     "tokens in a sequence"},
    {"training.gradient_accumulation_steps", &C::accumulation, 1, 65536,
     Resume::Fixed, "passes for one update"},
    {"training.steps", &C::steps, 1, many, Resume::Fixed, "updates"},
    {"training.seed", &C::seed, 0, many, Resume::Fixed,
     "of weights, data order and samples"},
    {"training.max_norm", &C::maxNorm, 0, 1e9, Resume::Fixed,
     "gradient clipping; 0: none"},
    {"training.skip_nan_inf", &C::skipNonFinite, 0, 0, Resume::Fixed,
     "skip updates with NaN or Inf"},
    {"training.max_skipped", &C::mostSkipped, 1, many, Resume::Free,
     "stop after so many skipped in a row"},
    {"training.spike_factor", &C::spikeFactor, 0, 1e9, Resume::Fixed,
     "skip updates whose gradient norm or loss is so many medians; 0: none"},
    {"training.spike_window", &C::spikeWindow, 2, 100000, Resume::Fixed,
     "updates of the median"},
    {"activation_checkpoint.mode", &C::activationCheckpoint, 0, 0, Resume::Free,
     "none, or full: layers are made again in backward"},
    {"optimizer.lr", &C::rate, 0, 1e30, Resume::Fixed,
     "peak learning rate of AdamW"},
    {"optimizer.beta1", &C::beta1, 0, 0.999999, Resume::Fixed, "first moment"},
    {"optimizer.beta2", &C::beta2, 0, 0.999999, Resume::Fixed, "second moment"},
    {"optimizer.eps", &C::epsilon, tiny, 1, Resume::Fixed, "added to the root"},
    {"optimizer.weight_decay", &C::weightDecay, 0, 10, Resume::Fixed,
     "decoupled"},
    {"optimizer.weight_decay_on_design", &C::designWeightDecay, 0, 0,
     Resume::Fixed, "also on the design's own parameters"},
    {"lr_scheduler.type", &C::schedule, 0, 0, Resume::Fixed,
     "wsd, or wsd_published"},
    {"lr_scheduler.warmup_steps", &C::warmup, 0, many, Resume::Fixed,
     "linear from 0"},
    {"lr_scheduler.lr_min", &C::rateFloor, 0, 1, Resume::Fixed,
     "last rate / peak rate"},
    {"checkpoint.interval", &C::checkpointInterval, 1, many, Resume::Free,
     "steps between saves"},
    {"checkpoint.keep_latest_k", &C::keepCheckpoints, 0, many, Resume::Free,
     "0: keep all"},
    {"validation.interval", &C::validationInterval, 0, many, Resume::Fixed,
     "0: never"},
    {"validation.windows", &C::validationWindows, 1, many, Resume::Fixed,
     "sequences of validation text"},
    {"sample.interval", &C::sampleInterval, 0, many, Resume::Fixed, "0: never"},
    {"sample.tokens", &C::sampleTokens, 1, 65536, Resume::Fixed,
     "length of a sample"},
    {"sample.prompt", &C::samplePrompt, 0, 0, Resume::Fixed,
     "how samples begin"},
    {"metrics.log_freq", &C::logInterval, 1, many, Resume::Fixed,
     "steps between log lines"},
    {"metrics.peak_tflops", &C::peakTeraflops, 0, 1e9, Resume::Free,
     "for MFU; 0: the device's, if it is known"},
    {"metrics.tensorboard", &C::tensorboard, 0, 0, Resume::Free,
     "event files in RUN/tensorboard"},
};

struct Reader {
  Config &config;
  TrainConfig &into;
  const Setting &setting;
  Status operator()(int64_t TrainConfig::*member) const {
    return config.read(setting.key, into.*member,
                       static_cast<int64_t>(setting.least),
                       static_cast<int64_t>(setting.most));
  }
  Status operator()(double TrainConfig::*member) const {
    return config.read(setting.key, into.*member, setting.least, setting.most);
  }
  template <typename T> Status operator()(T TrainConfig::*member) const {
    return config.read(setting.key, into.*member);
  }
};

struct Printer {
  const TrainConfig &from;
  std::string operator()(bool TrainConfig::*member) const {
    return from.*member ? "true" : "false";
  }
  std::string operator()(std::vector<std::string> TrainConfig::*member) const {
    return fmt::format("[{}]", fmt::join(from.*member, ", "));
  }
  template <typename T> std::string operator()(T TrainConfig::*member) const {
    return fmt::format("{}", from.*member);
  }
};

/// Designs say on and off; people also write true and false.
Status readSharing(Config &config, std::string &word) {
  bool wanted = false;
  if (config.has("model.sharing") &&
      config.read("model.sharing", wanted).ok()) {
    word = wanted ? "on" : "off";
    return {};
  }
  return config.read("model.sharing", word);
}

std::map<std::string, std::string> linesOf(std::string_view canonical) {
  std::map<std::string, std::string> lines;
  std::istringstream stream{std::string(canonical)};
  for (std::string line; std::getline(stream, line);)
    if (size_t at = line.find(" = "); at != std::string::npos)
      lines[line.substr(0, at)] = line.substr(at + 3);
  return lines;
}

} // namespace

Result<TrainConfig> TrainConfig::read(Config &config) {
  TrainConfig result;
  for (const Setting &setting : settings) {
    if (std::string_view(setting.key) == "model.sharing") {
      DECAY_RETURN_IF_ERROR(readSharing(config, result.sharing));
      continue;
    }
    DECAY_RETURN_IF_ERROR(
        std::visit(Reader{config, result, setting}, setting.member));
  }
  DECAY_RETURN_IF_ERROR(config.finish());
  DECAY_RETURN_IF_ERROR(result.check(config));
  return result;
}

Status TrainConfig::check(const Config &config) const {
  auto located = [&](std::string_view key, const std::string &message) {
    return config.has(key) ? config.error(key, message)
                           : Status::user(fmt::format("{}: {}", key, message));
  };
  if (runFolder.empty())
    return located("job.dump_folder",
                   "say where the run goes: --job.dump_folder=FOLDER");
  if (dataset.empty())
    return located("training.dataset",
                   "say what to train on: --training.dataset=FOLDER, made by "
                   "`decay prepare`");
  if (!precision.empty() && precision != "fp32" && precision != "bf16")
    return located(
        "job.precision",
        fmt::format("found '{}', expected one of 'fp32', 'bf16'", precision));
  if (width % heads != 0)
    return located(
        "model.num_heads",
        fmt::format(
            "{} heads do not divide model.hidden_size = {}; choose a divisor",
            heads, width));
  if (auto place = parseEpsilonPlace(epsilonPlace); !place.ok())
    return located("model.norm_eps_place", place.status().message());
  if (auto word = parseInitialisation(initialisation); !word.ok())
    return located("model.initialization", word.status().message());
  if (activationCheckpoint != "none" && activationCheckpoint != "full")
    return located("activation_checkpoint.mode",
                   fmt::format("found '{}', expected one of 'none', 'full'",
                               activationCheckpoint));
  if (spikeFactor != 0 && spikeFactor <= 1)
    return located("training.spike_factor",
                   fmt::format("found {}, expected 0 for none, or more than 1: "
                               "a factor of the median",
                               spikeFactor));
  if (schedule != "wsd" && schedule != "wsd_published")
    return located(
        "lr_scheduler.type",
        fmt::format("found '{}', expected one of 'wsd', 'wsd_published'",
                    schedule));
  auto made = schedule == "wsd"
                  ? WsdSchedule::create(steps, warmup, rateFloor)
                  : WsdSchedule::published(steps, warmup, rateFloor);
  if (!made.ok())
    return located("lr_scheduler.warmup_steps", made.status().message());
  if (auto parts = designSettings(); !parts.ok())
    return located("model.set", parts.status().message());
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>>
TrainConfig::designSettings() const {
  std::vector<std::pair<std::string, std::string>> list;
  const std::pair<const char *, const std::string &> axes[] = {
      {"granularity", granularity},
      {"sharing", sharing},
      {"position", position},
      {"compat", compat}};
  for (const auto &[name, value] : axes)
    if (!value.empty())
      list.emplace_back(name, value);
  for (const std::string &assignment : set) {
    size_t at = assignment.find('=');
    if (at == 0 || at == std::string::npos)
      return Status::user(
          fmt::format("found '{}', expected NAME=VALUE", assignment));
    list.emplace_back(assignment.substr(0, at), assignment.substr(at + 1));
  }
  return list;
}

Result<ModelConfig> TrainConfig::model(int64_t tokens) const {
  ModelConfig model;
  model.vocabulary = (tokens + vocabularyMultiple - 1) / vocabularyMultiple *
                     vocabularyMultiple;
  model.width = width, model.layers = layers, model.heads = heads;
  model.gluWidth = gluWidth ? gluWidth : Glu::hiddenFor(width, gluMultiple);
  model.gateRank = gateRank ? gateRank : model.headWidth();
  model.norm.epsilon = static_cast<float>(normEpsilon);
  DECAY_ASSIGN_OR_RETURN(model.norm.place, parseEpsilonPlace(epsilonPlace));
  DECAY_ASSIGN_OR_RETURN(model.initialisation,
                         parseInitialisation(initialisation));
  DECAY_RETURN_IF_ERROR(model.check());
  return model;
}

std::optional<NumberType> TrainConfig::activationType() const {
  if (precision.empty())
    return std::nullopt;
  return precision == "bf16" ? NumberType::BF16 : NumberType::F32;
}

std::string TrainConfig::canonical() const {
  std::string text;
  for (const Setting &setting : settings)
    if (setting.resume == Resume::Fixed)
      text += fmt::format("{} = {}\n", setting.key,
                          std::visit(Printer{*this}, setting.member));
  return text;
}

static std::string
differenceOf(const std::map<std::string, std::string> &old,
             const std::map<std::string, std::string> &current) {
  std::vector<std::string> changes;
  for (const auto &[key, value] : current)
    if (auto was = old.find(key); was == old.end() || was->second != value)
      changes.push_back(
          fmt::format("{} is {}, was {}", key, value,
                      was == old.end() ? "not set" : was->second));
  return fmt::format("{}", fmt::join(changes, "; "));
}

std::string TrainConfig::difference(std::string_view before,
                                    std::string_view now) {
  return differenceOf(linesOf(before), linesOf(now));
}

std::string TrainConfig::differenceOfRanks(std::string_view before,
                                           int64_t ranksBefore,
                                           std::string_view now,
                                           int64_t ranksNow) {
  std::map<std::string, std::string> sides[] = {linesOf(before), linesOf(now)};
  int64_t sequences[] = {ranksBefore, ranksNow};
  for (size_t side = 0; side < 2; ++side)
    for (const char *key :
         {"training.batch_size", "training.gradient_accumulation_steps"}) {
      sequences[side] *= std::strtoll(sides[side][key].c_str(), nullptr, 10);
      sides[side].erase(key);
    }
  std::string text = differenceOf(sides[0], sides[1]);
  if (sequences[0] != sequences[1])
    text += fmt::format(
        "{}an update takes {} sequences with {} rank{}, took {} with {}: "
        "choose "
        "training.batch_size and training.gradient_accumulation_steps so that "
        "their product times the ranks is {}",
        text.empty() ? "" : "; ", sequences[1], ranksNow,
        ranksNow == 1 ? "" : "s", sequences[0], ranksBefore, sequences[0]);
  return text;
}

std::string TrainConfig::describe() {
  TrainConfig defaults;
  std::string text;
  for (const Setting &setting : settings) {
    std::string value = std::visit(Printer{defaults}, setting.member);
    text += fmt::format("  {:<38} {:<14} {}\n", setting.key,
                        value.empty() ? "-" : value, setting.help);
  }
  return text;
}

} // namespace decay::runtime
