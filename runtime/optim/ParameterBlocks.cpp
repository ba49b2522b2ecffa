//===- ParameterBlocks.cpp - Parameters cut into equal work ---------------===//

#include "runtime/optim/ParameterBlocks.h"

#include <algorithm>

namespace decay::runtime {

std::vector<ParameterBlock> parameterBlocks(std::span<const Parameter> all) {
  constexpr int64_t elements = 1 << 14;
  std::vector<ParameterBlock> blocks;
  for (const Parameter &parameter : all)
    for (int64_t first = 0; first < parameter.size; first += elements)
      blocks.push_back(
          {&parameter, first, std::min(first + elements, parameter.size)});
  return blocks;
}

} // namespace decay::runtime
