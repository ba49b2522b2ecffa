//===- CpuKernels.cpp ------------------------------------------*- C++ -*-===//
#include "runtime/device/Device.h"
#include "runtime/kernels/native/NativeKernels.h"

#include "runtime/kernels/native/cpu/RowMath.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

namespace decay::runtime {
namespace {

constexpr int64_t countPerTask = 1 << 15;
/// Of weights updated, and of numbers whose squares are summed together.
constexpr int64_t countPerUpdate = 1 << 14;
/// Columns that one task of a sum over rows owns: whole cache lines.
constexpr int64_t columnsPerTask = 64;

int64_t tasksFor(int64_t count, int64_t perTask) {
  return (count + perTask - 1) / perTask;
}

class CpuKernels final : public NativeKernels {
public:
  explicit CpuKernels(Device &device) : device(device) {}

  void copy(Numbers out, ConstNumbers in, int64_t count) override;
  void convert(Numbers out, ConstNumbers in, int64_t count) override;
  void convertRows(RowShape shape, Numbers out, int64_t outStride,
                   ConstNumbers in, int64_t inStride) override;
  void zero(Numbers out, int64_t count) override;
  void add(float *sum, const float *term, int64_t count) override;
  void gatherRows(RowShape shape, const int32_t *tokens, ConstNumbers table,
                  Numbers out) override;
  void scatterAddRows(RowShape shape, const int32_t *tokens, ConstNumbers dOut,
                      float *dTable, float *scratch) override;
  void rmsNorm(RowShape shape, NormOptions options, ConstNumbers x,
               const float *weight, Numbers y, float *scale) override;
  void rmsNormBackward(RowShape shape, ConstNumbers x, const float *weight,
                       const float *scale, ConstNumbers dy, Numbers dx,
                       float *dWeight, float *partials) override;
  void gatedNorm(RowShape shape, NormOptions options, ConstNumbers o,
                 ConstNumbers gate, const float *weight, Numbers y,
                 float *scale) override;
  void gatedNormBackward(RowShape shape, ConstNumbers o, ConstNumbers gate,
                         const float *weight, const float *scale,
                         ConstNumbers dy, Numbers dO, Numbers dGate,
                         float *dWeight, float *partials) override;
  void glu(RowShape shape, ConstNumbers ab, Numbers h) override;
  void gluBackward(RowShape shape, Numbers ab, Numbers dh) override;
  void addBias(RowShape shape, Numbers x, int64_t stride,
               const float *bias) override;
  void sumRows(RowShape shape, ConstNumbers x, int64_t stride,
               float *sums) override;
  void crossEntropy(CrossEntropyShape shape, Numbers logits,
                    const int32_t *targets, float *losses) override;
  void adamW(const AdamWFactors &factors, const AdamWArrays &arrays,
             int64_t count) override;
  double sumOfSquares(std::span<const FloatSpan> arrays) override;

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

void CpuKernels::copy(Numbers out, ConstNumbers in, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    std::memcpy(out.floats() + begin, in.floats() + begin,
                static_cast<size_t>(end - begin) * sizeof(float));
  });
}

void CpuKernels::convert(Numbers out, ConstNumbers in, int64_t count) {
  // This device holds fp32 alone.
  copy(out, in, count);
}

void CpuKernels::convertRows(RowShape shape, Numbers out, int64_t outStride,
                             ConstNumbers in, int64_t inStride) {
  eachRow(shape.rows, [&](int64_t r) {
    std::memcpy(out.floats() + r * outStride, in.floats() + r * inStride,
                static_cast<size_t>(shape.width) * sizeof(float));
  });
}

void CpuKernels::zero(Numbers out, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    std::memset(out.floats() + begin, 0,
                static_cast<size_t>(end - begin) * sizeof(float));
  });
}

void CpuKernels::add(float *sum, const float *term, int64_t count) {
  slices(count, countPerTask, [&](int64_t begin, int64_t end) {
    rows::add(sum + begin, term + begin, end - begin);
  });
}

void CpuKernels::gatherRows(RowShape shape, const int32_t *tokens,
                            ConstNumbers table, Numbers out) {
  eachRow(shape.rows, [&](int64_t r) {
    std::memcpy(out.floats() + r * shape.width,
                table.floats() + tokens[r] * shape.width,
                static_cast<size_t>(shape.width) * sizeof(float));
  });
}

void CpuKernels::scatterAddRows(RowShape shape, const int32_t *tokens,
                                ConstNumbers dOut, float *dTable, float *) {
  // Split by columns: two rows may hold the same token.
  slices(shape.width, columnsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < shape.rows; ++r)
      rows::add(dTable + tokens[r] * shape.width + begin,
                dOut.floats() + r * shape.width + begin, end - begin);
  });
}

void CpuKernels::rmsNorm(RowShape shape, NormOptions options, ConstNumbers x,
                         const float *weight, Numbers y, float *scale) {
  eachRow(shape.rows, [&](int64_t r) {
    const float *row = x.floats() + r * shape.width;
    scale[r] =
        normScale(rows::sumOfSquares(row, shape.width), shape.width, options);
    rows::scaleBy(row, scale[r], weight, y.floats() + r * shape.width,
                  shape.width);
  });
}

void CpuKernels::rmsNormBackward(RowShape shape, ConstNumbers x,
                                 const float *weight, const float *scale,
                                 ConstNumbers dy, Numbers dx, float *dWeight,
                                 float *partials) {
  eachRowSumming(shape, partials, dWeight, [&](int64_t r, float *sums) {
    int64_t at = r * shape.width;
    rows::normBackward(x.floats() + at, weight, scale[r], dy.floats() + at,
                       dx.floats() + at, sums, shape.width);
  });
}

void CpuKernels::gatedNorm(RowShape shape, NormOptions options, ConstNumbers o,
                           ConstNumbers gate, const float *weight, Numbers y,
                           float *scale) {
  eachRow(shape.rows, [&](int64_t r) {
    int64_t at = r * shape.width;
    float *row = y.floats() + at;
    float squares = rows::gateSumOfSquares(o.floats() + at, gate.floats() + at,
                                           row, shape.width);
    scale[r] = normScale(squares, shape.width, options);
    rows::scaleBy(row, scale[r], weight, row, shape.width);
  });
}

void CpuKernels::gatedNormBackward(RowShape shape, ConstNumbers o,
                                   ConstNumbers gate, const float *weight,
                                   const float *scale, ConstNumbers dy,
                                   Numbers dO, Numbers dGate, float *dWeight,
                                   float *partials) {
  eachRowSumming(shape, partials, dWeight, [&](int64_t r, float *sums) {
    int64_t at = r * shape.width;
    rows::gatedNormBackward(o.floats() + at, gate.floats() + at, weight,
                            scale[r], dy.floats() + at, dO.floats() + at,
                            dGate.floats() + at, sums, shape.width);
  });
}

void CpuKernels::glu(RowShape shape, ConstNumbers ab, Numbers h) {
  eachRow(shape.rows, [&](int64_t r) {
    const float *a = ab.floats() + r * 2 * shape.width;
    rows::glu(a, a + shape.width, h.floats() + r * shape.width, shape.width);
  });
}

void CpuKernels::gluBackward(RowShape shape, Numbers ab, Numbers dh) {
  eachRow(shape.rows, [&](int64_t r) {
    float *a = ab.floats() + r * 2 * shape.width;
    rows::gluBackward(a, a + shape.width, dh.floats() + r * shape.width,
                      shape.width);
  });
}

void CpuKernels::addBias(RowShape shape, Numbers x, int64_t stride,
                         const float *bias) {
  eachRow(shape.rows, [&](int64_t r) {
    rows::add(x.floats() + r * stride, bias, shape.width);
  });
}

void CpuKernels::sumRows(RowShape shape, ConstNumbers x, int64_t stride,
                         float *sums) {
  slices(shape.width, columnsPerTask, [&](int64_t begin, int64_t end) {
    float block[columnsPerTask];
    for (int64_t first = 0; first < shape.rows; first += rowsPerBlock) {
      std::memset(block, 0, sizeof(block));
      int64_t last = std::min(shape.rows, first + rowsPerBlock);
      for (int64_t r = first; r < last; ++r)
        rows::add(block, x.floats() + r * stride + begin, end - begin);
      rows::add(sums + begin, block, end - begin);
    }
  });
}

void CpuKernels::crossEntropy(CrossEntropyShape shape, Numbers logits,
                              const int32_t *targets, float *losses) {
  auto row = [&](int64_t r) {
    float *x = logits.floats() + r * shape.classes;
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

void CpuKernels::adamW(const AdamWFactors &f, const AdamWArrays &arrays,
                       int64_t count) {
  slices(count, countPerUpdate, [&](int64_t begin, int64_t end) {
    float *__restrict value = arrays.value;
    float *__restrict first = arrays.firstMoment;
    float *__restrict second = arrays.secondMoment;
    const float *__restrict gradient = arrays.gradient;
    for (int64_t i = begin; i < end; ++i) {
      double g = gradient[i] * f.gradientScale;
      double m = f.beta1 * first[i] + (1 - f.beta1) * g;
      double v = f.beta2 * second[i] + (1 - f.beta2) * g * g;
      double change = m * f.firstCorrection /
                      (std::sqrt(v * f.secondCorrection) + f.epsilon);
      value[i] = static_cast<float>(value[i] * f.shrink - f.rate * change);
      first[i] = static_cast<float>(m);
      second[i] = static_cast<float>(v);
    }
  });
  if (arrays.copy)
    convert(arrays.copy, arrays.value, count);
}

double CpuKernels::sumOfSquares(std::span<const FloatSpan> arrays) {
  std::vector<FloatSpan> blocks;
  for (FloatSpan array : arrays)
    for (int64_t begin = 0; begin < array.count; begin += countPerUpdate)
      blocks.push_back(
          {array.data + begin, std::min(countPerUpdate, array.count - begin)});
  std::vector<double> sums(blocks.size());
  device.parallelFor(static_cast<int64_t>(blocks.size()),
                     [&](int64_t index, int64_t) {
                       FloatSpan block = blocks[static_cast<size_t>(index)];
                       // Eight chains, because one alone waits for each
                       // addition.
                       double partial[8] = {};
                       for (int64_t i = 0; i < block.count; ++i) {
                         double x = block.data[i];
                         partial[i % 8] += x * x;
                       }
                       double sum = 0;
                       for (double part : partial)
                         sum += part;
                       sums[static_cast<size_t>(index)] = sum;
                     });
  double total = 0;
  for (double sum : sums)
    total += sum;
  return total;
}

} // namespace

Result<std::unique_ptr<NativeKernels>> createCpuKernels(Device &device) {
  return std::unique_ptr<NativeKernels>(std::make_unique<CpuKernels>(device));
}

} // namespace decay::runtime
