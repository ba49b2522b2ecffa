//===- CheckedDesign.h - A design with every question answered -*- C++ -*-===//
//
// What the checker hands to the importer: names resolved, settings chosen,
// shapes inferred, ranges proved. A graph of nodes in topological order; a node
// refers only to nodes before it.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_CHECKEDDESIGN_H
#define DECAY_DSL_CHECK_CHECKEDDESIGN_H

#include <cstdint>
#include <string>
#include <vector>

namespace decay::dsl {

/// A place in the source file, both counted from 1. Line 0: no place.
struct SourcePlace {
  unsigned line = 0;
  unsigned column = 0;
};

/// The axes that a value varies over; a missing axis broadcasts.
struct Axes {
  bool layer = false;   ///< L, cross-layer parameters only
  bool token = false;   ///< B and T together
  bool head = false;    ///< H
  bool channel = false; ///< K (for v: V)
  bool operator==(const Axes &) const = default;
};

enum class NodeKind : uint8_t {
  Constant,   ///< `value`
  Projection, ///< token-varying, `index` into CheckedDesign::projections
  Parameter,  ///< learned, `index` into CheckedDesign::parameters
  HeadIndex,  ///< 0 .. H-1, varies over head
  Heads,      ///< H
  LayerIndex, ///< 0 .. layers-1 of the layer at hand
  Layers,     ///< number of layers
  Operator,   ///< pointwise, `name` in the operator table, `operands`
  /// Inclusive scan over tokens, operands {term, initial}, `index` into
  /// carries; `name` = cumsum | logcumsumexp | latest (the term itself: its
  /// Previous is the term one token ago).
  Scan,
  Previous, ///< operands {scan node}: the scan before this token
  /// `name` = softmax | cumsum | first; the operand varies over layer.
  AcrossLayers,
  AtLayer, ///< operand's slice at the layer at hand: drops the layer axis
  /// Initialisers only: one draw per element in [a, b), operands {a, b}; the
  /// axes are the parameter's.
  Uniform,
  Normal, ///< initialisers only: operands {mean, deviation}
};

using NodeId = int32_t;
inline constexpr NodeId noNode = -1;

struct Node {
  NodeKind kind = NodeKind::Constant;
  std::string name; ///< operator, scan or layer operator
  std::vector<NodeId> operands;
  double value = 0;   ///< Constant
  int32_t index = -1; ///< Projection, Parameter, Scan
  Axes axes;
  SourcePlace place;
};

enum class Granularity : uint8_t { Vector, Scalar };
enum class Position : uint8_t { None, Rope, LrpeCosine, Tpe };
/// published: the paper's formula; authors: the published code's quirks.
enum class Compatibility : uint8_t { Published, Authors };

/// A projection of the layer's input which the model must supply, in raw form.
struct Projection {
  std::string name; ///< ASCII: q, k, v, f, ...
  enum class Kind : uint8_t { Full, LowRank, PerHead } kind = Kind::Full;
  int64_t rank = 0; ///< LowRank; 0 = the head width
  bool bias = false;
  Axes axes; ///< token x head x channel, or token x head
  SourcePlace place;
};

/// A learned parameter.
struct Parameter {
  std::string name; ///< ASCII
  Axes axes;        ///< any of layer, head, channel
  /// Over Constant, indices, Operator, Uniform, Normal.
  NodeId initialiser = noNode;
  bool weightDecay = true;
  SourcePlace place;
};

/// A value carried along the tokens beside the state.
struct Carry {
  std::string name; ///< ASCII
  Axes axes;        ///< head x channel, or head
  SourcePlace place;
};

struct Setting {
  std::string name;
  std::string value; ///< as chosen
  std::string defaultValue;
  std::string allowed; ///< for people: "(0, 1)", "vector, scalar"
};

struct CheckedDesign {
  std::string name;
  std::string base;    ///< the design that a variant overrides, or empty
  std::string summary; ///< one line
  std::string citation;
  std::string fileName; ///< for locations
  Granularity granularity = Granularity::Vector;
  bool sharing = false;
  Position position = Position::None;
  Compatibility compatibility = Compatibility::Published;
  /// granularity, sharing, position, compat, and the design's own.
  std::vector<Setting> settings;

  std::vector<Projection> projections; ///< only those which are used
  std::vector<Parameter> parameters;
  std::vector<Carry> carries;
  std::vector<Node> nodes;

  /// Exactly one of the two is set; the other follows from it.
  NodeId lambda = noNode;
  NodeId logLambda = noNode;
  NodeId q = noNode, k = noNode, v = noNode;
  /// λ in [0, 1] could not be proved: the kernels check it and name the place.
  bool checkLambdaAtRunTime = false;
};

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_CHECKEDDESIGN_H
