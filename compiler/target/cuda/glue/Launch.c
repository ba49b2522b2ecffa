/*===- Launch.c - An entry's kernels, one after the other -----------------===*/
#include "compiler/target/cuda/glue/Driver.h"
#include "compiler/target/cuda/glue/Glue.h"

/* What a kernel takes: as many operands as its entry has, then the sizes. */
typedef struct LaunchBlock {
  char bytes[GLUE_MOST_OPERANDS * sizeof(DecayOperand) +
             sizeof(GlueLaunchSizes)] __attribute__((aligned(16)));
} LaunchBlock;

static void fill(LaunchBlock *block, const GlueCall *call) {
  const DecayDims *dims = call->dims;
  int64_t count = call->entry->operand_count;
  DecayOperand *operands = (DecayOperand *)block->bytes;
  for (int64_t i = 0; i < count; ++i) {
    operands[i] = call->operands[i];
    if (!operands[i].row_stride)
      operands[i].row_stride =
          glueProduct(&call->entry->rules[i].row, call->sizes);
  }
  *(GlueLaunchSizes *)(operands + count) =
      (GlueLaunchSizes){dims->B,
                        dims->T,
                        dims->H,
                        dims->K,
                        dims->V,
                        call->sizes[GLUE_SEQUENCES],
                        dims->layer,
                        dims->layers,
                        dims->position,
                        dims->seed,
                        dims->cu_seqlens,
                        call->workspace,
                        call->sizes[GLUE_SEGMENTS],
                        glueSegmentTokens(call->entry, dims)};
}

/* Whether a caller gives any of what forward keeps: 1, or else -1. */
static int64_t keptOf(const GlueCall *call) {
  for (int64_t i = 0; i < call->entry->operand_count; ++i)
    if (call->entry->rules[i].is_kept && call->operands[i].data)
      return 1;
  return -1;
}

static int32_t run(const GlueCall *call, const GlueKernel *kernel, int device,
                   void *block) {
  static const int64_t most[3] = {((int64_t)1 << 31) - 1, 65535, 65535};
  int64_t grid[3];
  for (int axis = 0; axis < 3; ++axis) {
    grid[axis] = glueExtent(&kernel->grid[axis], call->sizes);
    if (grid[axis] == 0)
      return DECAY_OK;
    if (grid[axis] < 1 || grid[axis] > most[axis])
      return glueRefuse(call->fault, DECAY_SIZE_OUT_OF_RANGE, -1,
                        "a grid of %lld blocks along axis %d, expected 1 to "
                        "%lld: make the batch or the sequences shorter",
                        (long long)grid[axis], axis, (long long)most[axis]);
  }
  void *function = 0;
  int32_t status = glueLoad(kernel, device, &function, call->fault);
  if (status != DECAY_OK)
    return status;
  void *parameters[] = {block};
  int result = glueDriver.launch(function, (unsigned)grid[0], (unsigned)grid[1],
                                 (unsigned)grid[2], (unsigned)kernel->threads,
                                 1, 1, (unsigned)kernel->shared_bytes,
                                 call->stream, parameters, 0);
  return result ? glueDriverFailed(call->fault, kernel->name, result)
                : DECAY_OK;
}

int32_t glueLaunch(const GlueEntry *entry, const DecayOperand *operands,
                   const DecayDims *dims, void *workspace,
                   int64_t workspaceBytes, void *stream, DecayFault *fault) {
  GlueCall call = {entry,          operands, dims,  workspace,
                   workspaceBytes, stream,   fault, {0}};
  glueSizes(entry, dims, call.sizes);
  int32_t status = glueCheck(&call);
  int device = 0;
  if (status == DECAY_OK)
    status = glueOpenDriver(fault, &device);
  if (status == DECAY_OK)
    status = glueCheckMemory(&call, device);
  if (status != DECAY_OK)
    return status;
  LaunchBlock block;
  fill(&block, &call);
  int64_t kept = keptOf(&call);
  for (int64_t i = 0; i < entry->kernel_count && status == DECAY_OK; ++i) {
    const GlueKernel *kernel = &entry->kernels[i];
    if ((!kernel->key || kernel->key == dims->K) &&
        (!kernel->value || kernel->value == dims->V) &&
        (!kernel->kept || kernel->kept == kept))
      status = run(&call, kernel, device, &block);
  }
  return status;
}

int32_t glueReadFault(void *workspace, void *stream, DecayFault *fault) {
  int device = 0;
  int32_t status = glueOpenDriver(fault, &device);
  if (status != DECAY_OK)
    return status;
  GlueFaultSlot slot = {0};
  uint64_t address = (uint64_t)workspace;
  int result = glueDriver.copy_to_host(&slot, address, sizeof slot, stream);
  if (!result)
    result = glueDriver.synchronise(stream);
  if (!result && slot.code)
    result = glueDriver.fill(address, 0, sizeof slot, stream);
  if (result)
    return glueDriverFailed(fault, "a launch before this failed", result);
  if (fault) {
    fault->sequence = slot.sequence;
    fault->token = slot.token;
    fault->head = slot.head;
    fault->channel = slot.channel;
    fault->value = slot.value;
    fault->operand = -1;
    fault->message[0] = 0;
  }
  if (slot.code == DECAY_BAD_SEQUENCES)
    return glueRefuse(
        fault, slot.code, -1,
        "cu_seqlens must rise from 0 to T, but does not at [%lld]",
        (long long)slot.sequence);
  return slot.code;
}
