/*===- DecayPackage.h - Where compiled designs and callers meet -----------===//
//
// Plain C, versioned, free of all but standard includes. A package is one
// shared library that exports `decay_package_query`. It never allocates, never
// prints, keeps no state but code that a device has loaded, and reads or writes
// only the memory that a call hands it.
//
// Sizes: B batch, T time, H heads, K key width, V value width, N sequences,
// L layers, S slots of 64 tokens: floor(B T / 64) + N. Tensors are dense in all
// axes but the row: operand [B, T, H, D] has element (b, t, h, d) at
// data[(b * T + t) * row_stride + h * D + d].
//
//===----------------------------------------------------------------------===*/
#ifndef DECAY_RUNTIME_ABI_DECAYPACKAGE_H
#define DECAY_RUNTIME_ABI_DECAYPACKAGE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DECAY_ABI_VERSION 3u
#define DECAY_PACKAGE_QUERY_SYMBOL "decay_package_query"

/* Sizes of one call. */
typedef struct DecayDims {
  int64_t B, T, H, K, V;
  /* Packed sequences: B = 1 and cu_seqlens[0..sequences] rises from 0 to T.
   * Not packed: sequences = 0, cu_seqlens = NULL, and N = B. cu_seqlens lies
   * where the operands do (DecayPackage::memory). */
  int64_t sequences;
  const int64_t *cu_seqlens;
  /* The layer at hand, counted from 0, and their number. */
  int64_t layer, layers;
  int64_t position; /* absolute position of each sequence's first token */
  uint64_t seed;    /* init_parameters only: key of the Philox generator */
} DecayDims;

/* One tensor of a call. data = NULL says that an optional operand is absent. */
typedef struct DecayOperand {
  void *data;
  /* Elements between tokens; 0 = dense. Only for operands with a T axis. */
  int64_t row_stride;
} DecayOperand;

typedef enum DecayType { DECAY_F32 = 0, DECAY_BF16 = 1 } DecayType;

typedef enum DecayAccess { DECAY_READ = 0, DECAY_WRITE = 1 } DecayAccess;

/* What a launch expects at one place of its operand list. */
typedef struct DecayOperandInfo {
  const char *name; /* "q", "f", "delta", "initial_state", "d_q", ... */
  /* Axes from B T H K V N L S and W (key width of the state: K, or 2 K under
   * lrpe_cosine), e.g. "B T H K", "H K", "N H W V". */
  const char *shape;
  int32_t type;   /* DecayType */
  int32_t access; /* DecayAccess */
  /* 1: may be absent. Absent states are zero, absent gradients of outputs are
   * zero, absent outputs are not written. What forward wrote to "kept_..." may
   * be handed to a backward with the same inputs and sizes, which then need not
   * make it again; in which order the numbers lie is the package's business. */
  int32_t optional;
} DecayOperandInfo;

typedef enum DecayStatus {
  DECAY_OK = 0,
  DECAY_LAMBDA_OUT_OF_RANGE = 1, /* fault says which element */
  DECAY_WORKSPACE_TOO_SMALL = 2,
  DECAY_SIZE_OUT_OF_RANGE = 3,
  DECAY_HEAD_DIMS_NOT_SUPPORTED = 4, /* no code for this K and V */
  DECAY_OPERAND_MISSING = 5,
  DECAY_ROW_STRIDE_NOT_SUPPORTED = 6,
  DECAY_NOT_ALIGNED = 7,
  DECAY_NOT_DEVICE_MEMORY = 8, /* of the current device */
  DECAY_BAD_SEQUENCES = 9,     /* cu_seqlens and sequences contradict */
  DECAY_NO_DRIVER = 10,        /* or no device, or an old driver */
  DECAY_DEVICE_NOT_SUPPORTED = 11,
  DECAY_DEVICE_FAILED = 12 /* what the driver said is in the message */
} DecayStatus;

#define DECAY_MESSAGE_BYTES 256

/* Details of a status other than DECAY_OK. */
typedef struct DecayFault {
  /* DECAY_LAMBDA_OUT_OF_RANGE: the first element in index order. token counts
   * within its sequence. */
  int64_t sequence, token, head, channel;
  double value;
  /* The place of the operand at fault among the entry's; -1: none. */
  int64_t operand;
  /* One line for people: what was found, and what was expected. "" where the
   * fields above say all. */
  char message[DECAY_MESSAGE_BYTES];
} DecayFault;

/* How a CPU package spreads its work: calls task(closure, index, worker) once
 * for each index in [0, count), with worker in [0, workers). Results do not
 * depend on who takes which index. Passed as `stream`; NULL runs everything in
 * the caller. */
typedef struct DecayTaskRunner {
  void *context;
  int64_t workers;
  void (*run)(void *context, int64_t count,
              void (*task)(void *closure, int64_t index, int64_t worker),
              void *closure);
} DecayTaskRunner;

typedef struct DecayEntry {
  const char *role; /* "forward", "backward", "step", "init_parameters" */
  int32_t operand_count;
  const DecayOperandInfo *operands;
  /* Bytes of scratch memory for a call with these sizes and so many workers. */
  int64_t (*workspace_bytes)(const DecayDims *dims, int64_t workers);
  /* Runs the entry. `operands` has operand_count elements in the order above;
   * `workspace` is aligned to 64 bytes, or as the device allocates. Host
   * memory: the caller has checked all operands, and the entry is done on
   * return. Device memory: the package checks what can be known without
   * waiting, and queues the entry on `stream`, which is the device's own; the
   * workspace's first 64 bytes are zero before its first use. `fault` may be
   * NULL. */
  int32_t (*launch)(const DecayOperand *operands, const DecayDims *dims,
                    void *workspace, int64_t workspace_bytes, void *stream,
                    DecayFault *fault);
  /* Waits for `stream` and says what went wrong in launches with this workspace
   * since the last call. NULL: launch has said it. */
  int32_t (*read_fault)(void *workspace, void *stream, DecayFault *fault);
} DecayEntry;

/* Where operands, cu_seqlens and workspaces lie. */
typedef enum DecayMemory {
  DECAY_HOST_MEMORY = 0,
  DECAY_DEVICE_MEMORY = 1
} DecayMemory;

typedef struct DecayPackage {
  uint32_t version; /* DECAY_ABI_VERSION */
  int32_t memory;   /* DecayMemory */
  const char *design;
  /* Of source, settings, compiler and target: 64 hex digits. */
  const char *hash;
  const char *target;  /* "cpu", ... */
  const char *variant; /* what the host was matched to: "avx512", "avx2", ... */
  const char *manifest; /* JSON: what a model must supply */
  int32_t entry_count;
  const DecayEntry *entries;
} DecayPackage;

/* What the loader knows of the machine. */
typedef struct DecayHost {
  uint32_t has_avx2_fma; /* and bmi2, f16c: x86-64-v3 */
  uint32_t has_avx512;   /* f, bw, cd, dq, vl: x86-64-v4 */
} DecayHost;

/* NULL: the package cannot serve a caller of this version on this host. */
typedef const DecayPackage *(*DecayPackageQuery)(uint32_t version,
                                                 const DecayHost *host);

#ifdef __cplusplus
}
#endif
#endif /* DECAY_RUNTIME_ABI_DECAYPACKAGE_H */
