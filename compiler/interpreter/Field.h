//===- Field.h - Numbers over named axes, in float64 -----------*- C++ -*-===//
#ifndef DECAY_COMPILER_INTERPRETER_FIELD_H
#define DECAY_COMPILER_INTERPRETER_FIELD_H

#include "compiler/dialect/decay/DecayDialect.h"

#include <array>
#include <cstdint>
#include <vector>

namespace decay {

/// The sizes of one call, as in runtime/abi/DecayPackage.h.
struct Sizes {
  int64_t B = 1, T = 1, H = 1, K = 1, V = 1;
  /// Packed sequences: B = 1 and the elements rise from 0 to T. Else empty.
  std::vector<int64_t> cuSeqlens = {};
  int64_t layer = 0, layers = 1;
  /// Absolute position of each sequence's first token.
  int64_t position = 0;
  /// Key of the Philox generator of init_parameters.
  uint64_t seed = 0;

  int64_t sequences() const;
  int64_t of(ir::Axis axis) const;
};

/// Rows of the B * T tokens that belong together.
struct Sequence {
  int64_t first = 0, length = 0;
};
std::vector<Sequence> sequencesOf(const Sizes &sizes);

/// Dense, row-major, axes in the order of ir::Axis.
struct Layout {
  std::array<int64_t, ir::axisCount> size{}, stride{};
  int64_t count = 1;

  Layout(unsigned axes, const Sizes &sizes);
};

struct Field {
  unsigned axes = 0;
  std::vector<double> values;
  /// What float32 may be off by, in units of 2^-24; empty: exact.
  std::vector<double> bounds;

  double boundAt(size_t index) const {
    return bounds.empty() ? 0 : bounds[index];
  }
};

/// Zeros over these axes; with bounds of zero if asked.
Field makeField(unsigned axes, const Sizes &sizes, bool bounds = false);

} // namespace decay

#endif // DECAY_COMPILER_INTERPRETER_FIELD_H
