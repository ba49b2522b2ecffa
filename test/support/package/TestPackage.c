/*===- TestPackage.c - A package written by hand, for tests
 * -----------------===*/

#include "runtime/abi/DecayPackage.h"

#include <string.h>

#define DEFECT_NONE 0
#define DEFECT_VERSION 1
#define DEFECT_REFUSES 2
#define DEFECT_NEEDS_AVX512 3
#define DEFECT_MANIFEST 4
#define DEFECT_HASH 5
#define DEFECT_SHAPE 6
#define DEFECT_TWICE 7
#define DEFECT_INCOMPLETE 8
#define DEFECT_TYPE 9
#define DEFECT_NO_TEXT 10
#define DEFECT_NO_ENTRIES 11
#define DEFECT_WORKSPACE 12
#define DEFECT_NEGATIVE_WORKSPACE 13
#define DEFECT_STATUS 14
#define DEFECT_NO_QUERY 15
/* From here on: it loads, but does not keep what the ABI promises. */
#define DEFECT_WRITES_GAP 16
#define DEFECT_LEAVES_OUT 17
#define DEFECT_WORKER_SEEN 18
#define DEFECT_FORGETS_STATE 19
#define DEFECT_WRITES_INPUT 20
#define DEFECT_SEES_NEIGHBOUR 21
#define DEFECT_REMEMBERS 22
#define DEFECT_OVERRUNS 23
#ifndef DEFECT
#define DEFECT DEFECT_NONE
#endif

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char manifest[] =
#if DEFECT == DEFECT_MANIFEST
    "{ \"manifest\": 1 }";
#else
    "{ \"manifest\": 1, \"design\": \"by_hand\", \"base\": \"\",\n"
    "  \"summary\": \"for tests\", \"citation\": \"\", \"hash\": \"" HASH
    "\",\n"
    "  \"target\": \"cpu\", \"granularity\": \"vector\", \"sharing\": false,\n"
    "  \"position\": \"none\", \"compat\": \"published\",\n"
    "  \"settings\": [{\"name\": \"granularity\", \"value\": \"vector\",\n"
    "                \"default\": \"vector\", \"allowed\": \"vector\"}],\n"
    "  \"projections\": [\n"
    "    {\"name\": \"q\", \"kind\": \"full\", \"rank\": 0, \"bias\": false,\n"
    "     \"shape\": \"B T H K\"},\n"
    "    {\"name\": \"k\", \"kind\": \"full\", \"rank\": 0, \"bias\": false,\n"
    "     \"shape\": \"B T H K\"},\n"
    "    {\"name\": \"v\", \"kind\": \"full\", \"rank\": 0, \"bias\": false,\n"
    "     \"shape\": \"B T H V\"},\n"
    "    {\"name\": \"f\", \"kind\": \"low_rank\", \"rank\": 0, \"bias\": "
    "false,\n"
    "     \"shape\": \"B T H K\"}],\n"
    "  \"parameters\": [{\"name\": \"delta\", \"shape\": \"H K\",\n"
    "                  \"weight_decay\": true}],\n"
    "  \"carries\": [], \"state_shape\": \"N H W V\", \"state_width\": 1 }";
#endif

static const DecayOperandInfo forward_operands[] = {
#if DEFECT == DEFECT_SHAPE
    {"q", "B T H Q", DECAY_F32, DECAY_READ, 0},
#elif DEFECT == DEFECT_TYPE
    {"q", "B T H K", 7, DECAY_READ, 0},
#else
        {"q", "B T H K", DECAY_F32, DECAY_READ, 0},
#endif
    {"k", "B T H K", DECAY_F32, DECAY_READ, 0},
    {"v", "B T H V", DECAY_F32, DECAY_READ, 0},
    {"f", "B T H K", DECAY_F32, DECAY_READ, 0},
    {"delta", "H K", DECAY_F32, DECAY_READ, 0},
    {"initial_state", "N H W V", DECAY_F32, DECAY_READ, 1},
    {"o", "B T H V", DECAY_F32, DECAY_WRITE, 0},
    {"final_state", "N H W V", DECAY_F32, DECAY_WRITE, 1},
    {"lambda", "B T H K", DECAY_F32, DECAY_WRITE, 1},
};
enum { Q, KEY, VALUE, F, DELTA, INITIAL, O, FINAL, LAMBDA };

static const DecayOperandInfo backward_operands[] = {
    {"q", "B T H K", DECAY_F32, DECAY_READ, 0},
    {"k", "B T H K", DECAY_F32, DECAY_READ, 0},
    {"v", "B T H V", DECAY_F32, DECAY_READ, 0},
    {"f", "B T H K", DECAY_F32, DECAY_READ, 0},
    {"delta", "H K", DECAY_F32, DECAY_READ, 0},
    {"initial_state", "N H W V", DECAY_F32, DECAY_READ, 1},
    {"d_o", "B T H V", DECAY_F32, DECAY_READ, 1},
    {"d_final_state", "N H W V", DECAY_F32, DECAY_READ, 1},
    {"d_q", "B T H K", DECAY_F32, DECAY_WRITE, 0},
    {"d_k", "B T H K", DECAY_F32, DECAY_WRITE, 0},
    {"d_v", "B T H V", DECAY_F32, DECAY_WRITE, 0},
    {"d_f", "B T H K", DECAY_F32, DECAY_WRITE, 0},
    {"d_delta", "H K", DECAY_F32, DECAY_WRITE, 1},
    {"d_initial_state", "N H W V", DECAY_F32, DECAY_WRITE, 1},
};
enum { D_O = 6, D_FINAL, D_Q, D_KEY, D_VALUE, D_F, D_DELTA, D_INITIAL };

static const DecayOperandInfo parameter_operands[] = {
    {"delta", "H K", DECAY_F32, DECAY_WRITE, 0}};

/* One sequence and head: where its rows lie. */
typedef struct Item {
  const DecayOperand *operands;
  const DecayDims *dims;
  int64_t sequence, head, first, length;
} Item;

static Item itemAt(const DecayOperand *operands, const DecayDims *dims,
                   int64_t index) {
  Item item = {operands, dims, index / dims->H, index % dims->H, 0, dims->T};
  item.first = item.sequence * dims->T;
  if (dims->sequences) {
    item.first = dims->cu_seqlens[item.sequence];
    item.length = dims->cu_seqlens[item.sequence + 1] - item.first;
  }
  return item;
}

static float *rowOf(const Item *item, int operand, int64_t width, int64_t t) {
  const DecayOperand *at = &item->operands[operand];
  int64_t stride = at->row_stride ? at->row_stride : item->dims->H * width;
  return (float *)at->data + (item->first + t) * stride + item->head * width;
}

static float *stateOf(const Item *item, int operand) {
  float *data = item->operands[operand].data;
  int64_t size = item->dims->K * item->dims->V;
  return data ? data + (item->sequence * item->dims->H + item->head) * size : 0;
}

static float lambdaAt(const Item *item, int64_t t, int64_t k) {
  float f = rowOf(item, F, item->dims->K, t)[k];
  const float *delta = item->operands[DELTA].data;
  return 0.9f * f * f + delta[item->head * item->dims->K + k];
}

static void loadState(const Item *item, int operand, float *state) {
  const float *given = stateOf(item, operand);
  for (int64_t i = 0; i < item->dims->K * item->dims->V; ++i)
    state[i] = given && DEFECT != DEFECT_FORGETS_STATE ? given[i] : 0;
}

static void update(const Item *item, int64_t t, const float *before,
                   float *after) {
  int64_t K = item->dims->K, V = item->dims->V;
  for (int64_t k = 0; k < K; ++k)
    for (int64_t v = 0; v < V; ++v)
      after[k * V + v] =
          lambdaAt(item, t, k) * before[k * V + v] +
          rowOf(item, KEY, K, t)[k] * rowOf(item, VALUE, V, t)[v];
}

static int checkLambda(const Item *item, DecayFault *fault) {
  for (int64_t t = 0; t < item->length; ++t)
    for (int64_t k = 0; k < item->dims->K; ++k) {
      float lambda = lambdaAt(item, t, k);
      if (!(lambda >= 0 && lambda <= 1)) {
        *fault = (DecayFault){.sequence = item->sequence,
                              .token = t,
                              .head = item->head,
                              .channel = k,
                              .value = lambda,
                              .operand = -1};
        return DECAY_LAMBDA_OUT_OF_RANGE;
      }
    }
  return DECAY_OK;
}

static void forwardItem(const Item *item, float *state) {
  int64_t K = item->dims->K, V = item->dims->V;
  loadState(item, INITIAL, state);
  for (int64_t t = 0; t < item->length; ++t) {
    update(item, t, state, state);
    for (int64_t v = 0; v < V; ++v) {
      float sum = 0;
      for (int64_t k = 0; k < K; ++k)
        sum += rowOf(item, Q, K, t)[k] * state[k * V + v];
      rowOf(item, O, V, t)[v] = sum;
    }
  }
  for (int64_t t = 0; t < item->length && item->operands[LAMBDA].data; ++t)
    for (int64_t k = 0; k < K; ++k)
      rowOf(item, LAMBDA, K, t)[k] = lambdaAt(item, t, k);
  float *final = stateOf(item, FINAL);
  if (final)
    memcpy(final, state, sizeof(float) * K * V);
}

/* states: [length + 1, K, V], all of them kept; partial: [K], of delta. */
static void backwardItem(const Item *item, float *states, float *gradient,
                         float *partial) {
  int64_t K = item->dims->K, V = item->dims->V, size = K * V;
  loadState(item, INITIAL, states);
  for (int64_t t = 0; t < item->length; ++t)
    update(item, t, states + t * size, states + (t + 1) * size);
  loadState(item, D_FINAL, gradient);
  memset(partial, 0, sizeof(float) * K);
  int hasOutput = item->operands[D_O].data != 0;
  for (int64_t t = item->length - 1; t >= 0; --t) {
    const float *before = states + t * size, *after = before + size;
    const float *dO = hasOutput ? rowOf(item, D_O, V, t) : 0;
    float *dV = rowOf(item, D_VALUE, V, t);
    memset(dV, 0, sizeof(float) * V);
    for (int64_t k = 0; k < K; ++k) {
      float dQ = 0, dK = 0, dLambda = 0, lambda = lambdaAt(item, t, k);
      for (int64_t v = 0; v < V; ++v) {
        float out = dO ? dO[v] : 0;
        float *g = &gradient[k * V + v];
        dQ += out * after[k * V + v];
        *g += rowOf(item, Q, K, t)[k] * out;
        dK += *g * rowOf(item, VALUE, V, t)[v];
        dV[v] += *g * rowOf(item, KEY, K, t)[k];
        dLambda += *g * before[k * V + v];
        *g *= lambda;
      }
      rowOf(item, D_Q, K, t)[k] = dQ;
      rowOf(item, D_KEY, K, t)[k] = dK;
      rowOf(item, D_F, K, t)[k] = dLambda * 1.8f * rowOf(item, F, K, t)[k];
      partial[k] += dLambda;
    }
  }
  float *initial = stateOf(item, D_INITIAL);
  if (initial)
    memcpy(initial, gradient, sizeof(float) * size);
}

/* What one call's tasks share. */
typedef struct Call {
  const DecayOperand *operands;
  const DecayDims *dims;
  float *workspace;
} Call;

static int64_t itemCount(const DecayDims *dims) {
  return dims->H * (dims->sequences ? dims->sequences : dims->B);
}

static int64_t backwardFloats(const DecayDims *dims) {
  return dims->K * dims->V * (dims->T + 2);
}

/* Breaches of the ABI, each of which the suite for packages must notice. */
static void misbehaveBefore(const Item *item, int64_t index) {
  if (DEFECT == DEFECT_WRITES_INPUT && index == 0)
    rowOf(item, Q, item->dims->K, 0)[0] += 1;
  if (DEFECT == DEFECT_OVERRUNS && index == 0)
    rowOf(item, O, item->dims->V, 0)[-1] = 0;
}

static void misbehaveAfter(const Item *item, int64_t index, int64_t worker) {
  static float calls = 0;
  float *o = rowOf(item, O, item->dims->V, 0);
  if (DEFECT == DEFECT_WRITES_GAP && item->operands[O].row_stride)
    o[(item->dims->H - item->head) * item->dims->V] = 0;
  if (DEFECT == DEFECT_LEAVES_OUT)
    memset(o, 0xff, sizeof(float));
  if (DEFECT == DEFECT_WORKER_SEEN)
    o[0] += (float)worker;
  if (DEFECT == DEFECT_REMEMBERS)
    o[0] += calls++;
  if (DEFECT == DEFECT_SEES_NEIGHBOUR && item->dims->sequences)
    o[0] += (float)item->first;
}

static void forwardTask(void *closure, int64_t index, int64_t worker) {
  const Call *call = closure;
  Item item = itemAt(call->operands, call->dims, index);
  misbehaveBefore(&item, index);
  forwardItem(&item, call->workspace + worker * call->dims->K * call->dims->V);
  misbehaveAfter(&item, index, worker);
}

static void backwardTask(void *closure, int64_t index, int64_t worker) {
  const Call *call = closure;
  Item item = itemAt(call->operands, call->dims, index);
  int64_t K = call->dims->K, items = itemCount(call->dims);
  float *states =
      call->workspace + items * K + worker * backwardFloats(call->dims);
  backwardItem(&item, states, states + K * call->dims->V * (call->dims->T + 1),
               call->workspace + index * K);
}

static void runTasks(void *stream, void (*task)(void *, int64_t, int64_t),
                     Call *call) {
  const DecayTaskRunner *runner = stream;
  if (runner) {
    runner->run(runner->context, itemCount(call->dims), task, call);
    return;
  }
  for (int64_t i = 0; i < itemCount(call->dims); ++i)
    task(call, i, 0);
}

static int64_t forwardWorkspace(const DecayDims *dims, int64_t workers) {
  if (DEFECT == DEFECT_NEGATIVE_WORKSPACE)
    return -1;
  return workers * dims->K * dims->V * (int64_t)sizeof(float);
}

static int32_t forward(const DecayOperand *operands, const DecayDims *dims,
                       void *workspace, int64_t bytes, void *stream,
                       DecayFault *fault) {
  if (DEFECT == DEFECT_WORKSPACE)
    return DECAY_WORKSPACE_TOO_SMALL;
  if (DEFECT == DEFECT_STATUS)
    return 77;
  for (int64_t i = 0; i < itemCount(dims); ++i) {
    Item item = itemAt(operands, dims, i);
    int32_t status = checkLambda(&item, fault);
    if (status != DECAY_OK)
      return status;
  }
  Call call = {operands, dims, workspace};
  runTasks(stream, forwardTask, &call);
  return DECAY_OK;
}

static int64_t backwardWorkspace(const DecayDims *dims, int64_t workers) {
  return (itemCount(dims) * dims->K + workers * backwardFloats(dims)) *
         (int64_t)sizeof(float);
}

static int32_t backward(const DecayOperand *operands, const DecayDims *dims,
                        void *workspace, int64_t bytes, void *stream,
                        DecayFault *fault) {
  Call call = {operands, dims, workspace};
  runTasks(stream, backwardTask, &call);
  float *sum = operands[D_DELTA].data;
  if (!sum)
    return DECAY_OK;
  memset(sum, 0, sizeof(float) * dims->H * dims->K);
  for (int64_t i = 0; i < itemCount(dims); ++i)
    for (int64_t k = 0; k < dims->K; ++k)
      sum[i % dims->H * dims->K + k] += call.workspace[i * dims->K + k];
  return DECAY_OK;
}

static int64_t noWorkspace(const DecayDims *dims, int64_t workers) { return 0; }

static int32_t initParameters(const DecayOperand *operands,
                              const DecayDims *dims, void *workspace,
                              int64_t bytes, void *stream, DecayFault *fault) {
  float *delta = operands[0].data;
  for (int64_t i = 0; i < dims->H * dims->K; ++i)
    delta[i] = 1e-3f * (float)(((uint64_t)i + dims->seed) % 7);
  return DECAY_OK;
}

static const DecayEntry entries[] = {
    {"forward", 9, forward_operands, forwardWorkspace, forward, 0},
    {DEFECT == DEFECT_TWICE ? "forward" : "backward", 14, backward_operands,
     backwardWorkspace, DEFECT == DEFECT_INCOMPLETE ? 0 : backward, 0},
    {"step", 9, forward_operands, forwardWorkspace, forward, 0},
    {"init_parameters", 1, parameter_operands, noWorkspace, initParameters, 0},
};

static const DecayPackage package = {
    DEFECT == DEFECT_VERSION ? DECAY_ABI_VERSION + 1 : DECAY_ABI_VERSION,
    DECAY_HOST_MEMORY,
    DEFECT == DEFECT_NO_TEXT ? 0 : "by_hand",
    DEFECT == DEFECT_HASH ? "another" : HASH,
    "cpu",
    "portable",
    manifest,
    DEFECT == DEFECT_NO_ENTRIES ? 0 : 4,
    entries};

#if DEFECT == DEFECT_NO_QUERY
#define decay_package_query another_name
#endif
__attribute__((visibility("default")))
const DecayPackage *decay_package_query(uint32_t version,
                                        const DecayHost *host) {
  if (version != DECAY_ABI_VERSION || DEFECT == DEFECT_REFUSES)
    return 0;
  if (DEFECT == DEFECT_NEEDS_AVX512 && !host->has_avx512)
    return 0;
  return &package;
}
