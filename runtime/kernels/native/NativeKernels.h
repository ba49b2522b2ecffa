//===- NativeKernels.h - The few kernels no design changes -----*- C++ -*-===//
//
// Everything of the model that is neither a matrix product nor a compiled
// design: norms, gates, embedding, softmax loss. Layers hold no loop of their
// own; they call these, so that a second device is a second implementation.
//
// All arrays are row-major and lie in the device's memory. Arrays of Numbers
// hold the device's activation type; inside, everything is computed in fp32.
// "Adds to" means that the result is accumulated onto what the array holds;
// every other output is overwritten. The same bits for any number of workers:
// sums over rows run in blocks of a fixed size.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_NATIVEKERNELS_H
#define DECAY_RUNTIME_KERNELS_NATIVE_NATIVEKERNELS_H

#include "runtime/core/Status.h"
#include "runtime/device/Device.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace decay::runtime {

/// `rows` rows of `width` values each.
struct RowShape {
  int64_t rows = 0;
  int64_t width = 0;
};

/// Where the epsilon of an RMSNorm stands.
enum class EpsilonPlace : uint8_t {
  Sum,  ///< √D · x / √(Σx² + ε)
  Mean, ///< x / √(Σx²/D + ε)
};

struct NormOptions {
  float epsilon = 1e-5f;
  EpsilonPlace place = EpsilonPlace::Sum;
};

/// A softmax over `classes` values for each row of logits.
struct CrossEntropyShape {
  int64_t rows = 0;
  int64_t classes = 0;
  float gradientScale = 0; ///< factor of the gradient; 0: no gradient is wanted
};

/// What one AdamW update does to a number; `AdamW.h` has the formulas.
struct AdamWFactors {
  double beta1 = 0, beta2 = 0, epsilon = 0, gradientScale = 1;
  double firstCorrection = 1, secondCorrection = 1; ///< 1 / (1 - beta^n)
  double rate = 0, shrink = 1; ///< w is first multiplied by shrink
};

/// The four arrays of an update, and where the new weights go besides.
struct AdamWArrays {
  float *value = nullptr;
  const float *gradient = nullptr;
  float *firstMoment = nullptr, *secondMoment = nullptr;
  Numbers copy; ///< of the weights, in another type; null: none
};

/// An fp32 array.
struct FloatSpan {
  const float *data = nullptr;
  int64_t count = 0;
};

class NativeKernels {
public:
  virtual ~NativeKernels() = default;

  virtual void copy(Numbers out, ConstNumbers in, int64_t count) = 0;
  /// The same from any type to any other, rounded to nearest even.
  virtual void convert(Numbers out, ConstNumbers in, int64_t count) = 0;
  /// Rows of `out` and of `in` lie so many numbers apart.
  virtual void convertRows(RowShape shape, Numbers out, int64_t outStride,
                           ConstNumbers in, int64_t inStride) = 0;
  virtual void zero(Numbers out, int64_t count) = 0;
  virtual void add(float *sum, const float *term, int64_t count) = 0;

  /// out[r] = table[tokens[r]]; every token is in [0, table rows).
  virtual void gatherRows(RowShape shape, const int32_t *tokens,
                          ConstNumbers table, Numbers out) = 0;
  /// Adds dOut[r] to dTable[tokens[r]], in a fixed order. `scratch` holds
  /// scatterFloats(shape) values.
  virtual void scatterAddRows(RowShape shape, const int32_t *tokens,
                              ConstNumbers dOut, float *dTable,
                              float *scratch) = 0;

  /// y = rmsnorm(x) · weight. `scale` [rows] is kept for backward.
  virtual void rmsNorm(RowShape shape, NormOptions options, ConstNumbers x,
                       const float *weight, Numbers y, float *scale) = 0;
  /// Adds to dx and dWeight. `partials` holds partialFloats(shape) values.
  virtual void rmsNormBackward(RowShape shape, ConstNumbers x,
                               const float *weight, const float *scale,
                               ConstNumbers dy, Numbers dx, float *dWeight,
                               float *partials) = 0;

  /// y = rmsnorm(o · sigmoid(gate)) · weight.
  virtual void gatedNorm(RowShape shape, NormOptions options, ConstNumbers o,
                         ConstNumbers gate, const float *weight, Numbers y,
                         float *scale) = 0;
  /// Writes dO and dGate (dO may be dy, dGate may be gate), adds to dWeight.
  virtual void gatedNormBackward(RowShape shape, ConstNumbers o,
                                 ConstNumbers gate, const float *weight,
                                 const float *scale, ConstNumbers dy,
                                 Numbers dO, Numbers dGate, float *dWeight,
                                 float *partials) = 0;

  /// h = silu(a) · b, where each row of `ab` [rows, 2 width] is a then b.
  virtual void glu(RowShape shape, ConstNumbers ab, Numbers h) = 0;
  /// In place: ab becomes its gradient, dh becomes h, which the next weight
  /// gradient needs.
  virtual void gluBackward(RowShape shape, Numbers ab, Numbers dh) = 0;

  /// Adds bias [width] to rows that lie `stride` values apart.
  virtual void addBias(RowShape shape, Numbers x, int64_t stride,
                       const float *bias) = 0;
  /// Adds the sum over rows of x to sums [width].
  virtual void sumRows(RowShape shape, ConstNumbers x, int64_t stride,
                       float *sums) = 0;

  /// losses[r] = -log softmax(logits[r])[targets[r]] in nats; 0 where the
  /// target is negative. With a gradient scale, logits become scale · (softmax
  /// - one_hot), or 0 for those rows.
  virtual void crossEntropy(CrossEntropyShape shape, Numbers logits,
                            const int32_t *targets, float *losses) = 0;

  /// One update of `count` weights.
  virtual void adamW(const AdamWFactors &factors, const AdamWArrays &arrays,
                     int64_t count) = 0;
  /// The sum of the squares of all arrays in float64, in a fixed order. Waits
  /// for the device. NaN when the device fails.
  virtual double sumOfSquares(std::span<const FloatSpan> arrays) = 0;

  /// Scratch of the backward kernels that sum over rows.
  static int64_t partialFloats(RowShape shape) {
    return (shape.rows + rowsPerBlock - 1) / rowsPerBlock * shape.width;
  }
  static constexpr int64_t rowsPerBlock = 64;
  /// Scratch of scatterAddRows: the rows' order, and sums of segments of it.
  static int64_t scatterFloats(RowShape shape) {
    const int64_t segments = (shape.rows + rowsPerSegment - 1) / rowsPerSegment;
    return segments * (rowsPerSegment + shape.width);
  }
  static constexpr int64_t rowsPerSegment = 16;
};

/// The kernels of the device called `name`, which was created under that name
/// and outlives them. A world error when the device does not take their code.
Result<std::unique_ptr<NativeKernels>>
createNativeKernels(std::string_view name, Device &device);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_NATIVE_NATIVEKERNELS_H
