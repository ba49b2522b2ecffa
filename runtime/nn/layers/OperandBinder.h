//===- OperandBinder.h - A layer's arrays by the package's names -*- C++
//-*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_OPERANDBINDER_H
#define DECAY_RUNTIME_NN_LAYERS_OPERANDBINDER_H

#include "runtime/kernels/KernelLibrary.h"
#include "runtime/nn/layers/Backend.h"

#include <string>
#include <vector>

namespace decay::runtime {

/// State and carries of one layer: before the call and after it. Null: zero,
/// and not kept.
struct MixerState {
  const float *initial = nullptr;
  float *final = nullptr;
  std::vector<const float *> initialCarries;
  std::vector<float *> finalCarries;
};

/// Where a call stands: batch, time, layer, and the position of its first
/// token.
struct MixerCall {
  int64_t B = 0, T = 0;
  int64_t layer = 0, layers = 1;
  int64_t position = 0;
  bool startsGradients = false; ///< as in Backend
  int64_t rows() const { return B * T; }
};

inline NumberType numberType(DecayType type) {
  return type == DECAY_BF16 ? NumberType::BF16 : NumberType::F32;
}

/// One token with its state kept is a step; all else is a forward call.
inline KernelRole forwardRole(const MixerCall &call, const MixerState &state) {
  return call.T == 1 && state.final ? KernelRole::Step : KernelRole::Forward;
}

/// Collects operands under the names of a manifest, then calls an entry with
/// those that it knows. What was not set, or is null, is absent.
class OperandBinder {
public:
  explicit OperandBinder(const Manifest &manifest) : manifest(manifest) {}

  void set(std::string name, ConstNumbers data, int64_t rowStride = 0);
  void projection(size_t index, Slice rows);
  void projectionGradient(size_t index, Slice rows);
  void learned(const std::vector<float *> &parameters);
  void learnedGradients(const std::vector<float *> &gradients);
  void state(const MixerState &state);
  /// What forward keeps for backward, in the package's order; none of it if the
  /// list is empty.
  void kept(const KernelLibrary &kernels, const std::vector<Numbers> &places);

  /// Runs entry `role` of the package. Operands of another type than it takes
  /// go through copies, for which memory is taken at each call: a way to check,
  /// not to train.
  Status launch(const KernelLibrary &kernels, KernelRole role,
                const DecayDims &dims, KernelWorkspace &workspace,
                Backend backend) const;

private:
  const Manifest &manifest;
  struct Bound {
    std::string name;
    Numbers data;
    int64_t rowStride;
  };
  std::vector<Bound> bound;
};

/// sums[i] += terms[i] for each of the design's learned parameters.
void addLearned(Backend backend, const Manifest &manifest,
                const DecayDims &dims, const std::vector<float *> &terms,
                const std::vector<float *> &sums);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_OPERANDBINDER_H
