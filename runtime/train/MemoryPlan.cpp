//===- MemoryPlan.cpp -----------------------------------------*- C++ -*-===//
#include "runtime/train/MemoryPlan.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

namespace decay::runtime {
namespace {

constexpr const char *size = "model.hidden_size, model.num_hidden_layers";
constexpr const char *rows = "training.batch_size, training.seq_len";

struct Advice {
  std::string_view group;
  const char *settings; ///< that change it
  const char *remedy;   ///< when it is the largest and too much
};
constexpr const char *fewerRows =
    "make training.batch_size smaller and "
    "training.gradient_accumulation_steps larger, or training.seq_len shorter";
constexpr const char *smallerModel =
    "make model.hidden_size or model.num_hidden_layers smaller, or train on "
    "more ranks";
constexpr Advice advices[] = {
    {"weights", size, smallerModel},
    {"gradients", size, smallerModel},
    {"optimizer", size, smallerModel},
    {"activations",
     "training.batch_size, training.seq_len, activation_checkpoint.mode",
     "make training.batch_size smaller and "
     "training.gradient_accumulation_steps larger, or training.seq_len "
     "shorter, or set activation_checkpoint.mode = \"full\""},
    {"backward", rows, fewerRows},
    {"workspace", rows, fewerRows},
    {"states", "training.batch_size; none with sample.interval = 0", fewerRows},
};

const Advice &adviceOn(std::string_view group) {
  const auto *found = std::ranges::find(advices, group, &Advice::group);
  assert(found != std::end(advices) && "every group has its settings");
  return *found;
}
} // namespace

void MemoryPlan::add(const Arena &arena) {
  for (const Arena::Group &group : arena.groups())
    groups.push_back(group);
}

void MemoryPlan::add(const LanguageModel &model) {
  add(model.plan());
  groups.push_back({"workspace", model.workspaceBytes()});
}

size_t MemoryPlan::bytes() const {
  size_t sum = 0;
  for (const Arena::Group &group : groups)
    sum += group.bytes;
  return sum;
}

std::string MemoryPlan::report() const {
  std::string text;
  for (const Arena::Group &group : groups)
    text +=
        fmt::format("  {:<16}{:>12}  {}\n", group.name,
                    formatBytes(group.bytes), adviceOn(group.name).settings);
  text += fmt::format("  {:<16}{:>12}", "total", formatBytes(bytes()));
  if (free != SIZE_MAX)
    text += fmt::format("  of {} free; {} are in use before", formatBytes(free),
                        formatBytes(used));
  return text + '\n';
}

Status MemoryPlan::check() const {
  if (bytes() <= free)
    return {};
  auto largest = std::ranges::max_element(groups, {}, &Arena::Group::bytes);
  return Status::world(fmt::format(
      "training needs {} of memory ({} bytes) and {} ({} bytes) are free; {} "
      "take {}: {}",
      formatBytes(bytes()), bytes(), formatBytes(free), free, largest->name,
      formatBytes(largest->bytes), adviceOn(largest->name).remedy));
}

std::string memoryVerdict(size_t usedBytes, size_t expectedBytes) {
  if (usedBytes == 0 || expectedBytes == 0)
    return {};
  double off =
      100 *
      (static_cast<double>(usedBytes) / static_cast<double>(expectedBytes) - 1);
  return fmt::format(
      "{} in use after the first step, {} expected ({:.1f} % {})",
      formatBytes(usedBytes), formatBytes(expectedBytes), std::fabs(off),
      off < 0 ? "less" : "more");
}

} // namespace decay::runtime
