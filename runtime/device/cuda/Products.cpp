//===- Products.cpp - Matrix products by cuBLASLt -------------------------===//

#include "runtime/device/cuda/Products.h"

#include <bit>
#include <fmt/format.h>

namespace decay::runtime {
namespace {
/// cublasLt.h's and cuda's library_types.h's numbers.
constexpr int computeFp32 = 68, scaleFp32 = 0;
constexpr int transposeOfA = 3, transposeOfB = 4;
constexpr int mostWorkspace = 1, reductionSchemes = 3;
constexpr int alignments[] = {5, 6, 7, 8}; // of A, B, C and D
/// Parts of a product are summed in the type of sums, not of the result.
constexpr uint32_t reductionInFp32 = 2;

int typeCode(NumberType type) { return type == NumberType::F32 ? 0 : 14; }

/// The largest power of two that the address is a multiple of, to 256 bytes.
uint32_t alignmentOf(const void *memory) {
  constexpr uintptr_t most = 256;
  return static_cast<uint32_t>(uintptr_t{1} << std::countr_zero(
                                   reinterpret_cast<uintptr_t>(memory) | most));
}

ConstNumbers sourceOf(const MatrixProduct &p) {
  return p.source ? p.source : ConstNumbers(p.c);
}
} // namespace

/// How one kind of product is made. Row-major C is column-major Cᵀ = op(B)ᵀ
/// op(A)ᵀ: the library's A is our B.
struct Products::Plan {
  const Cublas &cublas;
  void *product = nullptr, *a = nullptr, *b = nullptr, *c = nullptr;
  CublasHeuristic chosen = {};

  explicit Plan(const Cublas &cublas) : cublas(cublas) {}
  Plan(const Plan &) = delete;
  ~Plan() {
    for (void *layout : {a, b, c})
      if (layout)
        cublas.destroyLayout(layout);
    if (product)
      cublas.destroyProduct(product);
  }
};

Products::Products(const Cublas &cublas, void *stream, void *workspace,
                   size_t bytes)
    : cublas(cublas), stream(stream), workspace(workspace), bytes(bytes) {}

Result<std::unique_ptr<Products>> Products::create(const Cublas &cublas,
                                                   void *stream,
                                                   void *workspace,
                                                   size_t bytes) {
  std::unique_ptr<Products> products(
      new Products(cublas, stream, workspace, bytes));
  DECAY_RETURN_IF_ERROR(
      cublas.check(cublas.create(&products->handle), "cannot start cuBLAS"));
  return products;
}

Products::~Products() {
  plans.clear();
  if (handle)
    cublas.destroy(handle);
}

Products::Key Products::keyOf(const MatrixProduct &p) {
  return {p.transposeA,
          p.transposeB,
          p.M,
          p.N,
          p.K,
          p.lda,
          p.ldb,
          p.ldc,
          typeCode(p.a.type()),
          typeCode(p.c.type()),
          p.beta != 0,
          alignmentOf(p.a.data()),
          alignmentOf(p.b.data()),
          alignmentOf(sourceOf(p).data()),
          alignmentOf(p.c.data())};
}

Status Products::describe(const MatrixProduct &p, Plan &plan) const {
  auto size = [](int64_t value) { return static_cast<uint64_t>(value); };
  auto layout = [&](void *&made, NumberType type, int64_t rows, int64_t columns,
                    int64_t between) {
    return cublas.check(cublas.createLayout(&made, typeCode(type), size(rows),
                                            size(columns), between),
                        "a matrix");
  };
  auto transpose = [&](int of, bool yes) {
    int32_t value = yes ? 1 : 0;
    return cublas.check(
        cublas.setProduct(plan.product, of, &value, sizeof value),
        "a transposition");
  };
  DECAY_RETURN_IF_ERROR(cublas.check(
      cublas.createProduct(&plan.product, computeFp32, scaleFp32), "sums"));
  DECAY_RETURN_IF_ERROR(transpose(transposeOfA, p.transposeB));
  DECAY_RETURN_IF_ERROR(transpose(transposeOfB, p.transposeA));
  DECAY_RETURN_IF_ERROR(layout(plan.a, p.b.type(), p.transposeB ? p.K : p.N,
                               p.transposeB ? p.N : p.K, p.ldb));
  DECAY_RETURN_IF_ERROR(layout(plan.b, p.a.type(), p.transposeA ? p.M : p.K,
                               p.transposeA ? p.K : p.M, p.lda));
  return layout(plan.c, p.c.type(), p.N, p.M, p.ldc);
}

Status Products::choose(const MatrixProduct &p, Plan &plan) const {
  void *wishes = nullptr;
  DECAY_RETURN_IF_ERROR(
      cublas.check(cublas.createPreference(&wishes), "preferences"));
  auto wish = [&](int of, auto value) {
    return cublas.setPreference(wishes, of, &value, sizeof value);
  };
  int result = wish(mostWorkspace, static_cast<uint64_t>(bytes));
  if (p.c.type() != NumberType::F32 && result == 0)
    result = wish(reductionSchemes, reductionInFp32);
  const void *arrays[] = {p.b.data(), p.a.data(), sourceOf(p).data(),
                          p.c.data()};
  for (size_t i = 0; i < std::size(arrays) && result == 0; ++i)
    result = wish(alignments[i], alignmentOf(arrays[i]));
  int found = 0;
  if (result == 0)
    result = cublas.heuristic(handle, plan.product, plan.a, plan.b, plan.c,
                              plan.c, wishes, 1, &plan.chosen, &found);
  cublas.destroyPreference(wishes);
  if (result == 0 && found == 0)
    return Status::world("the library knows no way");
  return cublas.check(result ? result : plan.chosen.state, "no way found");
}

Result<const Products::Plan *> Products::planFor(const MatrixProduct &p) {
  std::unique_ptr<Plan> &plan = plans[keyOf(p)];
  if (plan)
    return plan.get();
  auto made = std::make_unique<Plan>(cublas);
  DECAY_RETURN_IF_ERROR(describe(p, *made));
  DECAY_RETURN_IF_ERROR(choose(p, *made));
  plan = std::move(made);
  return plan.get();
}

Status Products::multiply(const MatrixProduct &p) {
  auto named = [&](Status status) {
    return std::move(status).within(
        fmt::format("a matrix product of {} x {} x {}", p.M, p.N, p.K));
  };
  Result<const Plan *> plan = planFor(p);
  if (!plan.ok())
    return named(plan.status());
  const Plan &way = **plan;
  int result = cublas.multiply(handle, way.product, &p.alpha, p.b.data(), way.a,
                               p.a.data(), way.b, &p.beta, sourceOf(p).data(),
                               way.c, p.c.data(), way.c, &way.chosen.algorithm,
                               workspace, bytes, stream);
  return result ? named(cublas.check(result, "cuBLAS")) : Status();
}

} // namespace decay::runtime
