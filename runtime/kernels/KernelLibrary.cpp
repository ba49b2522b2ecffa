//===- KernelLibrary.cpp - A compiled design, loaded ----------------------===//

#include "runtime/kernels/KernelLibrary.h"

#include "runtime/device/cpu/Processor.h"

#include <dlfcn.h>

#include <fmt/format.h>

namespace decay::runtime {

static constexpr std::string_view roleNames[] = {"forward", "backward", "step",
                                                 "init_parameters"};
/// No axis of a call reaches this, so that products of two fit easily.
static constexpr int64_t maximumExtent = int64_t(1) << 31;
/// Nor does a tensor: more than any machine's memory, less than what overflows.
static constexpr int64_t maximumElements = int64_t(1) << 46;
static constexpr int32_t maximumEntries = 16;
static constexpr int32_t maximumOperands = 512;

std::string_view toString(KernelRole role) {
  return roleNames[static_cast<size_t>(role)];
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// Why a package has nothing for this host: asked again as the best of hosts,
/// it tells an unfit processor from an unfit version.
static Status explainRefusal(DecayPackageQuery query) {
  DecayHost best = {1, 1};
  if (query(DECAY_ABI_VERSION, &best))
    return Status::world(
        "the package holds no code for this processor, which is older than all "
        "that it was compiled for: run it on one of 2013 or later");
  return Status::world(
      fmt::format("the package does not speak version {} of the package "
                  "interface: compile the design again with the decayc that "
                  "belongs to this program",
                  DECAY_ABI_VERSION));
}

Result<KernelLibrary> KernelLibrary::load(const std::string &path) {
  return load(path, detectHost());
}

Result<KernelLibrary> KernelLibrary::load(const std::string &path,
                                          const DecayHost &host) {
  std::string context = fmt::format("package {}", path);
  KernelLibrary library;
  library.file = path;
  Result<SharedLibrary> opened = openSharedLibrary(path);
  if (!opened.ok())
    return std::move(opened).status().within(context);
  library.handle = *opened;
  auto query = reinterpret_cast<DecayPackageQuery>(
      dlsym(library.handle.get(), DECAY_PACKAGE_QUERY_SYMBOL));
  if (!query)
    return Status::world(
               fmt::format(
                   "a shared library without the symbol '{}': not a package "
                   "made by decayc",
                   DECAY_PACKAGE_QUERY_SYMBOL))
        .within(context);
  library.package = query(DECAY_ABI_VERSION, &host);
  if (!library.package)
    return explainRefusal(query).within(context);
  if (Status status = library.readTable(); !status.ok())
    return Status::world(status.message()).within(context);
  return library;
}

Status KernelLibrary::readTable() {
  if (package->version != DECAY_ABI_VERSION)
    return Status::world(
        fmt::format("its interface has version {}, expected {}: compile the "
                    "design again with the decayc that belongs to this program",
                    package->version, DECAY_ABI_VERSION));
  if (package->memory != DECAY_HOST_MEMORY &&
      package->memory != DECAY_DEVICE_MEMORY)
    return Status::world(fmt::format(
        "its table says memory {}, which this program does not know",
        package->memory));
  for (const char *text : {package->design, package->hash, package->target,
                           package->variant, package->manifest})
    if (!text)
      return Status::world(
          "its table lacks the design, hash, target, variant or manifest");
  DECAY_ASSIGN_OR_RETURN(Manifest parsed, Manifest::parse(package->manifest));
  if (parsed.design != package->design || parsed.hash != package->hash ||
      parsed.target != package->target)
    return Status::world(fmt::format(
        "its manifest is that of '{}' for {}, its table that of '{}' "
        "for {}, or their hashes differ",
        parsed.design, parsed.target, package->design, package->target));
  description = std::make_shared<const Manifest>(std::move(parsed));
  if (package->entry_count < 1 || package->entry_count > maximumEntries ||
      !package->entries)
    return Status::world(
        fmt::format("its table has {} entries", package->entry_count));
  for (int32_t i = 0; i < package->entry_count; ++i)
    DECAY_RETURN_IF_ERROR(readEntry(package->entries[i]));
  return {};
}

static Result<KernelOperandInfo>
readOperandInfo(const DecayOperandInfo &table) {
  if (!table.name || !table.shape)
    return Status::world("an operand has no name or no shape");
  KernelOperandInfo info;
  info.name = table.name;
  DECAY_ASSIGN_OR_RETURN(info.shape, TensorShape::parse(table.shape));
  if (table.type != DECAY_F32 && table.type != DECAY_BF16)
    return Status::world(fmt::format(
        "the operand '{}' has the number type {}, which this program "
        "does not know",
        info.name, table.type));
  info.type = static_cast<DecayType>(table.type);
  info.written = table.access == DECAY_WRITE;
  info.optional = table.optional != 0;
  return info;
}

Status KernelLibrary::readEntry(const DecayEntry &table) {
  if (!table.role || !table.workspace_bytes || !table.launch ||
      table.operand_count < 0 || table.operand_count > maximumOperands ||
      (table.operand_count > 0 && !table.operands))
    return Status::world("its table has an incomplete entry");
  for (size_t role = 0; role < std::size(roleNames); ++role) {
    if (roleNames[role] != table.role)
      continue;
    Entry &entry = entries[role];
    if (entry.table)
      return Status::world(
          fmt::format("its table has the entry '{}' twice", table.role));
    entry.table = &table;
    for (int32_t i = 0; i < table.operand_count; ++i) {
      Result<KernelOperandInfo> info = readOperandInfo(table.operands[i]);
      if (!info.ok())
        return std::move(info).status().within(
            fmt::format("entry '{}'", table.role));
      entry.operands.push_back(std::move(*info));
    }
  }
  // An entry of a role that this program does not know is of no use, and no
  // harm.
  return {};
}

const KernelLibrary::Entry *KernelLibrary::find(KernelRole role) const {
  const Entry &entry = entries[static_cast<size_t>(role)];
  return entry.table ? &entry : nullptr;
}

std::span<const KernelOperandInfo>
KernelLibrary::operands(KernelRole role) const {
  const Entry *entry = find(role);
  return entry ? std::span<const KernelOperandInfo>(entry->operands)
               : std::span<const KernelOperandInfo>();
}

//===----------------------------------------------------------------------===//
// Checking a call
//===----------------------------------------------------------------------===//

static Status checkExtents(const DecayDims &dims) {
  const std::pair<const char *, int64_t> extents[] = {
      {"B", dims.B}, {"T", dims.T}, {"H", dims.H},
      {"K", dims.K}, {"V", dims.V}, {"layers", dims.layers}};
  for (auto [name, extent] : extents)
    if (extent < 1 || extent >= maximumExtent)
      return Status::user(fmt::format("{} is {}, expected 1 to {}", name,
                                      extent, maximumExtent - 1));
  // Of each tensor's axes, at most these stand together.
  auto tooLarge = [](std::initializer_list<int64_t> factors) {
    int64_t product = 1;
    for (int64_t factor : factors)
      if (__builtin_mul_overflow(product, factor, &product) ||
          product > maximumElements)
        return true;
    return false;
  };
  if (tooLarge({dims.B, dims.T, dims.H, std::max(2 * dims.K, dims.V)}) ||
      tooLarge({sequenceCount(dims), dims.H, 2 * dims.K, dims.V}) ||
      tooLarge({dims.layers, dims.H, dims.K}))
    return Status::user(fmt::format(
        "a tensor of B = {}, T = {}, H = {}, K = {}, V = {}, layers = "
        "{} is larger than any memory",
        dims.B, dims.T, dims.H, dims.K, dims.V, dims.layers));
  return {};
}

static Status checkSequences(const DecayDims &dims, DecayMemory memory) {
  if (dims.sequences < 0)
    return Status::user(fmt::format("{} packed sequences", dims.sequences));
  if ((dims.sequences == 0) != (dims.cu_seqlens == nullptr))
    return Status::user(
        dims.cu_seqlens
            ? "cu_seqlens is given, but the number of sequences is 0"
            : fmt::format("{} packed sequences without cu_seqlens",
                          dims.sequences));
  if (dims.sequences == 0)
    return {};
  if (dims.B != 1)
    return Status::user(
        fmt::format("packed sequences need B = 1, but B is {}", dims.B));
  if (dims.sequences > dims.T)
    return Status::user(
        fmt::format("{} packed sequences of {} tokens together: each needs one",
                    dims.sequences, dims.T));
  if (memory != DECAY_HOST_MEMORY)
    return {};
  if (dims.cu_seqlens[0] != 0)
    return Status::user(
        fmt::format("cu_seqlens[0] is {}, expected 0", dims.cu_seqlens[0]));
  for (int64_t n = 0; n < dims.sequences; ++n)
    if (dims.cu_seqlens[n + 1] <= dims.cu_seqlens[n])
      return Status::user(
          fmt::format("cu_seqlens must rise, but [{}] is {} and [{}] is {}", n,
                      dims.cu_seqlens[n], n + 1, dims.cu_seqlens[n + 1]));
  if (dims.cu_seqlens[dims.sequences] != dims.T)
    return Status::user(fmt::format("cu_seqlens[{}] is {}, expected T = {}",
                                    dims.sequences,
                                    dims.cu_seqlens[dims.sequences], dims.T));
  return {};
}

Status KernelLibrary::checkDims(KernelRole role, const DecayDims &dims,
                                DecayMemory memory) {
  // Sequences first: their number is an extent too.
  if (dims.T >= 1)
    DECAY_RETURN_IF_ERROR(checkSequences(dims, memory));
  DECAY_RETURN_IF_ERROR(checkExtents(dims));
  if (dims.layer < 0 || dims.layer >= dims.layers)
    return Status::user(fmt::format("layer is {}, expected 0 to {}", dims.layer,
                                    dims.layers - 1));
  if (dims.position < 0 || dims.position > maximumElements)
    return Status::user(
        fmt::format("position is {}, expected 0 or more", dims.position));
  if (role == KernelRole::Step && dims.T != 1)
    return Status::user(
        fmt::format("T is {}, but a step takes one token", dims.T));
  return {};
}

/// By DecayType.
static constexpr const char *typeNames[] = {"fp32", "bf16"};
static constexpr uintptr_t typeBytes[] = {4, 2};

static std::string describeShape(const KernelOperandInfo &info,
                                 const DecayDims &dims, int64_t stateWidth) {
  return fmt::format("[{}] = [{}]", info.shape.text(),
                     fmt::join(info.shape.extents(dims, stateWidth), ", "));
}

Status KernelLibrary::checkOperand(const KernelOperandInfo &info,
                                   const KernelOperand &given,
                                   const DecayDims &dims) const {
  int64_t stateWidth = manifest().stateWidth;
  auto shape = [&] { return describeShape(info, dims, stateWidth); };
  if (given.type != info.type)
    return Status::user(fmt::format("'{}' holds {}, expected {}", info.name,
                                    typeNames[given.type],
                                    typeNames[info.type]));
  if (given.rowStride != 0) {
    if (!info.shape.has('T'))
      return Status::user(
          fmt::format("'{}' has a row stride of {}, but no time axis: {}",
                      info.name, given.rowStride, shape()));
    int64_t row = info.shape.rowElements(dims, stateWidth);
    if (given.rowStride < row)
      return Status::user(fmt::format(
          "the row stride of '{}' is {}, but a row has {} elements: {}",
          info.name, given.rowStride, row, shape()));
    if (given.rowStride >= maximumExtent)
      return Status::user(
          fmt::format("the row stride of '{}' is {}, expected less than {}",
                      info.name, given.rowStride, maximumExtent));
  }
  int64_t needed = info.shape.span(dims, stateWidth, given.rowStride);
  if (given.elements < needed)
    return Status::user(fmt::format(
        "'{}' has {} elements, but {}{} reaches over {}", info.name,
        given.elements, shape(),
        given.rowStride ? fmt::format(" with row stride {}", given.rowStride)
                        : "",
        needed));
  if (uintptr_t bytes = typeBytes[info.type];
      reinterpret_cast<uintptr_t>(given.data) % bytes != 0)
    return Status::user(
        fmt::format("'{}' is not aligned to {} bytes", info.name, bytes));
  return {};
}

Status KernelLibrary::bind(const Entry &entry,
                           std::span<const KernelOperand> given,
                           const DecayDims &dims,
                           std::span<DecayOperand> bound) const {
  std::string_view known[maximumOperands];
  for (const KernelOperand &operand : given) {
    size_t place = 0;
    while (place < entry.operands.size() &&
           entry.operands[place].name != operand.name)
      ++place;
    if (place == entry.operands.size()) {
      std::string names;
      for (const KernelOperandInfo &info : entry.operands)
        names += (names.empty() ? "" : ", ") + info.name;
      return Status::user(fmt::format("there is no operand '{}', expected: {}",
                                      operand.name, names));
    }
    if (!known[place].empty())
      return Status::user(
          fmt::format("the operand '{}' is given twice", operand.name));
    known[place] = entry.operands[place].name;
    if (!operand.data)
      continue;
    DECAY_RETURN_IF_ERROR(checkOperand(entry.operands[place], operand, dims));
    bound[place] = {operand.data, operand.rowStride};
  }
  for (size_t place = 0; place < entry.operands.size(); ++place)
    if (!bound[place].data && !entry.operands[place].optional)
      return Status::user(fmt::format(
          "the operand '{}' {} is {}", entry.operands[place].name,
          describeShape(entry.operands[place], dims, manifest().stateWidth),
          known[place].empty() ? "missing" : "NULL"));
  return {};
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Status KernelLibrary::within(KernelRole role, Status status) const {
  if (status.ok())
    return status;
  return std::move(status).within(
      fmt::format("{} of '{}'", toString(role), manifest().design));
}

/// Whose fault a status is; those of a device or a driver are the world's.
static bool isCallersFault(int32_t status) {
  return status >= DECAY_SIZE_OUT_OF_RANGE && status <= DECAY_BAD_SEQUENCES;
}

Status KernelLibrary::describeFault(int32_t status, const DecayFault &fault) {
  switch (status) {
  case DECAY_OK:
    return {};
  case DECAY_LAMBDA_OUT_OF_RANGE:
    return Status::user(fmt::format(
        "λ is {:.9g} at sequence {}, token {}, head {}, channel {}: it must "
        "lie in [0, 1]. Give "
        "the design a formula that cannot leave it, such as sigmoid(…) or "
        "exp(-softplus(…)), or "
        "smaller learned parameters",
        fault.value, fault.sequence, fault.token, fault.head, fault.channel));
  case DECAY_WORKSPACE_TOO_SMALL:
    return Status::world("the package asks for a larger workspace than it "
                         "said: compile the design "
                         "again");
  }
  if (isCallersFault(status))
    return Status::user(fault.message);
  if (status == DECAY_NO_DRIVER || status == DECAY_DEVICE_NOT_SUPPORTED ||
      status == DECAY_DEVICE_FAILED)
    return Status::world(fault.message);
  return Status::world(
      fmt::format("the package returned the unknown status {}", status));
}

Result<int64_t> KernelLibrary::workspaceBytes(KernelRole role,
                                              const DecayDims &dims,
                                              int64_t workers) const {
  const Entry *entry = find(role);
  if (!entry)
    return within(role, Status::user("the package has no such entry"));
  if (Status status = checkDims(role, dims, memory()); !status.ok())
    return within(role, std::move(status));
  int64_t bytes = entry->table->workspace_bytes(&dims, workers);
  if (bytes < 0 || bytes > maximumElements)
    return within(role,
                  Status::world(fmt::format(
                      "the package asks for a workspace of {} bytes", bytes)));
  return bytes;
}

Status KernelLibrary::launch(KernelRole role,
                             std::span<const KernelOperand> operands,
                             const DecayDims &dims, KernelWorkspace &workspace,
                             Device &device) const {
  if (device.target() != target())
    return within(role,
                  Status::world(fmt::format(
                      "the package was compiled for the target '{}', but the "
                      "device runs those for '{}': compile it for that target",
                      target(), device.target())));
  DECAY_ASSIGN_OR_RETURN(int64_t bytes,
                         workspaceBytes(role, dims, device.workers()));
  const Entry *entry = find(role);
  std::vector<DecayOperand> bound(entry->operands.size());
  Status status = bind(*entry, operands, dims, bound);
  if (status.ok())
    status = workspace.reserve(bytes);
  if (status.ok()) {
    device.announce(WorkKind::Recurrence);
    DecayFault fault = {};
    int32_t outcome =
        entry->table->launch(bound.data(), &dims, workspace.data(),
                             workspace.bytes(), device.stream(), &fault);
    status = describeFault(outcome, fault);
  }
  return within(role, std::move(status));
}

Status KernelLibrary::readFault(KernelRole role, KernelWorkspace &workspace,
                                Device &device) const {
  const Entry *entry = find(role);
  if (!entry || !entry->table->read_fault || !workspace.data())
    return {};
  DecayFault fault = {};
  int32_t outcome =
      entry->table->read_fault(workspace.data(), device.stream(), &fault);
  return within(role, describeFault(outcome, fault));
}

} // namespace decay::runtime
