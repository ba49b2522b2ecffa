//===- CheckpointFixture.h - A small run ------------------------*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_RUNTIME_CHECKPOINT_CHECKPOINTFIXTURE_H
#define DECAY_TEST_UNIT_RUNTIME_CHECKPOINT_CHECKPOINTFIXTURE_H

#include "runtime/checkpoint/Checkpoint.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <vector>

namespace decay::runtime {

/// Weights and moments whose every number is the step they were saved at.
struct SmallRun {
  std::vector<float> weight, moment;

  explicit SmallRun(size_t size = 100) : weight(size), moment(size) {}

  Status save(const std::filesystem::path &run, int64_t step,
              int64_t keep = 0) {
    weight.assign(weight.size(), static_cast<float>(step));
    moment.assign(moment.size(), static_cast<float>(-step));
    auto size = static_cast<int64_t>(weight.size());
    CheckpointContents contents;
    contents.model = {floatTensor("model.weight", {size}, weight.data())};
    contents.optimizer = {floatTensor("first.weight", {size}, moment.data())};
    contents.config = {{"layers", 2}};
    contents.state = {step, 10 * step, 0xffffffffffffffff, "abc", {{"n", 1}}};
    contents.files = {{"tokenizer.json", "{}\n"}};
    return saveCheckpoint(run, contents, keep);
  }

  /// The step of the newest whole checkpoint, or the failure; checks that all
  /// parts agree on it.
  static Result<int64_t> stepOf(const std::filesystem::path &path,
                                bool fallBack = false) {
    auto loaded = Checkpoint::load(path, fallBack);
    if (!loaded.ok())
      return std::move(loaded).status();
    int64_t step = loaded->state().step;
    EXPECT_EQ(loaded->state().dataPosition, 10 * step);
    EXPECT_EQ(loaded->state().seed, 0xffffffffffffffff);
    EXPECT_EQ(loaded->state().extra, Json({{"n", 1}}));
    EXPECT_EQ(loaded->config(), Json({{"layers", 2}}));
    EXPECT_EQ(loaded->files().at("tokenizer.json"), "{}\n");
    const StoredTensor *weight = loaded->model().find("model.weight");
    std::vector<float> numbers(weight->data.size() / sizeof(float));
    std::vector<TensorTarget> targets = {
        {"model.weight", weight->shape, numbers.data()}};
    Status status = readTensors(loaded->model(), targets);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(numbers.back(), static_cast<float>(step));
    return step;
  }
};

} // namespace decay::runtime

#endif // DECAY_TEST_UNIT_RUNTIME_CHECKPOINT_CHECKPOINTFIXTURE_H
