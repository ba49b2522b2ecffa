//===- EmulatedDesign.cpp - GPU kernels of a design, in the emulator ------===//
#include "test/numeric/cuda/EmulatedDesign.h"

#include "compiler/conversion/decay_to_chunk/Passes.h"
#include "compiler/dialect/chunk/ChunkDialect.h"
#include "compiler/driver/Emit.h"
#include "compiler/interpreter/Compare.h"
#include "compiler/target/cuda/emulator/Emulator.h"
#include "compiler/target/cuda/lowering/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/Error.h"

#include <cmath>
#include <cstring>

namespace decay::test {

using namespace cuda;
namespace gpu = mlir::gpu;

namespace {

uint16_t toBfloat(double value) {
  auto bits = llvm::bit_cast<uint32_t>(static_cast<float>(value));
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
double fromBfloat(uint16_t half) {
  return llvm::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

/// Sizes of a launch, and where it cuts sequences.
struct LaunchSizes : Sizes {
  int64_t segmentTokens;
  int64_t segments() const { return (T + segmentTokens - 1) / segmentTokens; }
};

int64_t count(const Product &product, const LaunchSizes &sizes) {
  int64_t tokens = sizes.B * sizes.T;
  const int64_t values[] = {
      sizes.B,          sizes.T,
      sizes.H,          sizes.K,
      sizes.V,          sizes.sequences(),
      sizes.layers,     tokens / slotTokens + sizes.sequences(),
      sizes.segments(), sizes.segments() - 1};
  int64_t made = product.number;
  for (size_t axis = 0; axis < extentAxes.size(); ++axis)
    for (int power = 0; power < product.powers[axis]; ++power)
      made *= values[axis];
  return made;
}
int64_t count(const Extent &extent, const LaunchSizes &sizes) {
  int64_t inner = count(extent.inner, sizes);
  return count(extent.outer, sizes) *
         ((inner + extent.divisor - 1) / extent.divisor);
}

void add(std::vector<char> &bytes, const void *value, size_t size) {
  const char *begin = static_cast<const char *>(value);
  bytes.insert(bytes.end(), begin, begin + size);
}

} // namespace

std::unique_ptr<EmulatedDesign>
EmulatedDesign::compile(const LibraryCase &libraryCase,
                        const Standard &standard, const HeadDims &headDims,
                        std::string &problem) {
  auto checked = check(libraryCase, problem);
  if (!checked)
    return nullptr;
  CompileRequest request;
  request.design = libraryCase.design;
  request.settings = libraryCase.settings;
  request.target = "cuda";
  request.precision = standard.precision;
  request.headDims = headDims;
  EmitOutcome chunks = emitDesign(request, "chunk", "");
  if (chunks.exitCode != 0) {
    problem = chunks.diagnostics;
    return nullptr;
  }
  std::unique_ptr<EmulatedDesign> made(new EmulatedDesign);
  made->standard = standard;
  made->context = std::make_unique<mlir::MLIRContext>(
      mlir::MLIRContext::Threading::DISABLED);
  made->context->loadDialect<chunk::ChunkDialect, mlir::arith::ArithDialect,
                             mlir::math::MathDialect>();
  made->oracle = prepareModule(*made->context, *checked);
  returnLambda(*made->oracle);
  made->kernels = mlir::parseSourceString<mlir::ModuleOp>(chunks.output,
                                                          made->context.get());
  mlir::PassManager first(made->context.get());
  first.addPass(createKeepStates());
  if (failed(first.run(*made->kernels))) {
    problem = "keep-states fails";
    return nullptr;
  }
  made->kernels->walk([&](chunk::KernelOp kernel) {
    auto &list = made->operands[kernel.getSymName().str()];
    for (auto info : kernel.getOperands().getAsRange<mlir::DictionaryAttr>())
      list.push_back({info.getAs<mlir::StringAttr>("name").str(),
                      info.getAs<mlir::StringAttr>("shape").str(),
                      info.getAs<mlir::IntegerAttr>("access").getInt() == 1});
  });
  mlir::PassManager passes(made->context.get());
  passes.addPass(createAssignLayouts());
  passes.addPass(createLowerBlocks());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
  if (failed(passes.run(*made->kernels))) {
    problem = "assign-layouts or lower-blocks fails";
    return nullptr;
  }
  return made;
}

NamedFields EmulatedDesign::draw(const Sizes &sizes, Random &random,
                                 double parameterNoise) const {
  NamedFields inputs = drawInputs(*oracle, functionOf(*oracle, "backward"),
                                  sizes, random, parameterNoise);
  for (auto &[name, field] : inputs)
    if (field.axes & ir::axisBit(ir::Axis::Token))
      for (double &value : field.values)
        value = standard.isBfloat() ? fromBfloat(toBfloat(value))
                                    : static_cast<float>(value);
  return inputs;
}

EmulatedDesign::Tensor
EmulatedDesign::pack(const Operand &operand,
                     const std::vector<double> &values) const {
  Tensor tensor;
  for (double value : values)
    if (isBfloat(operand)) {
      uint16_t half = toBfloat(value);
      add(tensor.bytes, &half, sizeof half);
    } else {
      auto single = static_cast<float>(value);
      add(tensor.bytes, &single, sizeof single);
    }
  return tensor;
}

std::vector<double> EmulatedDesign::unpack(const Operand &operand,
                                           const Tensor &tensor) const {
  std::vector<double> values;
  const char *at = tensor.bytes.data(), *end = at + tensor.bytes.size();
  while (at < end)
    if (isBfloat(operand)) {
      uint16_t half;
      std::memcpy(&half, at, sizeof half);
      values.push_back(fromBfloat(half));
      at += sizeof half;
    } else {
      float single;
      std::memcpy(&single, at, sizeof single);
      values.push_back(single);
      at += sizeof single;
    }
  return values;
}

static int64_t elements(llvm::StringRef shape, const Sizes &sizes, bool rows,
                        bool hasPairs) {
  int64_t made = 1;
  for (char axis : shape)
    switch (axis) {
    case 'B':
      made *= rows ? sizes.B : 1;
      break;
    case 'T':
      made *= rows ? sizes.T : 1;
      break;
    case 'H':
      made *= sizes.H;
      break;
    case 'K':
      made *= sizes.K;
      break;
    case 'W':
      made *= sizes.K * (hasPairs ? 2 : 1);
      break;
    case 'V':
      made *= sizes.V;
      break;
    case 'N':
      made *= sizes.sequences();
      break;
    case 'S':
      made *= sizes.B * sizes.T / slotTokens + sizes.sequences();
      break;
    case 'L':
      made *= sizes.layers;
      break;
    default:
      break;
    }
  return made;
}

EmulatedDesign::Tensors
EmulatedDesign::allocate(const std::string &entry, const Sizes &sizes,
                         bool states, const NamedFields &inputs) const {
  Tensors tensors;
  bool hasPairs = false;
  oracle.get()->walk(
      [&](ir::RotateOp op) { hasPairs |= op.getKind() == "lrpe_cosine"; });
  for (const Operand &operand : operands.at(entry)) {
    llvm::StringRef name = operand.name;
    bool isState = name.contains("initial_") || name.contains("final_");
    Tensor &tensor = tensors[operand.name];
    bool isLeftOut =
        isState && !operand.written && !inputs.contains(operand.name);
    if ((isState && !states) || isLeftOut || operand.isKept())
      continue;
    if (!operand.written) {
      tensor = pack(operand, inputs.at(operand.name).values);
    } else {
      int64_t number = elements(operand.shape, sizes, true, hasPairs);
      // Not a number until it is written.
      tensor.bytes.assign(number * bytesOf(operand), '\xff');
    }
    tensor.rowStride = elements(operand.shape, sizes, false, hasPairs);
  }
  return tensors;
}

/// Lets forward fill what it can keep for backward, whose tensors get it.
void EmulatedDesign::keep(const Sizes &sizes, bool states,
                          const NamedFields &inputs, Tensors &tensors,
                          Judgement &judgement) const {
  Tensors forward = allocate("forward", sizes, states, inputs);
  bool hasPairs = false;
  oracle.get()->walk(
      [&](ir::RotateOp op) { hasPairs |= op.getKind() == "lrpe_cosine"; });
  for (const Operand &operand : operands.at("forward"))
    if (operand.isKept()) {
      int64_t number = elements(operand.shape, sizes, true, hasPairs);
      forward.at(operand.name).bytes.assign(number * bytesOf(operand), '\xff');
    }
  launch("forward", sizes, forward, judgement);
  for (const Operand &operand : operands.at("forward"))
    if (operand.isKept()) {
      tensors.at(operand.name).bytes = forward.at(operand.name).bytes;
      ++judgement.kept;
    }
}

bool EmulatedDesign::canBeCut(const std::string &entry) const {
  bool found = false;
  kernels.get()->walk([&](mlir::LLVM::LLVMFuncOp function) {
    if (!function->hasAttr(entryAttribute))
      return;
    KernelLaunch how = llvm::cantFail(kernelLaunch(function));
    found |= how.entry == entry && how.schedule;
  });
  return found;
}

FaultSlot EmulatedDesign::launch(const std::string &entry,
                                 const Sizes &wholeSizes, Tensors &tensors,
                                 Judgement &judgement,
                                 int64_t segmentTokens) const {
  bool cuts = segmentTokens > 0 && canBeCut(entry);
  LaunchSizes sizes{wholeSizes, cuts ? segmentTokens : wholeSizes.T};
  judgement.cutSequences += sizes.segments() > 1;
  gpu::GPUModuleOp module;
  kernels.get()->walk([&](gpu::GPUModuleOp each) { module = each; });
  std::vector<GlobalRange> ranges;
  std::vector<char> parameter;
  for (const Operand &operand : operands.at(entry)) {
    Tensor &tensor = tensors.at(operand.name);
    char *data = tensor.bytes.empty() ? nullptr : tensor.bytes.data();
    if (data)
      ranges.push_back({data, static_cast<int64_t>(tensor.bytes.size()),
                        operand.written, operand.name});
    char *first = data ? data + tensor.offset : nullptr;
    add(parameter, &first, 8);
    add(parameter, &tensor.rowStride, 8);
  }
  int64_t workspaceBytes = 0;
  for (const WorkspacePart &part : llvm::cantFail(workspaceOf(module, entry)))
    workspaceBytes += (count(part.elements, sizes) * part.bytesPerElement +
                       workspaceAlignment - 1) /
                      workspaceAlignment * workspaceAlignment;
  std::vector<char> workspace(std::max(workspaceBytes, faultSlotBytes), 0);
  ranges.push_back({workspace.data(), static_cast<int64_t>(workspace.size()),
                    true, "workspace"});
  std::vector<int64_t> packed = sizes.cuSeqlens;
  const int64_t *starts = packed.empty() ? nullptr : packed.data();
  if (starts)
    ranges.push_back({packed.data(), static_cast<int64_t>(packed.size()) * 8,
                      false, "cu_seqlens"});
  const int64_t fields[] = {sizes.B,        sizes.T,
                            sizes.H,        sizes.K,
                            sizes.V,        sizes.sequences(),
                            sizes.layer,    sizes.layers,
                            sizes.position, static_cast<int64_t>(sizes.seed)};
  add(parameter, fields, sizeof fields);
  add(parameter, &starts, 8);
  char *work = workspace.data();
  add(parameter, &work, 8);
  const int64_t cut[] = {sizes.segments(), sizes.segmentTokens};
  add(parameter, cut, sizeof cut);

  bool givesKept = llvm::any_of(operands.at(entry), [&](const Operand &each) {
    return each.isKept() && !tensors.at(each.name).bytes.empty();
  });
  std::map<int64_t, mlir::LLVM::LLVMFuncOp> stages;
  for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
    KernelLaunch how = llvm::cantFail(kernelLaunch(function));
    if (how.entry == entry && how.kept.value_or(givesKept) == givesKept &&
        (!how.headDims ||
         *how.headDims == std::array<int64_t, 2>{sizes.K, sizes.V}))
      stages[how.stage] = function;
  }
  if (stages.empty())
    judgement.faults.push_back(entry + ": no kernel for these head dims");
  for (auto [stage, function] : stages) {
    KernelLaunch how = llvm::cantFail(kernelLaunch(function));
    GridShape grid;
    grid.x = static_cast<int>(count(how.grid[0], sizes));
    grid.y = static_cast<int>(count(how.grid[1], sizes));
    grid.z = static_cast<int>(count(how.grid[2], sizes));
    if (grid.z == 0)
      continue;
    grid.threads = static_cast<int>(how.threads);
    grid.sharedBytes = how.sharedBytes;
    auto report =
        emulate(function, grid,
                Argument::bytes(parameter.data(), parameter.size()), ranges);
    if (!report)
      judgement.faults.push_back(entry + ": " +
                                 llvm::toString(report.takeError()));
    else if (!report->faults.empty())
      judgement.faults.push_back(entry + " " + describe(sizes) + ": " +
                                 report->faultText());
  }
  FaultSlot slot;
  std::memcpy(&slot, workspace.data(), sizeof slot);
  return slot;
}

void EmulatedDesign::compare(const std::string &entry, const std::string &where,
                             const NamedFields &wanted, const Tensors &got,
                             double largest, Judgement &judgement) const {
  for (const Operand &operand : operands.at(entry)) {
    const Tensor &tensor = got.at(operand.name);
    if (!operand.written || tensor.bytes.empty())
      continue;
    std::vector<double> values = unpack(operand, tensor);
    auto found = wanted.find(operand.name);
    std::string what = where + ": " + operand.name;
    if (found == wanted.end() || found->second.values.size() != values.size()) {
      judgement.faults.push_back(what + " is not what the oracle gives");
      continue;
    }
    compareElements(operand, what, found->second, values, judgement);
    double error = 0, whole = 0;
    for (size_t index = 0; index < values.size(); ++index) {
      double right = found->second.values[index];
      error += (values[index] - right) * (values[index] - right);
      whole += right * right;
    }
    double ratio = whole > 0 ? std::sqrt(error / whole) : std::sqrt(error);
    ++judgement.tensors;
    if ((!judgesRms || values.size() < fewestForRms) && !std::isnan(ratio))
      continue;
    if (ratio / largest > judgement.worst || std::isnan(ratio)) {
      judgement.worst = ratio / largest;
      judgement.worstAt = what;
    }
    if (!(ratio <= largest))
      judgement.faults.push_back(what + " has an RMS ratio of " +
                                 std::to_string(ratio));
  }
}

void EmulatedDesign::compareElements(const Operand &operand,
                                     const std::string &what,
                                     const Field &wanted,
                                     const std::vector<double> &got,
                                     Judgement &judgement) const {
  double worst = 0;
  for (size_t index = 0; index < got.size(); ++index) {
    double bound = wanted.boundAt(index), right = wanted.values[index];
    if (operand.hasTokens())
      bound += standard.rounding * std::fabs(right); // rounded once more
    double excess = std::fabs(got[index] - right) - tinyDifference;
    if (!(excess <= 0) && std::isfinite(bound))
      worst = std::max(worst, std::isnan(excess) ? INFINITY
                              : judgesElements ? excess / (unitRoundoff * bound)
                                               : 0);
  }
  if (worst > judgement.worstElement) {
    judgement.worstElement = worst;
    judgement.worstElementAt = what;
  }
  if (worst > acceptanceFactor)
    judgement.faults.push_back(what + " has an element that is off by " +
                               std::to_string(worst) + " times its bound");
}

/// The same inputs, off by what bf16 rounds.
NamedFields EmulatedDesign::rounded(NamedFields inputs) const {
  if (!standard.isBfloat())
    return inputs;
  for (auto &[name, field] : inputs)
    if (name == "v" || name == "d_o" ||
        llvm::StringRef(name).ends_with("state"))
      for (double value : field.values)
        field.bounds.push_back(standard.rounding * std::fabs(value));
  return inputs;
}

static NamedFields withoutStates(NamedFields inputs) {
  std::erase_if(inputs, [](const auto &item) {
    llvm::StringRef name = item.first;
    return name.contains("initial_") || name.contains("final_");
  });
  return inputs;
}

void EmulatedDesign::judgeSomeGradients(const Sizes &sizes,
                                        const NamedFields &inputs,
                                        Judgement &judgement) const {
  NamedFields given = withoutStates(inputs);
  Interpretation right = interpret(functionOf(*oracle, "backward"), sizes,
                                   rounded(given), /*trackBounds=*/true);
  for (size_t left : {0, 1}) {
    Tensors tensors = allocate("backward", sizes, /*states=*/false, given);
    size_t index = 0;
    for (const Operand &operand : operands.at("backward"))
      if (operand.written && index++ % 2 == left)
        tensors.at(operand.name).bytes.clear();
    FaultSlot slot = launch("backward", sizes, tensors, judgement);
    if (right.fault || slot.code)
      return;
    compare("backward", "some gradients, " + describe(sizes), right.results,
            tensors, standard.largestGradient, judgement);
  }
}

bool EmulatedDesign::judge(const std::string &entry, const Sizes &sizes,
                           const Given &given, const NamedFields &all,
                           Judgement &judgement) const {
  NamedFields inputs =
      given.states && !given.fromNothing ? all : withoutStates(all);
  Interpretation right = interpret(functionOf(*oracle, entry), sizes,
                                   rounded(inputs), /*trackBounds=*/true);
  Tensors tensors = allocate(entry, sizes, given.states, inputs);
  if (given.kept)
    keep(sizes, given.states, inputs, tensors, judgement);
  FaultSlot slot =
      launch(entry, sizes, tensors, judgement, given.segmentTokens);
  std::string where = entry + " " + describe(sizes);
  where += given.states ? " states" : "";
  where += given.fromNothing ? " from nothing" : "";
  where += given.kept ? " kept" : "";
  if (given.segmentTokens)
    where += " cut every " + std::to_string(given.segmentTokens);
  // One that lies on the edge may be seen on either side.
  if (right.fault || slot.code)
    return false;
  compare(entry, where, right.results, tensors,
          entry == "backward" ? standard.largestGradient
                              : standard.largestForward,
          judgement);
  return true;
}

bool EmulatedDesign::judgeSteps(const Sizes &sizes, const NamedFields &inputs,
                                Judgement &judgement) const {
  Interpretation right = interpret(functionOf(*oracle, "forward"), sizes,
                                   rounded(inputs), /*trackBounds=*/true);
  if (right.fault)
    return false;
  Tensors tensors = allocate("step", sizes, /*states=*/true, inputs);
  Sizes one = sizes;
  one.T = 1;
  for (auto &[name, tensor] : tensors)
    if (llvm::StringRef(name).starts_with("final_"))
      tensor = tensors.at("initial_" + name.substr(6));
  for (int64_t t = 0; t < sizes.T; ++t) {
    // A token's rows are those of all tokens, further apart.
    for (const Operand &operand : operands.at("step"))
      if (operand.hasTokens()) {
        Tensor &tensor = tensors.at(operand.name);
        int64_t row = elements(operand.shape, sizes, false, false);
        tensor.rowStride = row * sizes.T;
        tensor.offset = t * row * bytesOf(operand);
      }
    one.position = sizes.position + t;
    launch("step", one, tensors, judgement);
    for (auto &[name, tensor] : tensors)
      if (llvm::StringRef(name).starts_with("final_"))
        tensors.at("initial_" + name.substr(6)).bytes = tensor.bytes;
  }
  compare("step", "steps " + describe(sizes), right.results, tensors,
          standard.largestForward, judgement);
  return true;
}

void EmulatedDesign::judgeInitialisers(const Sizes &sizes,
                                       Judgement &judgement) const {
  if (!operands.count("init_parameters") ||
      operands.at("init_parameters").empty())
    return;
  Interpretation right = interpret(functionOf(*oracle, "init_parameters"),
                                   sizes, {}, /*trackBounds=*/true);
  Tensors tensors = allocate("init_parameters", sizes, false, {});
  launch("init_parameters", sizes, tensors, judgement);
  compare("init_parameters", "init_parameters", right.results, tensors,
          largestParameter, judgement);
}

void EmulatedDesign::judgeFault(const Sizes &sizes, const NamedFields &inputs,
                                Judgement &judgement) const {
  Interpretation right =
      interpret(functionOf(*oracle, "forward"), sizes, inputs, false);
  if (!right.fault)
    return;
  Tensors tensors = allocate("forward", sizes, true, inputs);
  FaultSlot slot = launch("forward", sizes, tensors, judgement);
  const RangeFault &wanted = *right.fault;
  ++judgement.tensors;
  if (slot.code != 1 || slot.lock != 0 || slot.sequence != wanted.sequence ||
      slot.token != wanted.token || slot.head != wanted.head ||
      slot.channel != wanted.channel)
    judgement.faults.push_back("the fault slot names sequence " +
                               std::to_string(slot.sequence) + ", token " +
                               std::to_string(slot.token) + ", head " +
                               std::to_string(slot.head) + ", channel " +
                               std::to_string(slot.channel) + " with code " +
                               std::to_string(slot.code));
}

void EmulatedDesign::judgeBadSequences(const std::string &entry,
                                       const Sizes &sizes,
                                       const NamedFields &inputs,
                                       int64_t wrongAt,
                                       Judgement &judgement) const {
  Tensors tensors = allocate(entry, sizes, /*states=*/true, inputs);
  FaultSlot slot = launch(entry, sizes, tensors, judgement);
  ++judgement.tensors;
  constexpr int32_t badSequences = 9;
  if (slot.code != badSequences || slot.sequence != wrongAt)
    judgement.faults.push_back(
        entry + " " + describe(sizes) + ": the fault slot names place " +
        std::to_string(slot.sequence) + " with code " +
        std::to_string(slot.code) + ", wanted " + std::to_string(wrongAt));
}

} // namespace decay::test
