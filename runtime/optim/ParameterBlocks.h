//===- ParameterBlocks.h - Parameters cut into equal work ------*- C++ -*-===//
#ifndef DECAY_RUNTIME_OPTIM_PARAMETERBLOCKS_H
#define DECAY_RUNTIME_OPTIM_PARAMETERBLOCKS_H

#include "runtime/optim/AdamW.h"

#include <span>
#include <vector>

namespace decay::runtime {

/// Elements [first, last) of one parameter. The cut depends on sizes only, so
/// that sums made block by block have the same bits for any number of workers.
struct ParameterBlock {
  const Parameter *parameter;
  int64_t first, last;
};

std::vector<ParameterBlock> parameterBlocks(std::span<const Parameter> all);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_OPTIM_PARAMETERBLOCKS_H
