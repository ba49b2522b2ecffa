//===- Backend.h - What a layer computes with ------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_NN_LAYERS_BACKEND_H
#define DECAY_RUNTIME_NN_LAYERS_BACKEND_H

#include "runtime/device/Device.h"
#include "runtime/kernels/native/NativeKernels.h"

namespace decay::runtime {

/// A device and the native kernels for it. Both outlive every layer that uses
/// them.
struct Backend {
  Device &device;
  NativeKernels &kernels;
  /// Whether gradients of matrices begin with what is made, whatever was there;
  /// else it is added.
  bool startsGradients = false;
};

/// Rows of values that lie `stride` apart: an array, or some columns of one.
struct Slice {
  Numbers data;
  int64_t stride = 0;

  Slice from(int64_t column) const { return {data + column, stride}; }
};

/// The rows of a dense array that a layer only reads.
inline Slice rowsOf(ConstNumbers data, int64_t width) {
  return {{const_cast<void *>(data.data()), data.type()}, width};
}

} // namespace decay::runtime

#endif // DECAY_RUNTIME_NN_LAYERS_BACKEND_H
