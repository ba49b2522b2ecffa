//===- Clipping.h - The norm of all gradients ------------------*- C++ -*-===//
#ifndef DECAY_RUNTIME_OPTIM_CLIPPING_H
#define DECAY_RUNTIME_OPTIM_CLIPPING_H

#include "runtime/optim/AdamW.h"

#include <span>
#include <string>

namespace decay::runtime {

/// The sum of squares over every gradient, in float64 in a fixed order: the
/// same bits for any number of workers.
double gradientSquares(NativeKernels &kernels,
                       std::span<const Parameter> parameters);

/// Its root. Finite if and only if every gradient is, so look at it before the
/// update.
double gradientNorm(NativeKernels &kernels,
                    std::span<const Parameter> parameters);

/// What gradients are multiplied by so that their norm is at most `most`:
/// min(1, most / (norm + 1e-6)), as PyTorch's clip_grad_norm_. `most` = 0 does
/// not clip.
double clippingFactor(double norm, double most);

/// Where the first gradient that is not finite stands:
/// "layers.0.attention.q_proj.weight[17] = nan", or "" when all are finite, or
/// the device fails.
std::string firstNonFinite(Device &device,
                           std::span<const Parameter> parameters);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_OPTIM_CLIPPING_H
