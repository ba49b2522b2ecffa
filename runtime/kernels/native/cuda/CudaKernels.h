//===- CudaKernels.h - The native kernels on a GPU -------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_KERNELS_NATIVE_CUDA_CUDAKERNELS_H
#define DECAY_RUNTIME_KERNELS_NATIVE_CUDA_CUDAKERNELS_H

#include "runtime/kernels/KernelWorkspace.h"
#include "runtime/kernels/native/NativeKernels.h"
#include "runtime/kernels/native/cuda/Arguments.h"
#include "runtime/kernels/native/cuda/Launcher.h"

#include <memory>
#include <vector>

namespace decay::runtime {

/// Queues kernels of Kernels.cu; what goes wrong is in the device's next
/// synchronise. Arrays are fp32 or bf16, and all of one call alike.
class CudaKernels final : public NativeKernels {
public:
  /// World error: a kernel that the launcher does not know. Device and launcher
  /// outlive the kernels.
  static Result<std::unique_ptr<CudaKernels>>
  create(Device &device, std::unique_ptr<gpu::Launcher> launcher);

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

  /// Of Kernels.cu: those of each type and width of accesses, then the others.
  enum class Kernel : uint8_t {
    GatherRows,
    OrderRows,
    AddSegments,
    AddAcrossSegments,
    RmsNorm,
    RmsNormBackward,
    RmsNormSums,
    GatedNorm,
    GatedNormBackward,
    GatedNormSums,
    RmsNormWarps,
    GatedNormWarps,
    RmsNormBackwardWarps,
    GatedNormBackwardWarps,
    Glu,
    GluBackward,
    AddBias,
    SumRows,
    CrossEntropy,
    ToBf16,
    ToF32,
    RowsToBf16,
    RowsToF32,
    Add,
    AdamW,
    Squares,
    SumOfSums,
  };

private:
  CudaKernels(Device &device, std::unique_ptr<gpu::Launcher> launcher)
      : device(device), launcher(std::move(launcher)), sums(device) {}
  Status findAll();

  struct Grid {
    int64_t blocks = 1;
    int threads = gpu::blockThreads;
    int64_t blockRows = 1;
  };
  template <typename Record>
  void launch(Kernel kernel, size_t variant, Grid grid, Record record);
  void normForward(bool gated, NumberType type,
                   const gpu::NormArguments &record);
  void normBackward(bool gated, NumberType type,
                    const gpu::NormBackwardArguments &record, float *dWeight);
  void weightGradient(Kernel kernel, NumberType type,
                      const gpu::NormBackwardArguments &record, float *dWeight);

  Device &device;
  std::unique_ptr<gpu::Launcher> launcher;
  std::vector<std::vector<void *>> handles; ///< by kernel and variant
  KernelWorkspace sums;
};

} // namespace decay::runtime

#endif // DECAY_RUNTIME_KERNELS_NATIVE_CUDA_CUDAKERNELS_H
