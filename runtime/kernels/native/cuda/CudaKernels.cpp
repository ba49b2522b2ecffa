//===- CudaKernels.cpp - The native kernels on a GPU ----------------------===//

#include "runtime/kernels/native/cuda/CudaKernels.h"

#include <cassert>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace decay::runtime {
namespace {
using gpu::blockThreads;
using gpu::Index;

constexpr const char *typed[] = {"_f32_narrow", "_f32_wide", "_bf16_narrow",
                                 "_bf16_wide"};
constexpr const char *types[] = {"_f32", "_bf16"};
constexpr const char *widths[] = {"_narrow", "_wide"};
constexpr const char *alone[] = {""};

struct KernelNames {
  const char *name;
  std::span<const char *const> variants;
};
/// By CudaKernels::Kernel.
constexpr KernelNames kernelNames[] = {
    {"gather_rows", typed},
    {"order_rows", alone},
    {"add_segments", typed},
    {"add_across_segments", alone},
    {"rms_norm", typed},
    {"rms_norm_backward", typed},
    {"rms_norm_sums", typed},
    {"gated_norm", typed},
    {"gated_norm_backward", typed},
    {"gated_norm_sums", typed},
    {"rms_norm_warps", types},
    {"gated_norm_warps", types},
    {"rms_norm_backward_warps", types},
    {"gated_norm_backward_warps", types},
    {"glu", typed},
    {"glu_backward", typed},
    {"add_bias", typed},
    {"sum_rows", typed},
    {"cross_entropy", typed},
    {"f32_to_bf16", widths},
    {"bf16_to_f32", widths},
    {"rows_f32_to_bf16", alone},
    {"rows_bf16_to_f32", alone},
    {"add_f32", alone},
    {"adamw", widths},
    {"squares", alone},
    {"sum_of_sums", alone},
};

int64_t piecesOf(int64_t count, int64_t each) {
  return (count + each - 1) / each;
}

constexpr size_t wideBytes = 16;

/// Whether arrays begin at, and rows of so many numbers keep to, the bounds
/// that wide accesses need.
bool fits(int64_t width, int64_t numbersAtOnce,
          std::initializer_list<const void *> arrays) {
  bool fit = width % numbersAtOnce == 0;
  for (const void *array : arrays)
    fit &= reinterpret_cast<uintptr_t>(array) % wideBytes == 0;
  return fit;
}

int64_t numbersAtOnce(NumberType type) {
  return static_cast<int64_t>(wideBytes) / bytesOf(type);
}

size_t variantOf(NumberType type, bool wide) {
  return (type == NumberType::BF16 ? 2 : 0) + (wide ? 1 : 0);
}

size_t variantFor(NumberType type, int64_t width,
                  std::initializer_list<const void *> arrays) {
  return variantOf(type, fits(width, numbersAtOnce(type), arrays));
}

constexpr int warpThreads = 32 * gpu::rowWarps;

size_t warpVariant(NumberType type) { return type == NumberType::BF16 ? 1 : 0; }

/// Whether one warp holds a row, given the variant that its arrays allow.
bool isHeldByWarp(NumberType type, int64_t width, size_t variant) {
  return variant % 2 == 1 &&
         width <= 32 * gpu::warpPieces * numbersAtOnce(type);
}

/// The kernel adds its epsilon to the sum of squares.
gpu::NormArguments normRecord(RowShape shape, NormOptions options) {
  gpu::NormArguments record = {};
  auto width = static_cast<float>(shape.width);
  record.rows = shape.rows, record.width = shape.width;
  record.epsilon = options.place == EpsilonPlace::Sum ? options.epsilon
                                                      : options.epsilon * width;
  record.root = std::sqrt(width);
  return record;
}
} // namespace

Result<std::unique_ptr<CudaKernels>>
CudaKernels::create(Device &device, std::unique_ptr<gpu::Launcher> launcher) {
  std::unique_ptr<CudaKernels> kernels(
      new CudaKernels(device, std::move(launcher)));
  DECAY_RETURN_IF_ERROR(kernels->findAll());
  return kernels;
}

Status CudaKernels::findAll() {
  for (const KernelNames &kernel : kernelNames) {
    handles.emplace_back();
    for (const char *variant : kernel.variants) {
      std::string name = fmt::format("{}{}", kernel.name, variant);
      DECAY_ASSIGN_OR_RETURN(void *handle, launcher->find(name.c_str()));
      handles.back().push_back(handle);
    }
  }
  return {};
}

static WorkKind kindOf(CudaKernels::Kernel kernel) {
  using Kernel = CudaKernels::Kernel;
  switch (kernel) {
  case Kernel::RmsNorm:
  case Kernel::RmsNormBackward:
  case Kernel::RmsNormSums:
  case Kernel::GatedNorm:
  case Kernel::GatedNormBackward:
  case Kernel::GatedNormSums:
  case Kernel::RmsNormWarps:
  case Kernel::GatedNormWarps:
  case Kernel::RmsNormBackwardWarps:
  case Kernel::GatedNormBackwardWarps:
  case Kernel::SumRows: // of a norm's gradient, for the most part
    return WorkKind::Norms;
  case Kernel::Glu:
  case Kernel::GluBackward:
    return WorkKind::Glu;
  case Kernel::CrossEntropy:
    return WorkKind::Loss;
  case Kernel::AdamW:
  case Kernel::Squares:
  case Kernel::SumOfSums:
    return WorkKind::Optimizer;
  default:
    return WorkKind::Other;
  }
}

template <typename Record>
void CudaKernels::launch(Kernel kernel, size_t variant, Grid grid,
                         Record record) {
  if (grid.blocks <= 0 || grid.blockRows <= 0)
    return;
  device.announce(kindOf(kernel));
  launcher->launch(handles[static_cast<size_t>(kernel)][variant], grid.blocks,
                   grid.blockRows, grid.threads, &record);
}

void CudaKernels::copy(Numbers out, ConstNumbers in, int64_t count) {
  assert(out.type() == in.type());
  device.announce(WorkKind::Other);
  // A copy within the device only fails when something before it did.
  (void)device.copy(out.data(), in.data(),
                    static_cast<size_t>(count * bytesOf(in.type())));
}

void CudaKernels::convert(Numbers out, ConstNumbers in, int64_t count) {
  if (out.type() == in.type())
    return copy(out, in, count);
  constexpr int64_t atOnce = 4;
  bool wide = fits(count, atOnce, {out.data(), in.data()});
  launch(in.type() == NumberType::F32 ? Kernel::ToBf16 : Kernel::ToF32,
         wide ? 1 : 0,
         {piecesOf(count, blockThreads * (wide ? atOnce : 1)), blockThreads},
         gpu::ConvertArguments{out.data(), in.data(), count});
}

void CudaKernels::convertRows(RowShape shape, Numbers out, int64_t outStride,
                              ConstNumbers in, int64_t inStride) {
  assert(out.type() != in.type());
  launch(in.type() == NumberType::F32 ? Kernel::RowsToBf16 : Kernel::RowsToF32,
         0, {shape.rows, gpu::rowThreads},
         gpu::ConvertRowsArguments{shape.width, out.data(), outStride,
                                   in.data(), inStride});
}

void CudaKernels::zero(Numbers out, int64_t count) {
  device.announce(WorkKind::Other);
  launcher->clear(out.data(), static_cast<size_t>(count * bytesOf(out.type())));
}

void CudaKernels::add(float *sum, const float *term, int64_t count) {
  launch(Kernel::Add, 0, {piecesOf(count, blockThreads)},
         gpu::AddArguments{sum, term, count});
}

void CudaKernels::gatherRows(RowShape shape, const int32_t *tokens,
                             ConstNumbers table, Numbers out) {
  launch(Kernel::GatherRows,
         variantFor(table.type(), shape.width, {table.data(), out.data()}),
         {shape.rows, gpu::rowThreads},
         gpu::RowsArguments{shape.rows, shape.width, tokens, table.data(),
                            out.data()});
}

void CudaKernels::scatterAddRows(RowShape shape, const int32_t *tokens,
                                 ConstNumbers dOut, float *dTable,
                                 float *scratch) {
  static_assert(gpu::rowsPerSegment == rowsPerSegment);
  // The sums come first: they keep to the bounds of wide accesses.
  const int64_t segments = piecesOf(shape.rows, rowsPerSegment);
  auto *order = reinterpret_cast<int *>(scratch + segments * shape.width);
  launch(Kernel::OrderRows, 0, {piecesOf(shape.rows, gpu::orderedRows)},
         gpu::OrderArguments{shape.rows, tokens, order});
  gpu::SegmentArguments record{shape.rows,  shape.width, tokens, order,
                               dOut.data(), dTable,      scratch};
  launch(Kernel::AddSegments,
         variantFor(dOut.type(), shape.width, {dOut.data(), dTable, scratch}),
         {segments, gpu::rowThreads}, record);
  launch(Kernel::AddAcrossSegments, 0, {segments, gpu::rowThreads}, record);
}

void CudaKernels::normForward(bool gated, NumberType type,
                              const gpu::NormArguments &record) {
  size_t variant = variantFor(type, record.width,
                              {record.x, record.gate, record.weight, record.y});
  if (isHeldByWarp(type, record.width, variant))
    return launch(gated ? Kernel::GatedNormWarps : Kernel::RmsNormWarps,
                  warpVariant(type),
                  {piecesOf(record.rows, gpu::rowWarps), warpThreads}, record);
  launch(gated ? Kernel::GatedNorm : Kernel::RmsNorm, variant,
         {record.rows, gpu::rowThreads}, record);
}

void CudaKernels::rmsNorm(RowShape shape, NormOptions options, ConstNumbers x,
                          const float *weight, Numbers y, float *scale) {
  gpu::NormArguments record = normRecord(shape, options);
  record.x = x.data(), record.weight = weight;
  record.y = y.data(), record.scale = scale;
  normForward(/*gated=*/false, x.type(), record);
}

void CudaKernels::gatedNorm(RowShape shape, NormOptions options, ConstNumbers o,
                            ConstNumbers gate, const float *weight, Numbers y,
                            float *scale) {
  gpu::NormArguments record = normRecord(shape, options);
  record.x = o.data(), record.gate = gate.data(), record.weight = weight;
  record.y = y.data(), record.scale = scale;
  normForward(/*gated=*/true, o.type(), record);
}

void CudaKernels::weightGradient(Kernel kernel, NumberType type,
                                 const gpu::NormBackwardArguments &record,
                                 float *dWeight) {
  static_assert(gpu::rowsPerSum == rowsPerBlock);
  int64_t blocks = piecesOf(record.rows, gpu::rowsPerSum);
  size_t variant = variantFor(
      type, record.width, {record.x, record.gate, record.dy, record.partials});
  int64_t each = variant % 2 ? numbersAtOnce(type) : 1;
  launch(kernel, variant,
         {piecesOf(record.width, gpu::columnThreads * each), gpu::columnThreads,
          blocks},
         record);
  sumRows({blocks, record.width}, record.partials, record.width, dWeight);
}

void CudaKernels::normBackward(bool gated, NumberType type,
                               const gpu::NormBackwardArguments &record,
                               float *dWeight) {
  size_t variant = variantFor(type, record.width,
                              {record.x, record.gate, record.weight, record.dy,
                               record.dx, record.dGate});
  if (isHeldByWarp(type, record.width, variant)) {
    int64_t blocks = piecesOf(record.rows, gpu::rowsPerSum);
    launch(gated ? Kernel::GatedNormBackwardWarps
                 : Kernel::RmsNormBackwardWarps,
           warpVariant(type), {blocks, warpThreads}, record);
    return sumRows({blocks, record.width}, record.partials, record.width,
                   dWeight);
  }
  // Before the rows: those may overwrite dy and gate.
  weightGradient(gated ? Kernel::GatedNormSums : Kernel::RmsNormSums, type,
                 record, dWeight);
  launch(gated ? Kernel::GatedNormBackward : Kernel::RmsNormBackward, variant,
         {record.rows, gpu::rowThreads}, record);
}

void CudaKernels::rmsNormBackward(RowShape shape, ConstNumbers x,
                                  const float *weight, const float *scale,
                                  ConstNumbers dy, Numbers dx, float *dWeight,
                                  float *partials) {
  gpu::NormBackwardArguments record = {};
  record.rows = shape.rows, record.width = shape.width;
  record.x = x.data(), record.weight = weight, record.scale = scale;
  record.dy = dy.data(), record.dx = dx.data(), record.partials = partials;
  normBackward(/*gated=*/false, x.type(), record, dWeight);
}

void CudaKernels::gatedNormBackward(RowShape shape, ConstNumbers o,
                                    ConstNumbers gate, const float *weight,
                                    const float *scale, ConstNumbers dy,
                                    Numbers dO, Numbers dGate, float *dWeight,
                                    float *partials) {
  gpu::NormBackwardArguments record = {};
  record.rows = shape.rows, record.width = shape.width;
  record.x = o.data(), record.gate = gate.data();
  record.weight = weight, record.scale = scale;
  record.dy = dy.data(), record.dx = dO.data(), record.dGate = dGate.data();
  record.partials = partials;
  normBackward(/*gated=*/true, o.type(), record, dWeight);
}

void CudaKernels::glu(RowShape shape, ConstNumbers ab, Numbers h) {
  size_t variant = variantFor(ab.type(), shape.width, {ab.data(), h.data()});
  int64_t each = variant % 2 ? numbersAtOnce(ab.type()) : 1;
  launch(Kernel::Glu, variant,
         {piecesOf(shape.rows * shape.width, blockThreads * each)},
         gpu::GluArguments{shape.rows, shape.width,
                           const_cast<void *>(ab.data()), h.data()});
}

void CudaKernels::gluBackward(RowShape shape, Numbers ab, Numbers dh) {
  size_t variant = variantFor(ab.type(), shape.width, {ab.data(), dh.data()});
  int64_t each = variant % 2 ? numbersAtOnce(ab.type()) : 1;
  launch(Kernel::GluBackward, variant,
         {piecesOf(shape.rows * shape.width, blockThreads * each)},
         gpu::GluArguments{shape.rows, shape.width, ab.data(), dh.data()});
}

void CudaKernels::addBias(RowShape shape, Numbers x, int64_t stride,
                          const float *bias) {
  bool wide = fits(shape.width, numbersAtOnce(x.type()), {x.data(), bias}) &&
              fits(stride, numbersAtOnce(x.type()), {});
  launch(Kernel::AddBias, variantOf(x.type(), wide),
         {shape.rows, gpu::rowThreads},
         gpu::StridedArguments{shape.rows, shape.width, stride, x.data(), bias,
                               nullptr});
}

void CudaKernels::sumRows(RowShape shape, ConstNumbers x, int64_t stride,
                          float *sums) {
  launch(
      Kernel::SumRows, variantOf(x.type(), false),
      {piecesOf(shape.width, gpu::sumColumns), gpu::sumColumns * gpu::sumLanes},
      gpu::StridedArguments{shape.rows, shape.width, stride,
                            const_cast<void *>(x.data()), nullptr, sums});
}

void CudaKernels::crossEntropy(CrossEntropyShape shape, Numbers logits,
                               const int32_t *targets, float *losses) {
  launch(Kernel::CrossEntropy,
         variantFor(logits.type(), shape.classes, {logits.data()}),
         {shape.rows, gpu::classThreads},
         gpu::CrossEntropyArguments{shape.rows, shape.classes,
                                    shape.gradientScale, logits.data(), targets,
                                    losses});
}

void CudaKernels::adamW(const AdamWFactors &f, const AdamWArrays &arrays,
                        int64_t count) {
  assert(!arrays.copy || arrays.copy.type() == NumberType::BF16);
  constexpr int64_t atOnce = wideBytes / sizeof(float);
  const bool wide = fits(atOnce, atOnce,
                         {arrays.value, arrays.firstMoment, arrays.secondMoment,
                          arrays.gradient, arrays.copy.data()});
  auto update = [&](int64_t first, int64_t last, bool wide) {
    launch(Kernel::AdamW, wide ? 1 : 0,
           {piecesOf(last - first, blockThreads * (wide ? atOnce : 1))},
           gpu::AdamWArguments{
               f.beta1, f.beta2, f.epsilon, f.gradientScale, f.firstCorrection,
               f.secondCorrection, f.rate, f.shrink, arrays.value + first,
               arrays.firstMoment + first, arrays.secondMoment + first,
               arrays.gradient + first,
               arrays.copy ? (arrays.copy + first).data() : nullptr,
               last - first});
  };
  const int64_t middle = wide ? count / atOnce * atOnce : 0;
  update(0, middle, true);
  update(middle, count, false);
}

double CudaKernels::sumOfSquares(std::span<const FloatSpan> arrays) {
  std::vector<gpu::SquareBlock> wanted;
  for (FloatSpan array : arrays)
    for (int64_t at = 0; at < array.count; at += gpu::numbersPerSum)
      wanted.push_back({array.data + at,
                        std::min<Index>(gpu::numbersPerSum, array.count - at)});
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  // The sums first, then the list of blocks.
  const size_t sumBytes = (wanted.size() + 1) * sizeof(double);
  const size_t listBytes = wanted.size() * sizeof(gpu::SquareBlock);
  if (!sums.reserve(static_cast<int64_t>(sumBytes + listBytes)).ok())
    return unknown;
  auto *results = static_cast<double *>(sums.data());
  auto *list =
      reinterpret_cast<gpu::SquareBlock *>(results + wanted.size() + 1);
  if (!device.upload(list, wanted.data(), listBytes).ok())
    return unknown;
  auto count = static_cast<Index>(wanted.size());
  gpu::SquaresArguments record{list, count, results};
  launch(Kernel::Squares, 0, {count}, record);
  launch(Kernel::SumOfSums, 0, {1}, record);
  double sum = unknown;
  if (!device.download(&sum, results + count, sizeof sum).ok())
    return unknown;
  return sum;
}

} // namespace decay::runtime
