//===- Products.h - Matrix products by cuBLASLt ----------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_DEVICE_CUDA_PRODUCTS_H
#define DECAY_RUNTIME_DEVICE_CUDA_PRODUCTS_H

#include "runtime/device/Device.h"
#include "runtime/device/cuda/Cublas.h"

#include <map>

namespace decay::runtime {

/// Queues products of one device in one stream. How the library makes a product
/// is asked once for each shape, type and alignment, and depends on nothing
/// else: the same bits at every call. Sums are fp32, also between the parts of
/// a product that is cut.
class Products {
public:
  /// `workspace` and the stream outlive the products. World errors: what the
  /// library says.
  static Result<std::unique_ptr<Products>>
  create(const Cublas &cublas, void *stream, void *workspace, size_t bytes);
  ~Products();

  /// World errors: what the library says, with the product's sizes.
  Status multiply(const MatrixProduct &product);

private:
  Products(const Cublas &cublas, void *stream, void *workspace, size_t bytes);

  /// What the library looks at: transpositions, sizes, leading dimensions,
  /// types, whether something is added, and how arrays are aligned.
  using Key = std::array<int64_t, 15>;
  static Key keyOf(const MatrixProduct &product);

  struct Plan;
  Result<const Plan *> planFor(const MatrixProduct &product);
  Status describe(const MatrixProduct &product, Plan &plan) const;
  Status choose(const MatrixProduct &product, Plan &plan) const;

  const Cublas &cublas;
  void *stream, *workspace;
  size_t bytes;
  void *handle = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DEVICE_CUDA_PRODUCTS_H
