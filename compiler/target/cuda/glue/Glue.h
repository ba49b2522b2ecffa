/*===- Glue.h - A package's side of the GPU -------------------------------===//
//
// C that every package carries: it checks a call, opens the driver and the code
// at the first launch, and queues the kernels of an entry. Compiled to bitcode
// when Decay is built. Valid C++ as well, so that codegen can check its tables
// against it.
//
//===----------------------------------------------------------------------===*/
#ifndef DECAY_COMPILER_TARGET_CUDA_GLUE_GLUE_H
#define DECAY_COMPILER_TARGET_CUDA_GLUE_GLUE_H

#include "runtime/abi/DecayPackage.h"

#define GLUE_MOST_OPERANDS 128
#define GLUE_WORKSPACE_ALIGNMENT 256
#define GLUE_SLOT_TOKENS 64
/* Of an H100 and an H200; not asked of the card, so that all cut sequences at
 * the same places and add up in the same order. */
#define GLUE_MULTIPROCESSORS 132

/* Sizes of a call by place: B T H K V N L; S, slots of chunks; G, segments of a
 * sequence; J, joints between them. */
enum { GLUE_SEQUENCES = 5, GLUE_SEGMENTS = 8, GLUE_AXES = 10 };

/* number * the product of each size to its power. */
typedef struct GlueProduct {
  int64_t number;
  uint8_t powers[GLUE_AXES];
} GlueProduct;

/* outer * ceil(inner / divisor) */
typedef struct GlueExtent {
  GlueProduct outer, inner;
  int64_t divisor;
} GlueExtent;

/* What an operand must be, beyond DecayOperandInfo. */
typedef struct GlueOperandRule {
  GlueProduct row;      /* elements of a token; number = 0: no time axis */
  int64_t row_multiple; /* of which a row stride must be a multiple */
  int64_t alignment;    /* of the data, in bytes */
  int64_t is_kept;      /* by forward, for backward */
} GlueOperandRule;

/* A kernel on the devices that have it; zero when the package is opened. */
typedef struct GlueLoaded {
  void *function;
  uint64_t devices; /* a bit for each that is ready */
} GlueLoaded;

/* When an entry's sequences are cut into segments; blocks = 0: never. */
typedef struct GlueSchedule {
  int64_t blocks; /* in a multiprocessor at a time */
  int64_t whole, cut, launch, joint, behind;
} GlueSchedule;

typedef struct GlueKernel {
  const char *name;
  const void *image;  /* a cubin, or PTX that ends in a zero */
  int64_t key, value; /* the head dims that it serves; 0: any */
  int64_t threads, shared_bytes;
  int64_t kept; /* 1: only where callers give what forward keeps; -1: only where
                   they do not; 0: either way */
  GlueExtent grid[3];
  GlueSchedule schedule;
  GlueLoaded *loaded;
} GlueKernel;

/* A stretch of the workspace. The first is the fault slot. */
typedef struct GluePart {
  GlueExtent elements;
  int64_t bytes; /* of an element */
} GluePart;

typedef struct GlueEntry {
  const DecayOperandInfo *operands;
  const GlueOperandRule *rules;
  int64_t operand_count;
  const GluePart *parts;
  int64_t part_count;
  const GlueKernel *kernels; /* in the order in which they run */
  int64_t kernel_count;
  int64_t single_token;  /* 1: T must be 1 */
  const char *head_dims; /* for messages: "K = V = 64, ..." */
} GlueEntry;

/* The end of what a kernel takes; before it stand the operands with their row
 * strides resolved. */
typedef struct GlueLaunchSizes {
  int64_t B, T, H, K, V, N, layer, layers, position;
  uint64_t seed;
  const int64_t *cu_seqlens;
  void *workspace;
  int64_t segments, segment_tokens;
} GlueLaunchSizes;

/* The start of a workspace, written by kernels. */
typedef struct GlueFaultSlot {
  int32_t lock;
  int32_t code; /* DecayStatus; 0: none */
  int64_t sequence, token, head, channel;
  double value;
  int64_t layer, unused;
} GlueFaultSlot;

/* A call under way. */
typedef struct GlueCall {
  const GlueEntry *entry;
  const DecayOperand *operands;
  const DecayDims *dims;
  void *workspace;
  int64_t workspace_bytes;
  void *stream;
  DecayFault *fault;
  int64_t sizes[GLUE_AXES];
} GlueCall;

#ifdef __cplusplus
extern "C" {
#endif

/* Emitted by codegen. */
extern const DecayPackage gluePackage;

/* -1: beyond what fits in 62 bits. */
int64_t glueProduct(const GlueProduct *product, const int64_t *sizes);
int64_t glueExtent(const GlueExtent *extent, const int64_t *sizes);
void glueSizes(const GlueEntry *entry, const DecayDims *dims, int64_t *sizes);

/* Chunks in a segment, for sequences of so many; items is N H. */
int64_t glueSegmentChunks(const GlueSchedule *schedule, int64_t items,
                          int64_t chunks, int64_t multiprocessors);
/* Tokens in a segment of the call's sequences. */
int64_t glueSegmentTokens(const GlueEntry *entry, const DecayDims *dims);

/* All that can be known of a call without a device. */
int32_t glueCheck(const GlueCall *call);
/* Whether operands and workspace lie in the current device's memory. */
int32_t glueCheckMemory(const GlueCall *call, int device);

/* Fills in the fault, if there is one, and returns the status. */
int32_t glueRefuse(DecayFault *fault, int32_t status, int64_t operand,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Opens the driver, once, and finds out the current device. */
int32_t glueOpenDriver(DecayFault *fault, int *device);
/* The kernel's function on the device, loaded if it is not. */
int32_t glueLoad(const GlueKernel *kernel, int device, void **function,
                 DecayFault *fault);
/* DECAY_DEVICE_FAILED with what the driver calls `result`. */
int32_t glueDriverFailed(DecayFault *fault, const char *doing, int result);

/* What DecayEntry's functions are, behind a trampoline that fills in `entry`.
 */
int64_t glueWorkspaceBytes(const GlueEntry *entry, const DecayDims *dims,
                           int64_t workers);
int32_t glueLaunch(const GlueEntry *entry, const DecayOperand *operands,
                   const DecayDims *dims, void *workspace,
                   int64_t workspaceBytes, void *stream, DecayFault *fault);
int32_t glueReadFault(void *workspace, void *stream, DecayFault *fault);

#ifdef __cplusplus
}
#endif
#endif /* DECAY_COMPILER_TARGET_CUDA_GLUE_GLUE_H */
