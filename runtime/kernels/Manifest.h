//===- Manifest.h - What a model must supply to a design -------*- C++ -*-===//
//
// The JSON of compiler/package/README.md as data. The generic model is built
// from it; nothing else tells the runtime what a design is.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_MANIFEST_H
#define DECAY_RUNTIME_KERNELS_MANIFEST_H

#include "runtime/kernels/TensorShape.h"

namespace decay::runtime {

enum class Granularity : uint8_t { Vector, Scalar };
enum class Position : uint8_t { None, Rope, LrpeCosine, Tpe };
enum class Compatibility : uint8_t { Published, Authors };

/// How a projection of the layer's input D is made.
enum class ProjectionKind : uint8_t {
  Full,    ///< D -> H x width
  LowRank, ///< D -> rank -> H x width
  PerHead, ///< D -> H
};

struct ManifestSetting {
  std::string name, value, defaultValue;
  std::string allowed; ///< for people: "(0, 1)", "vector, scalar"
};

struct ManifestProjection {
  std::string name;
  ProjectionKind kind = ProjectionKind::Full;
  int64_t rank = 0; ///< LowRank only; 0 = the head width
  bool bias = false;
  TensorShape shape;
};

struct ManifestParameter {
  std::string name;
  TensorShape shape;
  bool weightDecay = true;
  /// One tensor of the model, all layers in it; otherwise each layer has its
  /// own.
  bool acrossLayers() const { return shape.has('L'); }
};

struct ManifestCarry {
  std::string name;
  TensorShape shape;
};

struct Manifest {
  std::string design, base, summary, citation;
  std::string hash; ///< 64 hex digits
  std::string target;
  Granularity granularity = Granularity::Vector;
  bool sharing = false;
  Position position = Position::None;
  Compatibility compatibility = Compatibility::Published;
  std::vector<ManifestSetting> settings;
  std::vector<ManifestProjection> projections;
  std::vector<ManifestParameter> parameters;
  std::vector<ManifestCarry> carries;
  TensorShape stateShape;
  int64_t stateWidth = 1; ///< the state's key width W is stateWidth * K

  /// A user error naming the member that is missing or wrong. Limits: 1 MiB of
  /// text, 8 levels, 256 members in a list, names of at most 64 letters, digits
  /// and `_`.
  static Result<Manifest> parse(std::string_view text);
};

/// The words of the manifest: "vector", "lrpe_cosine", "published", "low_rank",
/// ...
std::string_view toString(Granularity value);
std::string_view toString(Position value);
std::string_view toString(Compatibility value);
std::string_view toString(ProjectionKind value);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_MANIFEST_H
