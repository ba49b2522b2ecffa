//===- LanguageModel.h - The decoder around any design ---------*- C++ -*-===//
//
// embedding -> (tpe) -> L × (RMSNorm -> mixer -> +, RMSNorm -> GLU -> +) ->
// RMSNorm
// -> head. The design is data: a loaded package. A training step is forward,
// loss, backward, in this order; nothing is allocated after create().
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_MODELS_LANGUAGEMODEL_H
#define DECAY_RUNTIME_NN_MODELS_LANGUAGEMODEL_H

#include "runtime/core/Arena.h"
#include "runtime/nn/layers/Classifier.h"
#include "runtime/nn/layers/Embedding.h"
#include "runtime/nn/models/Parameters.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

namespace decay::runtime {

/// The packages of a model. `tpe` is needed when the design's position is tpe.
struct ModelKernels {
  const KernelLibrary &design;
  const KernelLibrary *tpe = nullptr;
};

/// The largest call that a model is planned for.
struct RunShape {
  int64_t B = 1;
  int64_t T = 1;
  bool training = false; ///< keep what backward needs, and room for gradients
  bool states = false;   ///< room to carry states from call to call
  bool lambda = false;   ///< room for the λ of one layer
  /// In training keep of each layer its input alone, and make the rest again in
  /// backward: the same bits, less memory, a third more work.
  bool recompute = false;
  /// Blocks have room for a multiple of so many floats, zeros at the end: parts
  /// of ranks are equal.
  int64_t blockMultiple = 1;
};

/// Told in a backward pass, last to first, from which float of the block on all
/// gradients are final.
using GradientObserver = std::function<Status(int64_t offset)>;

/// Told in a forward pass, first to last, that weights before that float of the
/// block are about to be read.
using WeightObserver = std::function<Status(int64_t offset)>;

/// One call: tokens [B, T] and how it relates to the call before.
struct ForwardCall {
  const int32_t *tokens = nullptr;
  int64_t B = 1;
  int64_t T = 1;
  /// Begin with the states that the last call left, and keep those of this one
  /// (RunShape::states). Otherwise every sequence begins at zero and no state
  /// is kept.
  bool carryState = false;
  /// Receives each layer's λ ([B·T, H·K] or [B·T, H], row by row;
  /// RunShape::lambda).
  std::function<void(int64_t layer, std::span<const float> lambda)> observe;
  /// For weights that are still on their way when the call is made.
  WeightObserver weightsNeeded = {};
};

class LanguageModel {
public:
  /// Plans all memory and takes none yet. User errors: sizes that do not fit, a
  /// design that needs a positional module which is not there.
  static Result<std::unique_ptr<LanguageModel>>
  prepare(Backend backend, const ModelConfig &config, ModelKernels kernels,
          RunShape shape);
  /// Takes what was planned, once, before any other use. World error: memory.
  Status allocate();
  /// Both.
  static Result<std::unique_ptr<LanguageModel>>
  create(Backend backend, const ModelConfig &config, ModelKernels kernels,
         RunShape shape);

  /// Draws all weights from Philox streams: one per parameter's name, so that a
  /// parameter starts alike in every design that has it.
  Status initialise(uint64_t seed);

  const ModelConfig &config() const { return settings; }
  const Parameters &parameters() const { return table; }
  /// Floats that a block has room for.
  int64_t blockFloats() const;
  /// In the device's memory, as all blocks; refreshWeights() after a change.
  float *weights() const { return arena.floats(weightBlock); }
  /// What matrix products read where the device's activation type is not fp32:
  /// the weights rounded to it, with the same places. Null otherwise.
  Numbers weightCopy() const {
    return copied() ? numbers(copyBlock) : Numbers{};
  }
  void refreshWeights() { refreshWeights(0, table.blockFloats()); }
  void refreshWeights(int64_t offset, int64_t count);
  float *gradients() const { return arena.floats(gradientBlock); }
  /// The next loss and backward begin gradients(), which later ones add to; but
  /// for matrices, which they write anyway, it becomes zero.
  void beginGradients();
  const Arena &plan() const { return arena; }
  /// Of the plan and the packages' workspace.
  size_t plannedBytes() const { return arena.bytes() + workspaceBytes(); }
  /// Of the packages' workspace, also before it is allocated.
  size_t workspaceBytes() const {
    return static_cast<size_t>(std::max(workspaceNeed, workspace.bytes()));
  }
  /// The most tokens that one call may have.
  int64_t plannedTokens() const { return shape.B * shape.T; }

  Status forward(const ForwardCall &call);
  /// The sum of the losses of the last forward's tokens, in nats. Targets [B,
  /// T]; negative ones do not count. `gradientScale` != 0 also prepares
  /// backward for scale · that sum.
  double loss(const int32_t *targets, float gradientScale);
  /// The same in two calls, so that the device need not wait for the host
  /// before backward: its beginning, and the sum, which waits. A device that
  /// failed is NaN in it, and says what it was in readFaults().
  void beginLoss(const int32_t *targets, float gradientScale);
  double lossSum();
  /// Each token's loss, after their sum was asked for.
  std::span<const float> tokenLosses() const;
  /// Adds to gradients(), or begins it. After forward and loss on the same
  /// tokens.
  Status backward(const GradientObserver &finished = {});

  /// Waits for the device. Errors: what went wrong in the calls before, where
  /// they only began.
  Status readFaults();

  /// Whether the package has the output that ForwardCall::observe needs.
  bool canObserve() const;

  /// Logits [vocabulary] of one row of the last forward.
  std::span<const float> logits(int64_t row);

  /// Forgets all carried states.
  void resetStates() { tokensSeen = 0; }
  /// Tokens of each sequence that the carried states have seen.
  int64_t position() const { return tokensSeen; }

private:
  enum class StepPart : uint8_t { Forward, Loss, Backward };
  struct LayerSaved {
    Arena::Region input, mixerInput, mixerScale;
    Arena::Region stacked, gate, o, normed, scale;
    std::vector<Arena::Region> second;
    std::vector<Arena::Region> kept; ///< by the mixer's forward, if training
    Arena::Region middle, gluInput, gluScale, ab;
  };
  struct StatePlaces {
    Arena::Region state[2];
    std::vector<Arena::Region> carries[2];
  };

  LanguageModel(Backend backend, const ModelConfig &config,
                ModelKernels kernels, RunShape shape);

  void planWeights();
  void planActivations();
  LayerSaved planLayer();
  /// Operands that the design's forward can keep for backward.
  std::vector<KernelOperandInfo> keptOperands() const;
  void planBackward();
  StatePlaces planState(const Manifest &manifest, const DecayDims &dims);
  Status measureWorkspace();

  bool copied() const {
    return backend.device.activationType() != NumberType::F32;
  }
  Numbers numbers(Arena::Region region) const {
    return arena.numbers(region, backend.device.activationType());
  }
  BlockView weightView() const;
  /// Tokens where the device reads them; they stay valid as long as the host's.
  Status place(const int32_t *host, Arena::Region region,
               const int32_t *&placed);
  Status showLambda(int64_t layer, float *observed, const ForwardCall &call);

  MixerShape mixerShape() const;
  MixerCall mixerCall(int64_t layer) const;
  const LayerSaved &saved(int64_t layer) const;
  DecayMixer::Saved mixerSaved(const LayerSaved &layer) const;
  Tpe::Saved tpeSaved() const;
  MixerState stateOf(const StatePlaces &places) const;

  Status forwardAll(const ForwardCall &call);
  Status forwardEmbedding();
  Status backwardAll(const GradientObserver &finished);
  /// Begins one part of a training step, as it was begun the last time.
  Status repeat(StepPart part, float gradientScale,
                const std::function<Status()> &work);
  Status forwardTpe();
  Status forwardLayer(int64_t layer, const ForwardCall &call);
  /// The mixer and its residual: `in` to the layer's `middle`.
  Status forwardMixer(int64_t layer, Numbers in, const ForwardCall &call);
  /// What backward needs of a layer, from its kept input.
  Status recomputeLayer(int64_t layer);
  Status backwardLayer(int64_t layer);
  Status backwardTpe();

  Backend backend;
  ModelConfig settings;
  ModelKernels kernels;
  RunShape shape;
  KernelWorkspace workspace;
  int64_t workspaceNeed = 0;
  DecayMixer mixer;
  std::optional<Tpe> tpe;
  Parameters table;
  Arena arena;

  Arena::Region weightBlock, copyBlock, gradientBlock;
  Arena::Region tokenPlace, targetPlace, logitRow; ///< not on the host only
  std::vector<LayerSaved>
      layers; ///< one for each layer in training, else one for all
  std::vector<StatePlaces> states;
  std::optional<StatePlaces> tpeState;
  Arena::Region embedded, tpeO, tpeNormed, tpeScale; ///< tpe only
  Arena::Region last, lastNormed, lastScale, hidden, logitChunk, losses, lambda;
  // Backward only.
  Arena::Region dStream, dInput, dInner, dStacked, partials;
  std::vector<Arena::Region> dSecond, dLearned, dTpeLearned;

  /// By part, whether gradients begin, B, T and the gradient's scale.
  std::map<std::tuple<StepPart, bool, int64_t, int64_t, float>,
           std::unique_ptr<Recording>>
      recordings;

  std::vector<float> hostLosses, hostLogits, hostLambda;

  // The call at hand.
  const int32_t *tokens = nullptr;
  int64_t B = 0, T = 0;
  int64_t tokensSeen = 0;
  bool carrying = false;
  bool lossBegun = false;
  int parity = 0; ///< which half of the states is read
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_MODELS_LANGUAGEMODEL_H
