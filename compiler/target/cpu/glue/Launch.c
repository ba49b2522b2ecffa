/*===- Launch.c - One launch, spread over items
 * ----------------------------===*/
#include "compiler/target/cpu/glue/Glue.h"

enum { alignment = 64, sumBlock = 64, mostHeads = 6 };

/* A launch under way. Offsets are bytes from the workspace's start. */
typedef struct GlueRun {
  const GlueEntry *entry;
  const DecayOperand *operands;
  const DecayDims *dims;
  char *workspace;
  int64_t heads, sequences; /* heads: all of them, sequence by sequence */
  int64_t group;            /* heads of an item */
  int64_t partialBytes, scratchBytes; /* of one head, of one worker */
  int64_t partialsAt, scratchAt, bytes;
} GlueRun;

static int64_t aligned(int64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/* The item that begins with a head of all sequences' heads. */
static GlueItem itemAt(const GlueRun *run, int64_t index) {
  const DecayDims *dims = run->dims;
  GlueItem item = {0, 0, 0, 0, 1, run->partialBytes / (int64_t)sizeof(float)};
  if (run->entry->once)
    return item;
  item.sequence = index / dims->H;
  item.head = index % dims->H;
  item.heads = run->group;
  if (dims->cu_seqlens) {
    item.first = dims->cu_seqlens[item.sequence];
    item.length = dims->cu_seqlens[item.sequence + 1] - item.first;
  } else {
    item.first = item.sequence * dims->T;
    item.length = dims->T;
  }
  return item;
}

/* Heads that one item takes: a chunk of one after the other, as their rows lie
 * side by side in the caller's memory. A divisor of H, with at least two items
 * a worker where sequences differ in length. */
static int64_t groupOf(const GlueEntry *entry, const DecayDims *dims,
                       int64_t heads, int64_t workers) {
  int64_t items = dims->cu_seqlens ? 2 * workers : workers;
  int64_t group = 1;
  if (entry->once)
    return group;
  for (int64_t each = 2; each <= mostHeads && each * items <= heads; ++each)
    if (dims->H % each == 0)
      group = each;
  return group;
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
  run.heads = entry->once ? 1 : run.sequences * dims->H;
  run.group = groupOf(entry, dims, run.heads, workers);
  if (entry->partial_floats)
    run.partialBytes =
        aligned(entry->partial_floats(dims) * (int64_t)sizeof(float));
  run.scratchBytes =
      aligned(entry->scratch_floats(dims, longestSequence(dims), run.group) *
              (int64_t)sizeof(float));
  run.partialsAt = aligned(run.heads * (int64_t)sizeof(GlueItemFault));
  run.scratchAt = run.partialsAt + run.heads * run.partialBytes;
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
  int64_t head = index * run->group;
  for (int64_t i = 0; i < run->group; ++i)
    *faultOf(run, head + i) = (GlueItemFault){0, 0, 0, 0};
  GlueItem item = itemAt(run, head);
  run->entry->item(
      run->operands, run->dims, &item,
      (float *)(run->workspace + run->scratchAt + worker * run->scratchBytes),
      (float *)partialsOf(run, head), faultOf(run, head));
}

/* The first in the order of the tensors' elements: sequence, token, head,
 * channel. */
static int32_t firstFault(const GlueRun *run, DecayFault *fault) {
  int64_t first = -1;
  for (int64_t i = 0; i < run->heads; ++i) {
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
    for (int64_t item = first; item < run->heads; item += step) {
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
  spread(runner, run.heads / run.group, runItem, &run);
  int32_t status = firstFault(&run, fault);
  if (status == DECAY_OK && entry->reduction_count)
    spread(runner, dims->H, reduceHead, &run);
  return status;
}
