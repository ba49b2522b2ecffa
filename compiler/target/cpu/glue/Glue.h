/*===- Glue.h - Between a package's entries and its item functions
---------===//
//
// C that every package carries. It turns one launch into one call of an item
// function for each sequence and head, gives each call its memory, gathers the
// first fault and sums the parameters' gradients. Compiled to bitcode when
Decay
// is built. Valid C++ as well, so that codegen can check its tables against it.
//
//===----------------------------------------------------------------------===*/
#ifndef DECAY_COMPILER_TARGET_CPU_GLUE_GLUE_H
#define DECAY_COMPILER_TARGET_CPU_GLUE_GLUE_H

#include "runtime/abi/DecayPackage.h"

/* What one call of an item function works on. */
typedef struct GlueItem {
  int64_t sequence, head; /* the first head */
  int64_t first;          /* row of the sequence's first token among B * T */
  int64_t length;         /* tokens of the sequence */
  int64_t heads;          /* how many heads, side by side */
  int64_t partialFloats;  /* from one head's partial sums to the next's */
} GlueItem;

/* One for each head, zero before the call; the item function writes the head's
 * first violation in token order. */
typedef struct GlueItemFault {
  int64_t code; /* a DecayStatus */
  int64_t token, channel;
  double value;
} GlueItemFault;

typedef void (*GlueItemFunction)(const DecayOperand *operands,
                                 const DecayDims *dims, const GlueItem *item,
                                 float *scratch, float *partials,
                                 GlueItemFault *fault);

/* A parameter's gradient operand. Its axes are L H and K or V, any may be
 * missing; an item's partial sums have the same axes without H, densely, in
 * table order. */
typedef struct GlueReduction {
  int64_t operand; /* place of d_<parameter> among the operands */
  int64_t layer, head, key, value; /* 1: has the axis */
} GlueReduction;

typedef struct GlueEntry {
  GlueItemFunction item;
  int64_t (*scratch_floats)(const DecayDims *dims,
                            int64_t length, /* of the longest sequence */
                            int64_t heads); /* of an item */
  int64_t (*partial_floats)(const DecayDims *dims); /* NULL: no partial sums */
  int64_t once; /* 1: a single call in all, with an item of zeros */
  int64_t reduction_count;
  const GlueReduction *reductions;
} GlueEntry;

/* One row for each processor that the package holds code for, best first. */
typedef struct GlueVariant {
  int64_t host_flag; /* offset in DecayHost of the flag that must be set */
  const DecayPackage *package;
} GlueVariant;

#ifdef __cplusplus
extern "C" {
#endif

/* Emitted by codegen. */
extern const GlueVariant glueVariants[];
extern const int64_t glueVariantCount;

/* Bytes that a launch needs: per item a fault slot and partial sums, per worker
 * scratch. */
int64_t glueWorkspaceBytes(const GlueEntry *entry, const DecayDims *dims,
                           int64_t workers);

/* Runs an entry; DecayEntry::launch is this behind a trampoline that fills in
 * `entry`. */
int32_t glueLaunch(const GlueEntry *entry, const DecayOperand *operands,
                   const DecayDims *dims, void *workspace,
                   int64_t workspaceBytes, void *stream, DecayFault *fault);

#ifdef __cplusplus
}
#endif
#endif /* DECAY_COMPILER_TARGET_CPU_GLUE_GLUE_H */
