//===- Parameters.h - What a model learns, by name -------------*- C++ -*-===//
//
// The list of all learned arrays: name, shape, weight decay, how it starts, and
// its place in one block of floats. Gradients and optimiser state have the same
// layout.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_NN_MODELS_PARAMETERS_H
#define DECAY_RUNTIME_NN_MODELS_PARAMETERS_H

#include "runtime/nn/layers/DecayMixer.h"
#include "runtime/nn/layers/Glu.h"
#include "runtime/nn/layers/Tpe.h"
#include "runtime/nn/models/ModelConfig.h"

#include <optional>
#include <string>
#include <vector>

namespace decay::runtime {

/// How a parameter starts.
enum class Fill : uint8_t {
  Zero,
  One,
  TruncatedNormal, ///< deviation 0.02, cut at 3 deviations
  XavierUniform,   ///< gain 0.01
  Design,          ///< by the package's init_parameters
};

struct ParameterInfo {
  std::string name; ///< "layers.3.mixer.q.weight"
  std::vector<int64_t> shape;
  int64_t offset = 0; ///< of its first value in the block
  int64_t count = 0;
  bool weightDecay = true;
  /// Of products alone, each of which makes all of its gradient in a pass.
  bool isMatrix = false;
  Fill fill = Fill::Zero;
};

/// A block of weights or of gradients. Matrices of products may be read from a
/// copy in another type, with the same places.
struct BlockView {
  float *values = nullptr;
  Numbers matrices;

  BlockView(float *values) : values(values), matrices(values) {}
  BlockView(float *values, Numbers matrices)
      : values(values), matrices(matrices) {}
};

/// The parameters of one model, and where each layer finds its own.
class Parameters {
public:
  /// `tpe` is null when the design has no such module.
  Parameters(const ModelConfig &config, const Manifest &design,
             const DecayMixer &mixer, const Manifest *tpe);

  const std::vector<ParameterInfo> &infos() const { return list; }
  /// Floats of the block; a few between the arrays are unused and stay zero.
  int64_t blockFloats() const { return total; }
  /// Learned values.
  int64_t count() const;

  /// Views into a block of weights or gradients.
  struct Layer {
    float *mixerNorm = nullptr;
    DecayMixer::Weights mixer;
    float *gluNorm = nullptr;
    Glu::Weights glu;
  };
  Layer layer(const BlockView &block, int64_t layer) const;
  Tpe::Weights tpe(const BlockView &block) const;
  Numbers embedding(const BlockView &block) const {
    return matrix(block, embeddingIndex);
  }
  float *norm(const BlockView &block) const { return at(block, normIndex); }
  Numbers head(const BlockView &block) const {
    return matrix(block, headIndex);
  }
  /// Where a layer's arrays begin in the block, and those after all layers: the
  /// last to be used come last, so that their gradients are the first to be
  /// done.
  int64_t layerOffset(int64_t layer) const {
    return list[layers[static_cast<size_t>(layer)].mixerNorm].offset;
  }
  int64_t endOffset() const { return list[normIndex].offset; }
  bool hasTpe() const { return tpePlaces.has_value(); }

private:
  struct MixerPlaces {
    size_t stacked = 0, gateSecond = 0, norm = 0, output = 0;
    std::vector<std::optional<size_t>> second, bias;
    std::vector<size_t> learned;
  };
  struct LayerPlaces {
    size_t mixerNorm = 0, gluNorm = 0, expand = 0, shrink = 0;
    MixerPlaces mixer;
  };
  struct TpePlaces {
    std::vector<size_t> learned;
    size_t norm = 0, output = 0;
  };
  /// Where an array may begin: on a cache line, or right behind the one before.
  enum class Start : uint8_t { Aligned, Adjacent };

  size_t add(std::string name, std::vector<int64_t> shape, Fill fill,
             Start start = Start::Aligned, bool weightDecay = true);
  size_t addMatrix(std::string name, int64_t rows, int64_t columns, Fill fill,
                   Start start = Start::Aligned);
  size_t addLearned(const std::string &prefix, const Manifest &manifest,
                    const ManifestParameter &parameter, const DecayDims &dims);
  MixerPlaces addMixer(const std::string &prefix, const ModelConfig &config,
                       const Manifest &design, const DecayMixer &mixer);
  void addTpe(const ModelConfig &config, const Manifest &tpe);
  float *at(const BlockView &block, size_t index) const {
    return block.values + list[index].offset;
  }
  Numbers matrix(const BlockView &block, size_t index) const {
    return block.matrices + list[index].offset;
  }

  std::vector<ParameterInfo> list;
  std::vector<LayerPlaces> layers;
  std::vector<std::optional<size_t>>
      acrossLayers; ///< by the design's parameter
  std::optional<TpePlaces> tpePlaces;
  size_t embeddingIndex = 0, normIndex = 0, headIndex = 0;
  int64_t total = 0;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_MODELS_PARAMETERS_H
