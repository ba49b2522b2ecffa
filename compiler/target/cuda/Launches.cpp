//===- Launches.cpp - How a module says what is launched -----------------===//
#include "compiler/target/cuda/Launches.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"

namespace decay::cuda {

namespace LLVM = mlir::LLVM;
namespace NVVM = mlir::NVVM;

//===----------------------------------------------------------------------===//
// The parameter of a kernel
//===----------------------------------------------------------------------===//

LLVM::LLVMStructType launchType(mlir::MLIRContext *context, int64_t operands) {
  auto pointer = LLVM::LLVMPointerType::get(context);
  auto number = mlir::IntegerType::get(context, 64);
  auto operand = LLVM::LLVMStructType::getLiteral(context, {pointer, number});
  llvm::SmallVector<mlir::Type> fields(launchFieldCount, number);
  fields[static_cast<size_t>(LaunchField::Operands)] =
      LLVM::LLVMArrayType::get(operand, static_cast<unsigned>(operands));
  fields[static_cast<size_t>(LaunchField::CuSeqlens)] = pointer;
  fields[static_cast<size_t>(LaunchField::Workspace)] = pointer;
  return LLVM::LLVMStructType::getLiteral(context, fields);
}

void setLaunchParameter(LLVM::LLVMFuncOp kernel, int64_t operands) {
  mlir::Builder builder(kernel.getContext());
  kernel.setArgAttr(
      0, LLVM::LLVMDialect::getByValAttrName(),
      mlir::TypeAttr::get(launchType(kernel.getContext(), operands)));
  kernel.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                    builder.getI64IntegerAttr(launchAlignment));
  kernel.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(),
                    builder.getUnitAttr());
}

static llvm::Error wrong(LLVM::LLVMFuncOp kernel, const llvm::Twine &what) {
  return llvm::createStringError("kernel '" + kernel.getName() + "': " + what);
}

llvm::Expected<int64_t> launchOperands(LLVM::LLVMFuncOp kernel) {
  auto byVal = kernel.getNumArguments() == 1
                   ? kernel.getArgAttrOfType<mlir::TypeAttr>(
                         0, LLVM::LLVMDialect::getByValAttrName())
                   : nullptr;
  auto type =
      byVal ? llvm::dyn_cast<LLVM::LLVMStructType>(byVal.getValue()) : nullptr;
  if (!type || type.getBody().empty())
    return wrong(kernel, "its parameter is not the launch struct");
  auto operands = llvm::dyn_cast<LLVM::LLVMArrayType>(type.getBody().front());
  if (!operands ||
      type != launchType(kernel.getContext(),
                         static_cast<int64_t>(operands.getNumElements())))
    return wrong(kernel, "its parameter is not the launch struct");
  return static_cast<int64_t>(operands.getNumElements());
}

//===----------------------------------------------------------------------===//
// Sizes known at launch
//===----------------------------------------------------------------------===//

static llvm::Error wrongExtent(llvm::StringRef text) {
  return llvm::createStringError(
      "'" + text + "' is no size: expected a product of numbers and of " +
      extentAxes +
      " with blanks between, and at most one ceil(PRODUCT,NUMBER)");
}

/// False if the word is neither a number nor an axis.
static bool multiply(Product &product, llvm::StringRef word) {
  int64_t number = 0;
  if (!word.getAsInteger(10, number)) {
    product.number *= number;
    return number > 0;
  }
  size_t axis =
      word.size() == 1 ? extentAxes.find(word.front()) : llvm::StringRef::npos;
  if (axis == llvm::StringRef::npos)
    return false;
  ++product.powers[axis];
  return true;
}

static bool multiplyAll(Product &product, llvm::StringRef words) {
  llvm::SmallVector<llvm::StringRef> each;
  words.split(each, ' ', -1, /*KeepEmpty=*/false);
  return llvm::all_of(
      each, [&](llvm::StringRef word) { return multiply(product, word); });
}

llvm::Expected<Extent> parseExtent(llvm::StringRef text) {
  Extent extent;
  auto [before, rest] = text.split("ceil(");
  bool good = multiplyAll(extent.outer, before);
  if (before.size() != text.size()) {
    auto [inside, after] = rest.split(')');
    auto [product, divisor] = inside.split(',');
    good = good && rest.contains(')') && multiplyAll(extent.inner, product) &&
           !divisor.trim().getAsInteger(10, extent.divisor) &&
           extent.divisor > 0 && multiplyAll(extent.outer, after);
  }
  if (!good || text.trim().empty())
    return wrongExtent(text);
  return extent;
}

static std::string formatProduct(const Product &product) {
  std::vector<std::string> words;
  if (product.number != 1)
    words.push_back(std::to_string(product.number));
  for (auto [axis, power] : llvm::zip_equal(extentAxes, product.powers))
    words.insert(words.end(), power, std::string(1, axis));
  return words.empty() ? "1" : llvm::join(words, " ");
}

std::string formatExtent(const Extent &extent) {
  std::string outer = formatProduct(extent.outer);
  if (extent.inner == Product() && extent.divisor == 1)
    return outer;
  return (outer == "1" ? "" : outer + " ") + "ceil(" +
         formatProduct(extent.inner) + "," + std::to_string(extent.divisor) +
         ")";
}

//===----------------------------------------------------------------------===//
// Attributes of kernels
//===----------------------------------------------------------------------===//

void setKernelLaunch(LLVM::LLVMFuncOp kernel, const KernelLaunch &launch) {
  mlir::Builder builder(kernel.getContext());
  kernel->setAttr(entryAttribute, builder.getStringAttr(launch.entry));
  if (launch.headDims)
    kernel->setAttr(headDimsAttribute,
                    builder.getDenseI64ArrayAttr(*launch.headDims));
  kernel->setAttr(stageAttribute, builder.getI64IntegerAttr(launch.stage));
  kernel->setAttr(threadsAttribute, builder.getI64IntegerAttr(launch.threads));
  kernel->setAttr(sharedBytesAttribute,
                  builder.getI64IntegerAttr(launch.sharedBytes));
  llvm::SmallVector<mlir::Attribute> grid;
  for (const Extent &extent : launch.grid)
    grid.push_back(builder.getStringAttr(formatExtent(extent)));
  kernel->setAttr(gridAttribute, builder.getArrayAttr(grid));
  if (const std::optional<Schedule> &row = launch.schedule)
    kernel->setAttr(
        scheduleAttribute,
        builder.getDenseI64ArrayAttr({row->blocks, row->whole, row->cut,
                                      row->launch, row->joint, row->behind}));
  if (launch.kept)
    kernel->setAttr(keptAttribute, builder.getBoolAttr(*launch.kept));
}

static llvm::Error readNumber(LLVM::LLVMFuncOp kernel, llvm::StringRef name,
                              int64_t &number) {
  auto attribute = kernel->getAttrOfType<mlir::IntegerAttr>(name);
  if (!attribute || attribute.getInt() < 0)
    return wrong(kernel, "no number '" + name + "'");
  number = attribute.getInt();
  return llvm::Error::success();
}

static llvm::Error readGrid(LLVM::LLVMFuncOp kernel,
                            std::array<Extent, 3> &grid) {
  auto attribute = kernel->getAttrOfType<mlir::ArrayAttr>(gridAttribute);
  if (!attribute || attribute.size() != grid.size())
    return wrong(kernel, "no three sizes in '" + gridAttribute + "'");
  for (auto [extent, element] : llvm::zip_equal(grid, attribute)) {
    auto text = llvm::dyn_cast<mlir::StringAttr>(element);
    llvm::Expected<Extent> parsed =
        text ? parseExtent(text.getValue()) : wrongExtent("not a string");
    if (!parsed)
      return wrong(kernel, llvm::toString(parsed.takeError()));
    extent = *parsed;
  }
  return llvm::Error::success();
}

llvm::Expected<KernelLaunch> kernelLaunch(LLVM::LLVMFuncOp kernel) {
  KernelLaunch launch;
  auto entry = kernel->getAttrOfType<mlir::StringAttr>(entryAttribute);
  if (!entry)
    return wrong(kernel, "no '" + entryAttribute + "'");
  launch.entry = entry.str();
  if (mlir::Attribute attribute = kernel->getAttr(headDimsAttribute)) {
    auto dims = llvm::dyn_cast<mlir::DenseI64ArrayAttr>(attribute);
    if (!dims || dims.size() != 2)
      return wrong(kernel, "no two numbers in '" + headDimsAttribute + "'");
    launch.headDims = {dims[0], dims[1]};
  }
  if (auto kept = kernel->getAttrOfType<mlir::BoolAttr>(keptAttribute))
    launch.kept = kept.getValue();
  const std::pair<llvm::StringRef, int64_t *> numbers[] = {
      {stageAttribute, &launch.stage},
      {threadsAttribute, &launch.threads},
      {sharedBytesAttribute, &launch.sharedBytes}};
  for (auto [name, number] : numbers)
    if (llvm::Error error = readNumber(kernel, name, *number))
      return error;
  if (llvm::Error error = readGrid(kernel, launch.grid))
    return error;
  if (mlir::Attribute attribute = kernel->getAttr(scheduleAttribute)) {
    auto row = llvm::dyn_cast<mlir::DenseI64ArrayAttr>(attribute);
    if (!row || row.size() != 6 || row[0] < 1)
      return wrong(kernel, "no six numbers in '" + scheduleAttribute + "'");
    launch.schedule = {row[0], row[1], row[2], row[3], row[4], row[5]};
  }
  return launch;
}

//===----------------------------------------------------------------------===//
// Workspaces
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral nameKey = "name", shapeKey = "shape",
                                     bytesKey = "bytes_per_element";

void setWorkspace(mlir::gpu::GPUModuleOp module, llvm::StringRef entry,
                  llvm::ArrayRef<WorkspacePart> parts) {
  mlir::Builder builder(module.getContext());
  llvm::SmallVector<mlir::Attribute> rows;
  for (const WorkspacePart &part : parts)
    rows.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr(nameKey, builder.getStringAttr(part.name)),
         builder.getNamedAttr(
             shapeKey, builder.getStringAttr(formatExtent(part.elements))),
         builder.getNamedAttr(
             bytesKey, builder.getI64IntegerAttr(part.bytesPerElement))}));
  mlir::NamedAttrList all(
      module->getAttrOfType<mlir::DictionaryAttr>(workspaceAttribute));
  all.set(entry, builder.getArrayAttr(rows));
  module->setAttr(workspaceAttribute, all.getDictionary(module.getContext()));
}

static llvm::Expected<WorkspacePart> readPart(mlir::Attribute attribute) {
  auto row = llvm::dyn_cast<mlir::DictionaryAttr>(attribute);
  auto name = row ? row.getAs<mlir::StringAttr>(nameKey) : nullptr;
  auto shape = row ? row.getAs<mlir::StringAttr>(shapeKey) : nullptr;
  auto bytes = row ? row.getAs<mlir::IntegerAttr>(bytesKey) : nullptr;
  if (!name || !shape || !bytes)
    return llvm::createStringError(
        "'" + workspaceAttribute +
        "': a part needs a name, a shape and bytes_per_element");
  llvm::Expected<Extent> elements = parseExtent(shape.getValue());
  if (!elements)
    return elements.takeError();
  return WorkspacePart{name.str(), *elements, bytes.getInt()};
}

llvm::Expected<std::vector<WorkspacePart>>
workspaceOf(mlir::gpu::GPUModuleOp module, llvm::StringRef entry) {
  std::vector<WorkspacePart> parts;
  auto all = module->getAttrOfType<mlir::DictionaryAttr>(workspaceAttribute);
  auto rows = all ? all.getAs<mlir::ArrayAttr>(entry) : nullptr;
  if (!rows)
    return parts;
  for (mlir::Attribute row : rows) {
    llvm::Expected<WorkspacePart> part = readPart(row);
    if (!part)
      return part.takeError();
    parts.push_back(std::move(*part));
  }
  return parts;
}

} // namespace decay::cuda
