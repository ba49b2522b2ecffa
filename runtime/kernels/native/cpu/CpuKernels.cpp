//===- CpuKernels.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/device/Device.h"
#include "runtime/kernels/native/NativeKernels.h"

#include "runtime/kernels/native/cpu/RowMath.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>

namespace decay::runtime {
namespace {

constexpr int64_t countPerTask = 1 << 15;
/// Columns that one task of a sum over rows owns: whole cache lines.
constexpr int64_t columnsPerTask = 64;

int64_t tasksFor(int64_t count, int64_t perTask) {
  return (count + perTask - 1) / perTask;
}

class CpuKernels final : public NativeKernels {
public:
  explicit CpuKernels(Device &device) : device(device) {}

  void copy(float *out, const float *in, int64_t count) override;
  void zero(float *out, int64_t count) override;
  void add(float *sum, const float *term, int64_t count) override;
  void gatherRows(RowShape shape, const int32_t *tokens, const float *table,
                  float *out) override;
  void scatterAddRows(RowShape shape, const int32_t *tokens, const float *dOut,
                      float *dTable) override;
  void rmsNorm(RowShape shape, NormOptions options, const float *x,
               const float *weight, float *y, float *scale) override;
  void rmsNormBackward(RowShape shape, const float *x, const float *weight,
                       const float *scale, const float *dy, float *dx,
                       float *dWeight, float *partials) override;
  void gatedNorm(RowShape shape, NormOptions options, const float *o,
                 const float *gate, const float *weight, float *y,
                 float *scale) override;
  void gatedNormBackward(RowShape shape, const float *o, const float *gate,
                         const float *weight, const float *scale,
                         const float *dy, float *dO, float *dGate,
                         float *dWeight, float *partials) override;
  void glu(RowShape shape, const float *ab, float *h) override;
  void gluBackward(RowShape shape, float *ab, float *dh) override;
  void addBias(RowShape shape, float *x, int64_t stride,
               const float *bias) override;
  void sumRows(RowShape shape, const float *x, int64_t stride,
               float *sums) override;
  void crossEntropy(CrossEntropyShape shape, float *logits,
                    const int32_t *targets, float *losses) override;

private:
  /// Calls body(begin, end) on slices of [0, count).
  template <typename Body>
  void slices(int64_t count, int64_t perTask, const Body &body) {
    device.parallelFor(tasksFor(count, perTask), [&](int64_t task, int64_t) {
      body(task * perTask, std::min(count, (task + 1) * perTask));
    });
  }
  template <typename Body> void eachRow(int64_t rows, const Body &body) {
    slices(rows, rowsPerBlock, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        body(r);
    });
  }
  /// body(row, sums) adds a row's share to the sums of its block; then blocks
  /// add up in order.
  template <typename Body>
  void eachRowSumming(RowShape shape, float *partials, float *sums,
                      const Body &body) {
    device.parallelFor(tasksFor(shape.rows, rowsPerBlock), [&](int64_t block,
                                                               int64_t) {
      float *mine = partials + block * shape.width;
      std::memset(mine, 0, static_cast<size_t>(shape.width) * sizeof(float));
      int64_t end = std::min(shape.rows, (block + 1) * rowsPerBlock);
      for (int64_t r = block * rowsPerBlock; r < end; ++r)
        body(r, mine);
    });
    sumRows({tasksFor(shape.rows, rowsPerBlock), shape.width}, partials,
            shape.width, sums);
  }

  Device &device;
};

float normScale(float squares, int64_t width, NormOptions options) {
  float d = static_cast<float>(width);
  float epsilon = options.place == EpsilonPlace::Sum ? options.epsilon
                                                     : options.epsilon * d;
  return std::sqrt(d) / std::sqrt(squares + epsilon);
}

void CpuKernels::copy(float *out, const float *in, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    std::memcpy(out + begin, in + begin,
                static_cast<size_t>(end - begin) * sizeof(float));
  });
}

void CpuKernels::zero(float *out, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    std::memset(out + begin, 0,
                static_cast<size_t>(end - begin) * sizeof(float));
  });
}

void CpuKernels::add(float *sum, const float *term, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    rows::add(sum + begin, term + begin, end - begin);
  });
}

void CpuKernels::gatherRows(RowShape shape, const int32_t *tokens,
                            const float *table, float *out) {
  eachRow(shape.rows, [&](int64_t r) {
    std::memcpy(out + r * shape.width, table + tokens[r] * shape.width,
                static_cast<size_t>(shape.width) * sizeof(float));
  });
}

void CpuKernels::scatterAddRows(RowShape shape, const int32_t *tokens,
                                const float *dOut, float *dTable) {
  // Split by columns: two rows may hold the same token.
  slices(shape.width, columnsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < shape.rows; ++r)
      rows::add(dTable + tokens[r] * shape.width + begin,
                dOut + r * shape.width + begin, end - begin);
  });
}

void CpuKernels::rmsNorm(RowShape shape, NormOptions options, const float *x,
                         const float *weight, float *y, float *scale) {
  eachRow(shape.rows, [&](int64_t r) {
    const float *row = x + r * shape.width;
    scale[r] =
        normScale(rows::sumOfSquares(row, shape.width), shape.width, options);
    rows::scaleBy(row, scale[r], weight, y + r * shape.width, shape.width);
  });
}

void CpuKernels::rmsNormBackward(RowShape shape, const float *x,
                                 const float *weight, const float *scale,
                                 const float *dy, float *dx, float *dWeight,
                                 float *partials) {
  eachRowSumming(shape, partials, dWeight, [&](int64_t r, float *sums) {
    int64_t at = r * shape.width;
    rows::normBackward(x + at, weight, scale[r], dy + at, dx + at, sums,
                       shape.width);
  });
}

void CpuKernels::gatedNorm(RowShape shape, NormOptions options, const float *o,
                           const float *gate, const float *weight, float *y,
                           float *scale) {
  eachRow(shape.rows, [&](int64_t r) {
    int64_t at = r * shape.width;
    float squares =
        rows::gateSumOfSquares(o + at, gate + at, y + at, shape.width);
    scale[r] = normScale(squares, shape.width, options);
    rows::scaleBy(y + at, scale[r], weight, y + at, shape.width);
  });
}

void CpuKernels::gatedNormBackward(RowShape shape, const float *o,
                                   const float *gate, const float *weight,
                                   const float *scale, const float *dy,
                                   float *dO, float *dGate, float *dWeight,
                                   float *partials) {
  eachRowSumming(shape, partials, dWeight, [&](int64_t r, float *sums) {
    int64_t at = r * shape.width;
    rows::gatedNormBackward(o + at, gate + at, weight, scale[r], dy + at,
                            dO + at, dGate + at, sums, shape.width);
  });
}

void CpuKernels::glu(RowShape shape, const float *ab, float *h) {
  eachRow(shape.rows, [&](int64_t r) {
    const float *a = ab + r * 2 * shape.width;
    rows::glu(a, a + shape.width, h + r * shape.width, shape.width);
  });
}

void CpuKernels::gluBackward(RowShape shape, float *ab, float *dh) {
  eachRow(shape.rows, [&](int64_t r) {
    float *a = ab + r * 2 * shape.width;
    rows::gluBackward(a, a + shape.width, dh + r * shape.width, shape.width);
  });
}

void CpuKernels::addBias(RowShape shape, float *x, int64_t stride,
                         const float *bias) {
  eachRow(shape.rows,
          [&](int64_t r) { rows::add(x + r * stride, bias, shape.width); });
}

void CpuKernels::sumRows(RowShape shape, const float *x, int64_t stride,
                         float *sums) {
  slices(shape.width, columnsPerTask, [&](int64_t begin, int64_t end) {
    float block[columnsPerTask];
    for (int64_t first = 0; first < shape.rows; first += rowsPerBlock) {
      std::memset(block, 0, sizeof(block));
      int64_t last = std::min(shape.rows, first + rowsPerBlock);
      for (int64_t r = first; r < last; ++r)
        rows::add(block, x + r * stride + begin, end - begin);
      rows::add(sums + begin, block, end - begin);
    }
  });
}

void CpuKernels::crossEntropy(CrossEntropyShape shape, float *logits,
                              const int32_t *targets, float *losses) {
  auto row = [&](int64_t r) {
    float *x = logits + r * shape.classes;
    int32_t target = targets[r];
    assert(target < shape.classes);
    losses[r] = 0;
    if (target < 0) {
      if (shape.gradientScale != 0)
        std::memset(x, 0, static_cast<size_t>(shape.classes) * sizeof(float));
      return;
    }
    float top = rows::largest(x, shape.classes);
    float chosen = x[target];
    bool wanted = shape.gradientScale != 0;
    float sum = wanted ? rows::exponentials(x, top, shape.classes)
                       : rows::sumOfExponentials(x, top, shape.classes);
    losses[r] = std::log(sum) + top - chosen;
    if (!wanted)
      return;
    rows::scale(x, shape.gradientScale / sum, shape.classes);
    x[target] -= shape.gradientScale;
  };
  // Rows of logits are long: a few per task keep all workers busy.
  slices(shape.rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      row(r);
  });
}

} // namespace

std::unique_ptr<NativeKernels> createCpuKernels(Device &device) {
  return std::make_unique<CpuKernels>(device);
}

} // namespace decay::runtime
