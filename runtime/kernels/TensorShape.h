//===- TensorShape.h - The axes of an operand ------------------*- C++ -*-===//
//
// "B T H K" and the like, as packages and manifests write them. The axes are
// B batch, T time, H heads, K key width, V value width, N sequences, L layers,
// S slots of 64 tokens (floor(B T / 64) + N) and W, the key width of the state:
// K times the design's state width.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_TENSORSHAPE_H
#define DECAY_RUNTIME_KERNELS_TENSORSHAPE_H

#include "runtime/abi/DecayPackage.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decay::runtime {

class TensorShape {
public:
  TensorShape() = default;

  /// Axes in row-major order, separated by one space; "" is a scalar. A user
  /// error if an axis is unknown or stands twice.
  static Result<TensorShape> parse(std::string_view text);

  /// As it was written.
  const std::string &text() const { return axes; }
  bool has(char axis) const { return axes.find(axis) != std::string::npos; }

  /// The extent of each axis. `stateWidth` is the manifest's.
  std::vector<int64_t> extents(const DecayDims &dims, int64_t stateWidth) const;

  /// The product of the extents.
  int64_t elements(const DecayDims &dims, int64_t stateWidth) const;

  /// Elements of one token: the product of the axes after T. Needs a T axis.
  int64_t rowElements(const DecayDims &dims, int64_t stateWidth) const;

  /// Elements from the first to the last one, when tokens are `rowStride` apart
  /// (0: dense).
  int64_t span(const DecayDims &dims, int64_t stateWidth,
               int64_t rowStride) const;

private:
  std::string axes;
};

/// The number of sequences of a call: cu_seqlens' if packed, else B.
inline int64_t sequenceCount(const DecayDims &dims) {
  return dims.sequences > 0 ? dims.sequences : dims.B;
}

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_TENSORSHAPE_H
