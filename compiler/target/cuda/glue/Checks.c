/*===- Checks.c - What is wrong with a call, before any kernel sees it ----===*/
#include "compiler/target/cuda/glue/Driver.h"
#include "compiler/target/cuda/glue/Glue.h"

#include <stdarg.h>

int vsnprintf(char *text, size_t bytes, const char *format, va_list values);

static const int64_t mostExtent = ((int64_t)1 << 31) - 1;
static const int64_t mostElements = (int64_t)1 << 46;

int32_t glueRefuse(DecayFault *fault, int32_t status, int64_t operand,
                   const char *format, ...) {
  if (fault) {
    va_list values;
    fault->operand = operand;
    va_start(values, format);
    vsnprintf(fault->message, sizeof fault->message, format, values);
    va_end(values);
  }
  return status;
}

#define REFUSE(status, operand, ...)                                           \
  return glueRefuse(call->fault, status, operand, __VA_ARGS__)

typedef long long Shown; /* what %lld takes */

static int32_t checkRange(const GlueCall *call, const char *name, int64_t value,
                          int64_t least, int64_t most) {
  if (value < least || value > most)
    REFUSE(DECAY_SIZE_OUT_OF_RANGE, -1, "%s is %lld, expected %lld to %lld",
           name, (Shown)value, (Shown)least, (Shown)most);
  return DECAY_OK;
}

static int32_t checkSizes(const GlueCall *call) {
  const DecayDims *dims = call->dims;
  const struct {
    const char *name;
    int64_t value, least, most;
  } ranges[] = {
      {"B", dims->B, 1, mostExtent},
      {"T", dims->T, 1, call->entry->single_token ? 1 : mostExtent},
      {"H", dims->H, 1, mostExtent},
      {"K", dims->K, 1, mostExtent},
      {"V", dims->V, 1, mostExtent},
      {"layers", dims->layers, 1, mostExtent},
      {"layer", dims->layer, 0, dims->layers - 1},
      {"position", dims->position, 0, mostElements},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; ++i) {
    int32_t status = checkRange(call, ranges[i].name, ranges[i].value,
                                ranges[i].least, ranges[i].most);
    if (status != DECAY_OK)
      return status;
  }
  static const GlueProduct largest[] = {
      {1, {1, 1, 1, 1}}, {1, {1, 1, 1, 0, 1}}, {2, {0, 0, 1, 1, 1, 1}}};
  for (size_t i = 0; i < sizeof largest / sizeof largest[0]; ++i) {
    int64_t elements = glueProduct(&largest[i], call->sizes);
    if (elements < 0 || elements > mostElements)
      REFUSE(DECAY_SIZE_OUT_OF_RANGE, -1,
             "a tensor of B = %lld, T = %lld, H = %lld, K = %lld, V = %lld is "
             "larger than any memory",
             (Shown)dims->B, (Shown)dims->T, (Shown)dims->H, (Shown)dims->K,
             (Shown)dims->V);
  }
  return DECAY_OK;
}

static int32_t checkSequences(const GlueCall *call) {
  const DecayDims *dims = call->dims;
  if ((dims->sequences != 0) != (dims->cu_seqlens != 0))
    REFUSE(DECAY_BAD_SEQUENCES, -1,
           dims->cu_seqlens
               ? "cu_seqlens is given, but the number of sequences is %lld"
               : "%lld packed sequences without cu_seqlens",
           (Shown)dims->sequences);
  if (!dims->cu_seqlens)
    return DECAY_OK;
  if (dims->B != 1)
    REFUSE(DECAY_BAD_SEQUENCES, -1,
           "packed sequences need B = 1, but B is %lld", (Shown)dims->B);
  if (dims->sequences < 1 || dims->sequences > dims->T)
    REFUSE(DECAY_BAD_SEQUENCES, -1,
           "%lld packed sequences of %lld tokens together, expected 1 to %lld",
           (Shown)dims->sequences, (Shown)dims->T, (Shown)dims->T);
  if ((uintptr_t)dims->cu_seqlens % sizeof(int64_t) != 0)
    REFUSE(DECAY_NOT_ALIGNED, -1, "cu_seqlens is not aligned to %d bytes",
           (int)sizeof(int64_t));
  return DECAY_OK;
}

static int32_t checkHeadDims(const GlueCall *call) {
  const DecayDims *dims = call->dims;
  for (int64_t i = 0; i < call->entry->kernel_count; ++i) {
    const GlueKernel *kernel = &call->entry->kernels[i];
    if ((!kernel->key || kernel->key == dims->K) &&
        (!kernel->value || kernel->value == dims->V))
      return DECAY_OK;
  }
  REFUSE(DECAY_HEAD_DIMS_NOT_SUPPORTED, -1,
         "the package has no kernel for head dims K = %lld, V = %lld, "
         "expected %s",
         (Shown)dims->K, (Shown)dims->V, call->entry->head_dims);
}

static int32_t checkOperand(const GlueCall *call, int64_t place) {
  const DecayOperandInfo *info = &call->entry->operands[place];
  const GlueOperandRule *rule = &call->entry->rules[place];
  const DecayOperand *operand = &call->operands[place];
  if (!operand->data) {
    if (!info->optional)
      REFUSE(DECAY_OPERAND_MISSING, place,
             "the operand '%s' [%s] is NULL, but it is not optional",
             info->name, info->shape);
    return DECAY_OK;
  }
  if ((uintptr_t)operand->data % (uintptr_t)rule->alignment != 0)
    REFUSE(DECAY_NOT_ALIGNED, place, "'%s' is not aligned to %lld bytes",
           info->name, (Shown)rule->alignment);
  if (operand->row_stride == 0)
    return DECAY_OK;
  int64_t row = glueProduct(&rule->row, call->sizes);
  if (rule->row.number == 0)
    REFUSE(DECAY_ROW_STRIDE_NOT_SUPPORTED, place,
           "'%s' [%s] has a row stride of %lld, but no time axis", info->name,
           info->shape, (Shown)operand->row_stride);
  if (operand->row_stride < row || operand->row_stride > mostExtent ||
      operand->row_stride % rule->row_multiple != 0)
    REFUSE(DECAY_ROW_STRIDE_NOT_SUPPORTED, place,
           "the row stride of '%s' [%s] is %lld, expected a multiple of %lld "
           "from %lld to %lld",
           info->name, info->shape, (Shown)operand->row_stride,
           (Shown)rule->row_multiple, (Shown)row, (Shown)mostExtent);
  return DECAY_OK;
}

static int32_t checkWorkspace(const GlueCall *call) {
  int64_t needed = glueWorkspaceBytes(call->entry, call->dims, 1);
  if (needed < 0)
    REFUSE(DECAY_SIZE_OUT_OF_RANGE, -1,
           "the workspace would be larger than any memory");
  if (call->workspace_bytes < needed || (needed && !call->workspace))
    REFUSE(DECAY_WORKSPACE_TOO_SMALL, -1,
           "the workspace has %lld bytes, expected %lld",
           (Shown)(call->workspace ? call->workspace_bytes : 0), (Shown)needed);
  if ((uintptr_t)call->workspace % GLUE_WORKSPACE_ALIGNMENT != 0)
    REFUSE(DECAY_NOT_ALIGNED, -1, "the workspace is not aligned to %d bytes",
           GLUE_WORKSPACE_ALIGNMENT);
  return DECAY_OK;
}

int32_t glueCheck(const GlueCall *call) {
  static int32_t (*const checks[])(const GlueCall *) = {
      checkSizes, checkSequences, checkHeadDims, checkWorkspace};
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; ++i) {
    int32_t status = checks[i](call);
    if (status != DECAY_OK)
      return status;
  }
  for (int64_t place = 0; place < call->entry->operand_count; ++place) {
    int32_t status = checkOperand(call, place);
    if (status != DECAY_OK)
      return status;
  }
  return DECAY_OK;
}

/* Addresses that were found to be memory of a device. Asking the driver takes
 * longer than the rest of a launch, and callers come with the same addresses
 * again and again. */
enum { slotBits = 10, deviceShift = 56 };
static uint64_t knownAddresses[1 << slotBits];

/* Large tensors lie at multiples of 2 MiB: a product spreads them, where lower
 * bits would send all to a few slots. */
static uint64_t *slotOf(uint64_t number) {
  return &knownAddresses[number * 0x9e3779b97f4a7c15u >> (64 - slotBits)];
}

static int32_t checkAddress(const GlueCall *call, int device,
                            const void *address, int64_t place,
                            const char *name) {
  uint64_t number = (uint64_t)address;
  uint64_t known = number | (uint64_t)(device & 63) << deviceShift;
  uint64_t *slot = slotOf(number);
  if (__atomic_load_n(slot, __ATOMIC_RELAXED) == known)
    return DECAY_OK;
  int type = 0, owner = -1;
  int attributes[] = {GLUE_POINTER_MEMORY_TYPE, GLUE_POINTER_DEVICE};
  void *values[] = {&type, &owner};
  int result = glueDriver.pointer_attributes(2, attributes, values, number);
  if (result)
    return glueDriverFailed(call->fault, "cannot ask what an address is",
                            result);
  if (type != GLUE_MEMORY_DEVICE)
    REFUSE(DECAY_NOT_DEVICE_MEMORY, place,
           "'%s' lies in host memory, expected memory of GPU %d", name, device);
  if (owner != device)
    REFUSE(DECAY_NOT_DEVICE_MEMORY, place,
           "'%s' lies in memory of GPU %d, expected GPU %d, which is current",
           name, owner, device);
  __atomic_store_n(slot, known, __ATOMIC_RELAXED);
  return DECAY_OK;
}

int32_t glueCheckMemory(const GlueCall *call, int device) {
  int32_t status = DECAY_OK;
  for (int64_t i = 0; i < call->entry->operand_count && !status; ++i)
    if (call->operands[i].data)
      status = checkAddress(call, device, call->operands[i].data, i,
                            call->entry->operands[i].name);
  if (!status && call->dims->cu_seqlens)
    status =
        checkAddress(call, device, call->dims->cu_seqlens, -1, "cu_seqlens");
  if (!status && call->workspace)
    status = checkAddress(call, device, call->workspace, -1, "workspace");
  return status;
}
