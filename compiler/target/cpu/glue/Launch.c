/*===- Launch.c - One launch, spread over items
 * ----------------------------===*/
#include "compiler/target/cpu/glue/Glue.h"

enum { alignment = 64, sumBlock = 64 };

/* A launch under way. Offsets are bytes from the workspace's start. */
typedef struct GlueRun {
  const GlueEntry *entry;
  const DecayOperand *operands;
  const DecayDims *dims;
  char *workspace;
  int64_t items, sequences;
  int64_t partialBytes, scratchBytes; /* of one item, of one worker */
  int64_t partialsAt, scratchAt, bytes;
} GlueRun;

static int64_t aligned(int64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

static GlueItem itemAt(const GlueRun *run, int64_t index) {
  const DecayDims *dims = run->dims;
  GlueItem item = {0, 0, 0, 0};
  if (run->entry->once)
    return item;
  item.sequence = index / dims->H;
  item.head = index % dims->H;
  if (dims->cu_seqlens) {
    item.first = dims->cu_seqlens[item.sequence];
    item.length = dims->cu_seqlens[item.sequence + 1] - item.first;
  } else {
    item.first = item.sequence * dims->T;
    item.length = dims->T;
  }
  return item;
}

static int64_t longestSequence(const DecayDims *dims) {
  if (!dims->cu_seqlens)
    return dims->T;
  int64_t longest = 0;
  for (int64_t n = 0; n < dims->sequences; ++n) {
    int64_t length = dims->cu_seqlens[n + 1] - dims->cu_seqlens[n];
    longest = length > longest ? length : longest;
  }
  return longest;
}

static GlueRun layOut(const GlueEntry *entry, const DecayDims *dims,
                      int64_t workers) {
  GlueRun run = {0};
  run.entry = entry;
  run.dims = dims;
  run.sequences = dims->cu_seqlens ? dims->sequences : dims->B;
  run.items = entry->once ? 1 : run.sequences * dims->H;
  if (entry->partial_floats)
    run.partialBytes =
        aligned(entry->partial_floats(dims) * (int64_t)sizeof(float));
  run.scratchBytes =
      aligned(entry->scratch_floats(dims, longestSequence(dims)) *
              (int64_t)sizeof(float));
  run.partialsAt = aligned(run.items * (int64_t)sizeof(GlueItemFault));
  run.scratchAt = run.partialsAt + run.items * run.partialBytes;
  run.bytes = run.scratchAt + workers * run.scratchBytes;
  return run;
}

static GlueItemFault *faultOf(const GlueRun *run, int64_t index) {
  return (GlueItemFault *)run->workspace + index;
}

static const float *partialsOf(const GlueRun *run, int64_t index) {
  return (const float *)(run->workspace + run->partialsAt +
                         index * run->partialBytes);
}

static void runItem(void *closure, int64_t index, int64_t worker) {
  const GlueRun *run = closure;
  GlueItemFault *fault = faultOf(run, index);
  *fault = (GlueItemFault){0, 0, 0, 0};
  GlueItem item = itemAt(run, index);
  run->entry->item(
      run->operands, run->dims, &item,
      (float *)(run->workspace + run->scratchAt + worker * run->scratchBytes),
      (float *)partialsOf(run, index), fault);
}

/* The first in the order of the tensors' elements: sequence, token, head,
 * channel. */
static int32_t firstFault(const GlueRun *run, DecayFault *fault) {
  int64_t first = -1;
  for (int64_t i = 0; i < run->items; ++i) {
    if (!faultOf(run, i)->code)
      continue;
    GlueItem item = itemAt(run, i);
    if (first < 0 || (item.sequence == itemAt(run, first).sequence &&
                      faultOf(run, i)->token < faultOf(run, first)->token))
      first = i;
  }
  if (first < 0)
    return DECAY_OK;
  const GlueItemFault *found = faultOf(run, first);
  GlueItem item = itemAt(run, first);
  if (fault)
    *fault = (DecayFault){.sequence = item.sequence,
                          .token = found->token,
                          .head = item.head,
                          .channel = found->channel,
                          .value = found->value,
                          .operand = -1};
  return (int32_t)found->code;
}

/* sums[0..count) = sum over items first, first + step, ... of the float at `at`
 * + i. In double and in index order, so that the sum is the same whoever
 * computed the parts. */
static void sumItems(const GlueRun *run, int64_t first, int64_t step,
                     int64_t at, int64_t count, float *sums) {
  for (int64_t start = 0; start < count; start += sumBlock) {
    int64_t width = count - start < sumBlock ? count - start : sumBlock;
    double block[sumBlock] = {0};
    for (int64_t item = first; item < run->items; item += step) {
      const float *part = partialsOf(run, item) + at + start;
      for (int64_t i = 0; i < width; ++i)
        block[i] += part[i];
    }
    for (int64_t i = 0; i < width; ++i)
      sums[start + i] = (float)block[i];
  }
}

/* Task h: what parameters with heads have at head h; task 0 does all others
 * too. */
static void reduceHead(void *closure, int64_t head, int64_t worker) {
  const GlueRun *run = closure;
  const DecayDims *dims = run->dims;
  (void)worker;
  int64_t at = 0;
  for (int64_t r = 0; r < run->entry->reduction_count; ++r) {
    const GlueReduction *reduction = &run->entry->reductions[r];
    int64_t layers = reduction->layer ? dims->layers : 1;
    int64_t width =
        (reduction->key ? dims->K : 1) * (reduction->value ? dims->V : 1);
    float *gradient = run->operands[reduction->operand].data;
    if (gradient && (reduction->head || head == 0))
      for (int64_t layer = 0; layer < layers; ++layer) {
        int64_t row = reduction->head ? layer * dims->H + head : layer;
        sumItems(run, head, reduction->head ? dims->H : 1, at + layer * width,
                 width, gradient + row * width);
      }
    at += layers * width;
  }
}

static void spread(const DecayTaskRunner *runner, int64_t count,
                   void (*task)(void *, int64_t, int64_t), GlueRun *run) {
  if (runner) {
    runner->run(runner->context, count, task, run);
    return;
  }
  for (int64_t index = 0; index < count; ++index)
    task(run, index, 0);
}

int64_t glueWorkspaceBytes(const GlueEntry *entry, const DecayDims *dims,
                           int64_t workers) {
  return layOut(entry, dims, workers).bytes;
}

int32_t glueLaunch(const GlueEntry *entry, const DecayOperand *operands,
                   const DecayDims *dims, void *workspace,
                   int64_t workspaceBytes, void *stream, DecayFault *fault) {
  const DecayTaskRunner *runner = stream;
  GlueRun run = layOut(entry, dims, runner ? runner->workers : 1);
  if (workspaceBytes < run.bytes)
    return DECAY_WORKSPACE_TOO_SMALL;
  run.operands = operands;
  run.workspace = workspace;
  spread(runner, run.items, runItem, &run);
  int32_t status = firstFault(&run, fault);
  if (status == DECAY_OK && entry->reduction_count)
    spread(runner, dims->H, reduceHead, &run);
  return status;
}
