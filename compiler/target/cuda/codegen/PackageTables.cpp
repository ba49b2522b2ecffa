//===- PackageTables.cpp - The tables that the glue reads ----------------===//
#include "compiler/target/cuda/codegen/Library.h"

#include "compiler/package/library/PackageLibrary.h"
#include "compiler/target/cuda/codegen/Machine.h"
#include "compiler/target/cuda/glue/Glue.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

#include <map>

namespace decay::cuda {
namespace {

// The constants below list these structs' fields one by one.
static_assert(sizeof(GlueProduct) == 24 && sizeof(GlueExtent) == 56 &&
              sizeof(GlueOperandRule) == 48 && sizeof(GlueLoaded) == 16 &&
              sizeof(GlueSchedule) == 48 && sizeof(GlueKernel) == 280 &&
              sizeof(GluePart) == 64 && sizeof(GlueEntry) == 72);
// What kernels and glue both know.
static_assert(GLUE_AXES == extentAxes.size() &&
              extentAxes.data()[GLUE_SEQUENCES] == 'N' &&
              extentAxes.data()[GLUE_SEGMENTS] == 'G' &&
              GLUE_SLOT_TOKENS == slotTokens &&
              GLUE_WORKSPACE_ALIGNMENT == workspaceAlignment);
static_assert(sizeof(DecayOperand) == launchOperandBytes &&
              sizeof(GlueLaunchSizes) == launchBytes(0));
constexpr bool isAt(LaunchField field, size_t offset) {
  return launchFieldOffset(field, 0) == static_cast<int64_t>(offset);
}
static_assert(
    isAt(LaunchField::B, offsetof(GlueLaunchSizes, B)) &&
    isAt(LaunchField::N, offsetof(GlueLaunchSizes, N)) &&
    isAt(LaunchField::Position, offsetof(GlueLaunchSizes, position)) &&
    isAt(LaunchField::CuSeqlens, offsetof(GlueLaunchSizes, cu_seqlens)) &&
    isAt(LaunchField::Workspace, offsetof(GlueLaunchSizes, workspace)) &&
    isAt(LaunchField::Segments, offsetof(GlueLaunchSizes, segments)) &&
    isAt(LaunchField::SegmentTokens,
         offsetof(GlueLaunchSizes, segment_tokens)));
static_assert(sizeof(GlueFaultSlot) == faultSlotBytes &&
              offsetof(GlueFaultSlot, code) == offsetof(FaultSlot, code) &&
              offsetof(GlueFaultSlot, value) == offsetof(FaultSlot, value));

/// Whole vectors of 16 bytes are read from rows of K or V.
constexpr int64_t vectorBytes = 16;
constexpr int64_t typeBytes[] = {4, 2}; // by DecayType

bool hasTokens(const OperandDescription &operand) {
  return llvm::StringRef(operand.shape).contains('T');
}
/// The package's precision is that of what has a row per token, and of states
/// that are kept for each chunk; all else is fp32.
bool hasPrecision(const OperandDescription &operand) {
  llvm::StringRef shape = operand.shape;
  return hasTokens(operand) ||
         (shape.starts_with("S ") && shape.ends_with(" V"));
}

class TableEmitter {
public:
  TableEmitter(llvm::Module &module, const PackageDescription &package,
               llvm::ArrayRef<KernelCode> kernels, WorkspaceOf workspaceOf)
      : module(module), package(package), kernels(kernels),
        workspaceOf(workspaceOf), tables(module) {}

  llvm::Error emit();

private:
  llvm::Constant *int64(int64_t value) { return tables.int64(value); }
  DecayType typeOf(const OperandDescription &operand) const {
    return hasPrecision(operand) && package.precision == "bf16" ? DECAY_BF16
                                                                : DECAY_F32;
  }
  llvm::Constant *product(const Product &value);
  llvm::Constant *extent(const Extent &value);
  llvm::Constant *schedule(const Schedule &row);
  llvm::Constant *rules(const EntryDescription &entry);
  llvm::Constant *image(const KernelCode &kernel);
  llvm::Constant *kernel(const KernelCode &kernel);
  llvm::Expected<llvm::Constant *> parts(const EntryDescription &entry);
  llvm::Expected<llvm::Constant *>
  glueEntry(const EntryDescription &entry,
            llvm::ArrayRef<const KernelCode *> own);

  llvm::Module &module;
  const PackageDescription &package;
  llvm::ArrayRef<KernelCode> kernels;
  WorkspaceOf workspaceOf;
  PackageTables tables;
};

llvm::Constant *TableEmitter::product(const Product &value) {
  return tables.structure(
      {int64(value.number),
       llvm::ConstantDataArray::get(module.getContext(),
                                    llvm::ArrayRef(value.powers))});
}

llvm::Constant *TableEmitter::extent(const Extent &value) {
  return tables.structure(
      {product(value.outer), product(value.inner), int64(value.divisor)});
}

llvm::Constant *TableEmitter::schedule(const Schedule &row) {
  return tables.structure({int64(row.blocks), int64(row.whole), int64(row.cut),
                           int64(row.launch), int64(row.joint),
                           int64(row.behind)});
}

llvm::Constant *TableEmitter::rules(const EntryDescription &entry) {
  std::vector<llvm::Constant *> rows;
  for (const OperandDescription &operand : entry.operands) {
    llvm::StringRef shape = operand.shape;
    bool inVectors = shape.ends_with("K") || shape.ends_with("V");
    int64_t bytes = typeBytes[typeOf(operand)];
    Product row;
    row.number = hasTokens(operand);
    for (char axis : shape.split('T').second)
      if (size_t place = extentAxes.find(axis); place != llvm::StringRef::npos)
        ++row.powers[place];
    rows.push_back(tables.structure(
        {product(row),
         int64(hasTokens(operand) && inVectors ? vectorBytes / bytes : 1),
         int64(inVectors ? vectorBytes : bytes),
         int64(shape.starts_with("S"))}));
  }
  return tables.array("rules_" + entry.role, rows);
}

llvm::Constant *TableEmitter::image(const KernelCode &kernel) {
  bool isText = kernel.cubin.empty();
  llvm::GlobalVariable *made =
      tables.global("code_" + kernel.name,
                    llvm::ConstantDataArray::getString(
                        module.getContext(), isText ? kernel.ptx : kernel.cubin,
                        /*AddNull=*/isText));
  made->setAlignment(llvm::Align(vectorBytes));
  return made;
}

llvm::Constant *TableEmitter::kernel(const KernelCode &kernel) {
  const KernelLaunch &launch = kernel.launch;
  auto dims = launch.headDims.value_or(std::array<int64_t, 2>{0, 0});
  llvm::Constant *zero = llvm::ConstantAggregateZero::get(
      tables.structure({tables.nullPointer(), int64(0)})->getType());
  llvm::GlobalVariable *loaded = tables.global("loaded_" + kernel.name, zero);
  loaded->setConstant(false);
  return tables.structure(
      {tables.text(kernel.name), image(kernel), int64(dims[0]), int64(dims[1]),
       int64(launch.threads), int64(launch.sharedBytes),
       int64(launch.kept ? (*launch.kept ? 1 : -1) : 0), extent(launch.grid[0]),
       extent(launch.grid[1]), extent(launch.grid[2]),
       schedule(launch.schedule.value_or(Schedule{})), loaded});
}

llvm::Expected<llvm::Constant *>
TableEmitter::parts(const EntryDescription &entry) {
  auto described = workspaceOf(entry.role);
  if (!described)
    return described.takeError();
  std::vector<llvm::Constant *> rows;
  for (const WorkspacePart &part : *described)
    rows.push_back(
        tables.structure({extent(part.elements), int64(part.bytesPerElement)}));
  // Whoever reads a fault must find one.
  if (rows.empty())
    rows.push_back(tables.structure(
        {extent(Extent{Product{faultSlotBytes, {}}, {}, 1}), int64(1)}));
  return llvm::ConstantArray::get(
      llvm::ArrayType::get(rows.front()->getType(), rows.size()), rows);
}

/// "K = 64, V = 64 or K = 128, V = 128"
std::string headDimsText(llvm::ArrayRef<const KernelCode *> kernels) {
  std::vector<std::string> texts;
  for (const KernelCode *kernel : kernels) {
    if (!kernel->launch.headDims)
      return "any";
    auto [key, value] = *kernel->launch.headDims;
    std::string text =
        "K = " + std::to_string(key) + ", V = " + std::to_string(value);
    if (!llvm::is_contained(texts, text))
      texts.push_back(std::move(text));
  }
  return llvm::join(texts, " or ");
}

llvm::Expected<llvm::Constant *>
TableEmitter::glueEntry(const EntryDescription &entry,
                        llvm::ArrayRef<const KernelCode *> own) {
  auto count = static_cast<int64_t>(entry.operands.size());
  if (count > GLUE_MOST_OPERANDS)
    return llvm::createStringError("the entry '" + entry.role + "' has " +
                                   llvm::Twine(count) + " operands, at most " +
                                   llvm::Twine(GLUE_MOST_OPERANDS) + " fit");
  std::vector<llvm::Constant *> rows;
  for (const KernelCode *code : own) {
    if (code->operands != count)
      return llvm::createStringError("the kernel '" + code->name + "' takes " +
                                     llvm::Twine(code->operands) +
                                     " operands, its entry has " +
                                     llvm::Twine(count));
    rows.push_back(kernel(*code));
  }
  llvm::Expected<llvm::Constant *> partTable = parts(entry);
  if (!partTable)
    return partTable.takeError();
  return tables.global(
      "glue_" + entry.role,
      tables.structure(
          {tables.operandTable(
               entry, [&](const auto &operand) { return typeOf(operand); }),
           rules(entry), int64(count),
           tables.global("parts_" + entry.role, *partTable),
           int64(static_cast<int64_t>(
               (*partTable)->getType()->getArrayNumElements())),
           tables.array("kernels_" + entry.role, rows),
           int64(static_cast<int64_t>(rows.size())),
           int64(entry.role == "step"), tables.text(headDimsText(own))}));
}

llvm::Error TableEmitter::emit() {
  std::vector<llvm::Constant *> entries;
  for (const EntryDescription &entry : package.entries) {
    std::multimap<int64_t, const KernelCode *> byStage;
    for (const KernelCode &code : kernels)
      if (code.launch.entry == entry.role)
        byStage.emplace(code.launch.stage, &code);
    if (byStage.empty())
      continue;
    std::vector<const KernelCode *> own;
    llvm::append_range(own, llvm::make_second_range(byStage));
    llvm::Expected<llvm::Constant *> glue = glueEntry(entry, own);
    if (!glue)
      return glue.takeError();
    auto *info = llvm::cast<llvm::GlobalVariable>(*glue);
    entries.push_back(tables.structure(
        {tables.text(entry.role),
         tables.int32(static_cast<int64_t>(entry.operands.size())),
         tables.int32(0), info->getInitializer()->getAggregateElement(0u),
         tables.trampoline("glueWorkspaceBytes", info,
                           "workspace_bytes_" + entry.role),
         tables.trampoline("glueLaunch", info, "launch_" + entry.role),
         module.getFunction("glueReadFault")}));
  }
  if (entries.empty())
    return llvm::createStringError("no entry of the package has a kernel");
  auto *table = llvm::cast<llvm::GlobalVariable>(tables.packageTable(
      package, processorName, DECAY_DEVICE_MEMORY, entries));
  tables.define("gluePackage", table->getInitializer());
  return llvm::Error::success();
}

} // namespace

llvm::Error emitPackageTables(llvm::Module &module,
                              const PackageDescription &package,
                              llvm::ArrayRef<KernelCode> kernels,
                              WorkspaceOf workspaceOf) {
  return TableEmitter(module, package, kernels, workspaceOf).emit();
}

} // namespace decay::cuda
