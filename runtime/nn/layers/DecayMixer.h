//===- DecayMixer.h - The token mixer of a compiled design -----*- C++ -*-===//
//
// Projections, the design's kernel, output gate, norm and Wo. What is
// projected, learned and carried is read from the package's manifest: no design
// is known here by name. The first factors of all projections and of the gate
// are stacked in one matrix, so that one product makes them all; the kernel
// reads its operands as slices of the result.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_LAYERS_DECAYMIXER_H
#define DECAY_RUNTIME_NN_LAYERS_DECAYMIXER_H

#include "runtime/nn/layers/LowRank.h"
#include "runtime/nn/layers/OperandBinder.h"
#include "runtime/nn/layers/OutputGate.h"

#include <vector>

namespace decay::runtime {

/// Sizes of a mixer: D width, H heads, K and V widths of a head.
struct MixerShape {
  int64_t width = 0, heads = 0, keyWidth = 0, valueWidth = 0;
  int64_t gateRank = 0;
  NormOptions norm;
};

class DecayMixer {
public:
  /// How one projection of the manifest is made and where it lies in the
  /// stacked product.
  struct Projection {
    std::string name;
    int64_t column = 0;  ///< first column in the stacked product
    int64_t columns = 0; ///< outputs, or the rank
    int64_t outputs = 0; ///< H·K, H·V or H
    int64_t rank = 0;    ///< 0: no second factor
    bool bias = false;
  };

  /// Arrays of weights, or of their gradients. Vectors follow the manifest's
  /// order; entries for what a projection lacks are null.
  struct Weights {
    Numbers stacked;              ///< [stackedWidth(), D]
    std::vector<Numbers> second;  ///< [outputs, rank]
    std::vector<float *> bias;    ///< [outputs]
    Numbers gateSecond;           ///< [H·V, gate rank]
    std::vector<float *> learned; ///< the design's parameters
    OutputGate::Weights output;
  };

  /// What forward leaves for backward.
  struct Saved {
    Numbers stacked;             ///< [rows, stackedWidth()]
    std::vector<Numbers> second; ///< [rows, outputs]
    Numbers gate;                ///< [rows, H·V]; its gradient after backward
    Numbers o;                   ///< [rows, H·V]
    Numbers normed;              ///< [rows, H·V]
    float *scale = nullptr;      ///< [rows]
    std::vector<Numbers> kept;   ///< as OperandBinder::kept
  };

  struct Scratch {
    Numbers dStacked;             ///< [rows, stackedWidth()]
    std::vector<Numbers> dSecond; ///< [rows, outputs]
    Numbers dO;                   ///< [rows, H·V]
    std::vector<float *> dLearned;
    float *partials = nullptr; ///< NativeKernels::partialFloats(rows, H·V)
  };

  DecayMixer(Backend backend, const KernelLibrary &kernels,
             KernelWorkspace &workspace, MixerShape shape);

  const std::vector<Projection> &projections() const { return made; }
  int64_t stackedWidth() const { return gateColumn + shape.gateRank; }
  int64_t innerWidth() const { return shape.heads * shape.valueWidth; }
  int64_t gateOffset() const { return gateColumn; }
  DecayDims dims(const MixerCall &call) const;

  /// `out` [rows, D] becomes `stream`, which it may be, with the mixer's output
  /// added. `lambda`, if not null, receives λ of every token ([rows, H·K] or
  /// [rows, H]).
  Status forward(const MixerCall &call, ConstNumbers x, const Weights &weights,
                 const Saved &saved, const MixerState &state,
                 ConstNumbers stream, Numbers out, float *lambda) const;

  /// Writes dx [rows, D], adds to the weights' gradients. States started at
  /// zero.
  Status backward(const MixerCall &call, ConstNumbers x, const Weights &weights,
                  const Saved &saved, ConstNumbers dOut, const Scratch &scratch,
                  Numbers dx, const Weights &gradients) const;

private:
  OutputGate outputGate() const {
    return {innerWidth(), shape.width, shape.norm};
  }
  Slice operandRows(size_t projection, Numbers stacked,
                    const std::vector<Numbers> &second) const;

  Backend backend;
  const KernelLibrary &kernels;
  KernelWorkspace &workspace;
  MixerShape shape;
  std::vector<Projection> made;
  int64_t gateColumn = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_DECAYMIXER_H
