/*===- Extents.c - Sizes that depend on a call ----------------------------===*/
#include "compiler/target/cuda/glue/Glue.h"

static const int64_t most = (int64_t)1 << 62;

static int64_t multiply(int64_t x, int64_t y) {
  int64_t product;
  return x < 0 || y < 0 || __builtin_mul_overflow(x, y, &product) ||
                 product > most
             ? -1
             : product;
}

int64_t glueProduct(const GlueProduct *product, const int64_t *sizes) {
  int64_t value = product->number;
  for (int axis = 0; axis < GLUE_AXES; ++axis)
    for (int power = 0; power < product->powers[axis]; ++power)
      value = multiply(value, sizes[axis]);
  return value;
}

int64_t glueExtent(const GlueExtent *extent, const int64_t *sizes) {
  int64_t inner = glueProduct(&extent->inner, sizes);
  if (inner >= 0)
    inner = inner / extent->divisor + (inner % extent->divisor != 0);
  return multiply(glueProduct(&extent->outer, sizes), inner);
}

void glueSizes(const GlueEntry *entry, const DecayDims *dims, int64_t *sizes) {
  int64_t sequences = dims->cu_seqlens ? dims->sequences : dims->B;
  int64_t tokens = multiply(dims->B, dims->T);
  int64_t length = glueSegmentTokens(entry, dims);
  int64_t segments =
      dims->T > 0 ? dims->T / length + (dims->T % length != 0) : 1;
  const int64_t all[GLUE_AXES] = {
      dims->B,      dims->T,
      dims->H,      dims->K,
      dims->V,      sequences,
      dims->layers, tokens < 0 ? -1 : tokens / GLUE_SLOT_TOKENS + sequences,
      segments,     segments - 1};
  for (int axis = 0; axis < GLUE_AXES; ++axis)
    sizes[axis] = all[axis];
}

int64_t glueWorkspaceBytes(const GlueEntry *entry, const DecayDims *dims,
                           int64_t workers) {
  int64_t sizes[GLUE_AXES];
  int64_t bytes = 0;
  glueSizes(entry, dims, sizes);
  (void)workers;
  for (int64_t i = 0; i < entry->part_count; ++i) {
    int64_t part = multiply(glueExtent(&entry->parts[i].elements, sizes),
                            entry->parts[i].bytes);
    if (part < 0 || bytes > most - GLUE_WORKSPACE_ALIGNMENT - part)
      return -1;
    bytes += (part + GLUE_WORKSPACE_ALIGNMENT - 1) / GLUE_WORKSPACE_ALIGNMENT *
             GLUE_WORKSPACE_ALIGNMENT;
  }
  return bytes;
}
