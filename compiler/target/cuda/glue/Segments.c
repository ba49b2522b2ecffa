/*===- Segments.c - Where long sequences of few heads are cut -------------===*/
#include "compiler/target/cuda/glue/Glue.h"

static int64_t roundedUp(int64_t x, int64_t y) { return x / y + (x % y != 0); }

/* Times of a launch are in eighths of a chunk's. */
enum { eighths = 8, alone = 5 };

/* So many blocks of `each` chunks. In a last round that leaves multiprocessors
 * one block each, those are faster. */
static int64_t roundsOf(const GlueSchedule *schedule, int64_t blocks,
                        int64_t each, int64_t multiprocessors) {
  int64_t slots = schedule->blocks * multiprocessors;
  int64_t rest = blocks % slots;
  int64_t last =
      schedule->blocks > 1 && rest <= multiprocessors ? alone : eighths;
  return each * (blocks / slots * eighths + (rest ? last : 0));
}

/* Blocks of `each` chunks and behind them as many as there are items that are
 * shorter, the first ones in the slots beside the last round. */
static int64_t spanOf(const GlueSchedule *schedule, int64_t blocks,
                      int64_t each, int64_t items, int64_t shorter,
                      int64_t multiprocessors) {
  int64_t slots = schedule->blocks * multiprocessors;
  int64_t busy = blocks % slots;
  int64_t beside = busy ? (slots - busy) * (each / shorter) : 0;
  int64_t left = items > beside ? items - beside : 0;
  if (each == shorter)
    return roundsOf(schedule, blocks + items, each, multiprocessors);
  return roundedUp(blocks, slots) * each * eighths +
         roundsOf(schedule, left, shorter, multiprocessors);
}

/* The time that segments of so many chunks take, as the schedule has it. One
 * segment of a sequence has what the others leave, and another is not asked
 * what it does to a state. */
static int64_t timeOf(const GlueSchedule *schedule, int64_t items,
                      int64_t chunks, int64_t each, int64_t multiprocessors) {
  int64_t segments = roundedUp(chunks, each);
  int64_t rest = chunks - (segments - 1) * each;
  int64_t span, effects, chunks_behind;
  if (segments == 1)
    return roundsOf(schedule, items, chunks, multiprocessors) *
           schedule->whole / eighths;
  span = spanOf(schedule, items * (segments - 1), each, items, rest,
                multiprocessors);
  effects = spanOf(schedule, items * (segments - 2), each, items, rest,
                   multiprocessors);
  chunks_behind = roundedUp(items * (segments - 1) * each, multiprocessors);
  return (span * schedule->whole +
          effects * (schedule->cut - schedule->whole)) /
             eighths +
         chunks_behind * schedule->behind + schedule->launch +
         segments * schedule->joint;
}

typedef struct Best {
  int64_t each, time;
} Best;

static void try(const GlueSchedule *schedule, int64_t items, int64_t chunks,
                int64_t each, int64_t multiprocessors, Best *best) {
  int64_t time = timeOf(schedule, items, chunks, each, multiprocessors);
  if (time < best->time)
    *best = (Best){each, time};
}

/* Of one round or two of blocks, of halves of those, and, where items almost
 * fill a round, of two or three segments of which one is shorter, what takes
 * least. */
int64_t glueSegmentChunks(const GlueSchedule *schedule, int64_t items,
                          int64_t chunks, int64_t multiprocessors) {
  static const int64_t mostRounds = 2, mostUneven = 3, steps = 16,
                       worthwhile = 32;
  int64_t slots = schedule->blocks * multiprocessors;
  Best best = {chunks, 0};
  /* Beyond that, whole sequences fill the card, and products stay small. */
  if (items < 1 || items > mostRounds * slots)
    return chunks;
  best.time = timeOf(schedule, items, chunks, chunks, multiprocessors);
  best.time -= best.time / worthwhile;
  for (int64_t rounds = 1; rounds <= mostRounds; ++rounds)
    for (int64_t segments = rounds * slots / items; segments > 1; segments /= 2)
      try(schedule, items, chunks, roundedUp(chunks, segments), multiprocessors,
          &best);
  if (items * mostUneven < slots)
    return best.each;
  for (int64_t segments = 2; segments <= mostUneven; ++segments) {
    int64_t least = roundedUp(chunks, segments);
    int64_t most = roundedUp(chunks, segments - 1);
    for (int64_t step = 0; step < steps; ++step)
      try(schedule, items, chunks, least + (most - least) * step / steps,
          multiprocessors, &best);
  }
  return best.each;
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
