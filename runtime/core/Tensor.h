//===- Tensor.h - A view of numbers that someone else owns -----*- C++ -*-===//
//
// Pointer, shape and strides, for fp32 and int32. Strides count elements. A
// view is cheap to copy and never frees or allocates.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_TENSOR_H
#define DECAY_RUNTIME_CORE_TENSOR_H

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>

namespace decay::runtime {

template <typename T> class TensorView {
public:
  static constexpr int maxRank = 4;

  TensorView() = default;

  /// Row-major and without gaps: the last axis has stride 1.
  TensorView(T *data, std::initializer_list<int64_t> shape)
      : pointer(data), axes(static_cast<int>(shape.size())) {
    assert(axes <= maxRank);
    int axis = 0;
    for (int64_t length : shape)
      lengths[axis++] = length;
    int64_t step = 1;
    for (axis = axes - 1; axis >= 0; --axis) {
      steps[axis] = step;
      step *= lengths[axis];
    }
  }

  T *data() const { return pointer; }
  int rank() const { return axes; }
  int64_t dim(int axis) const { return assert(axis < axes), lengths[axis]; }
  int64_t stride(int axis) const { return assert(axis < axes), steps[axis]; }

  /// Elements in all.
  int64_t size() const {
    int64_t product = 1;
    for (int axis = 0; axis < axes; ++axis)
      product *= lengths[axis];
    return product;
  }

  bool isDense() const {
    int64_t step = 1;
    for (int axis = axes - 1; axis >= 0; --axis) {
      if (lengths[axis] != 1 && steps[axis] != step)
        return false;
      step *= lengths[axis];
    }
    return true;
  }

  template <typename... Index> T &operator()(Index... index) const {
    assert(static_cast<int>(sizeof...(index)) == axes);
    int64_t offset = 0;
    int axis = 0;
    ((assert(index >= 0 && index < lengths[axis]),
      offset += static_cast<int64_t>(index) * steps[axis], ++axis),
     ...);
    return pointer[offset];
  }

  /// Elements [first, first + count) of one axis, for example one of the
  /// slices of a GEMM's output. Keeps the rank.
  TensorView slice(int axis, int64_t first, int64_t count) const {
    assert(axis < axes && first >= 0 && first + count <= lengths[axis]);
    TensorView part = *this;
    part.pointer += first * steps[axis];
    part.lengths[axis] = count;
    return part;
  }

private:
  T *pointer = nullptr;
  int axes = 0;
  std::array<int64_t, maxRank> lengths{}, steps{};
};

using FloatView = TensorView<float>;
using ConstFloatView = TensorView<const float>;
using IntView = TensorView<int32_t>;

} // namespace decay::runtime

#endif // DECAY_RUNTIME_CORE_TENSOR_H
