//===- Nccl.h - NVIDIA's collectives, opened at run time -------*- C++ -*-===//
//
// The few functions of libnccl that data-parallel training needs, declared
// here, as CudaDriver.h does for the driver. Types and numbers are those of
// NCCL 2 (nccl.h); results are 0 or an error that check() puts into words.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_COMMUNICATION_CUDA_NCCL_H
#define DECAY_RUNTIME_COMMUNICATION_CUDA_NCCL_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <string>
#include <vector>

namespace decay::runtime {

/// What rank 0 makes and every rank needs to meet the others. Passed by value.
struct NcclId {
  char bytes[128];
};

struct Nccl {
  int (*version)(int *version);
  int (*makeId)(NcclId *id);
  int (*join)(void **communicator, int ranks, NcclId id, int rank);
  /// Ends everything that is under way in it, and frees it.
  int (*abort)(void *communicator);
  int (*asyncError)(void *communicator, int *result);
  int (*reduceScatter)(const void *send, void *receive, size_t receiveCount,
                       int type, int operation, void *communicator,
                       void *stream);
  int (*allGather)(const void *send, void *receive, size_t sendCount, int type,
                   void *communicator, void *stream);
  const char *(*errorText)(int result);
  std::string path; ///< what was opened

  /// A world error: "<doing>: <what the library calls the result>".
  Status check(int result, const std::string &doing) const;
};

constexpr int ncclFloat32 = 7, ncclSum = 0;

/// The library, opened at the first call. Looked for in the folders of
/// DECAY_NCCL (separated by colons; a file is taken as it is), then as the
/// loader does. A world error that says what to set when it is in none. Ring
/// algorithms are asked for, unless the environment says otherwise: their sums
/// have a fixed order.
Result<const Nccl *> openNccl();

/// The names under which it is looked for, in order.
std::vector<std::string> ncclPlaces(const char *folders);

} // namespace decay::runtime

#endif // DECAY_RUNTIME_COMMUNICATION_CUDA_NCCL_H
