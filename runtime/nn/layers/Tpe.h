//===- Tpe.h - Position from a recurrence over the embedding ---*- C++ -*-===//
//
// The module that position = tpe puts between embedding and first layer: a
// package whose one projection is the embedding itself, then RMSNorm and Wo. No
// residual goes around it.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_LAYERS_TPE_H
#define DECAY_RUNTIME_NN_LAYERS_TPE_H

#include "runtime/nn/layers/DecayMixer.h"
#include "runtime/nn/layers/RmsNorm.h"

namespace decay::runtime {

class Tpe {
public:
  struct Weights {
    std::vector<float *> learned;
    float *norm = nullptr; ///< [D]
    Numbers output;        ///< [D, D]
  };
  struct Saved {
    Numbers o;              ///< [rows, D]
    Numbers normed;         ///< [rows, D]
    float *scale = nullptr; ///< [rows]
  };
  struct Scratch {
    Numbers dNormed; ///< [rows, D]
    Numbers dO;      ///< [rows, D]
    std::vector<float *> dLearned;
    float *partials = nullptr;
  };

  /// A user error if the package asks for more than one projection or another
  /// width.
  static Result<Tpe> create(Backend backend, const KernelLibrary &kernels,
                            KernelWorkspace &workspace, MixerShape shape);

  DecayDims dims(const MixerCall &call) const;

  /// out [rows, D] is overwritten.
  Status forward(const MixerCall &call, ConstNumbers x, const Weights &weights,
                 const Saved &saved, const MixerState &state,
                 Numbers out) const;
  /// Writes dx, adds to the weights' gradients.
  Status backward(const MixerCall &call, ConstNumbers x, const Weights &weights,
                  const Saved &saved, ConstNumbers dOut, const Scratch &scratch,
                  Numbers dx, const Weights &gradients) const;

private:
  Tpe(Backend backend, const KernelLibrary &kernels, KernelWorkspace &workspace,
      MixerShape shape)
      : backend(backend), kernels(&kernels), workspace(&workspace),
        shape(shape) {}

  Backend backend;
  const KernelLibrary *kernels;
  KernelWorkspace *workspace;
  MixerShape shape;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_TPE_H
