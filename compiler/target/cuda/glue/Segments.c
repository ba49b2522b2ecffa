/*===- Segments.c - Where long sequences of few heads are cut -------------===*/
#include "compiler/target/cuda/glue/Glue.h"

static int64_t roundedUp(int64_t x, int64_t y) { return x / y + (x % y != 0); }

/* The time that segments of so many chunks take, as the schedule has it. */
static int64_t timeOf(const GlueSchedule *schedule, int64_t items,
                      int64_t chunks, int64_t each, int64_t slots) {
  int64_t segments = roundedUp(chunks, each);
  int64_t rounds = roundedUp(items * segments, slots);
  if (segments == 1)
    return rounds * each * schedule->whole;
  return rounds * each * schedule->cut + schedule->launch +
         segments * schedule->joint;
}

/* Of one round or two of blocks, and of halves of those, what takes least. */
int64_t glueSegmentChunks(const GlueSchedule *schedule, int64_t items,
                          int64_t chunks, int64_t multiprocessors) {
  static const int64_t mostRounds = 2;
  int64_t slots = schedule->blocks * multiprocessors;
  int64_t best = chunks, least = 0;
  /* Beyond that, whole sequences fill the card, and products stay small. */
  if (items < 1 || items > mostRounds * slots)
    return chunks;
  least = timeOf(schedule, items, chunks, chunks, slots);
  for (int64_t rounds = 1; rounds <= mostRounds; ++rounds)
    for (int64_t segments = rounds * slots / items; segments > 1;
         segments /= 2) {
      int64_t each = roundedUp(chunks, segments);
      int64_t time = timeOf(schedule, items, chunks, each, slots);
      if (time < least) {
        least = time;
        best = each;
      }
    }
  return best;
}

/* How long packed sequences are is known to the device alone: they are cut as
 * if all were equally long. Each has room for as many segments as if it had all
 * tokens, which is too much for many. */
static const int64_t mostPacked = 8;

int64_t glueSegmentTokens(const GlueEntry *entry, const DecayDims *dims) {
  int64_t tokens = dims->T;
  int64_t sequences = dims->cu_seqlens ? dims->sequences : dims->B;
  int64_t most = dims->cu_seqlens ? mostPacked : INT32_MAX;
  if (tokens < 1)
    return 1;
  if (tokens > INT32_MAX || sequences < 1 || sequences > most || dims->H < 1 ||
      dims->H > INT32_MAX)
    return tokens;
  for (int64_t i = 0; i < entry->kernel_count; ++i) {
    const GlueKernel *kernel = &entry->kernels[i];
    if (!kernel->schedule.blocks || kernel->key != dims->K ||
        kernel->value != dims->V)
      continue;
    int64_t length = dims->cu_seqlens ? roundedUp(tokens, sequences) : tokens;
    int64_t chunks = roundedUp(length, GLUE_SLOT_TOKENS);
    int64_t each = glueSegmentChunks(&kernel->schedule, sequences * dims->H,
                                     chunks, GLUE_MULTIPROCESSORS);
    return each < chunks ? each * GLUE_SLOT_TOKENS : tokens;
  }
  return tokens;
}
