//===- KernelOracle.cpp - A compiled package against the oracle -----------===//
#include "test/numeric/kernels/KernelOracle.h"

#include "compiler/driver/Compile.h"
#include "compiler/interpreter/Compare.h"

#include "llvm/Support/FormatVariadic.h"

namespace decay::test {

using runtime::KernelRole;

std::string CallShape::str() const {
  std::string text = describe(sizes);
  text += stateIn ? " in" : "";
  text += stateOut ? " out" : "";
  return text + (layout.rowPadding ? " strided" : "");
}

void Verdict::merge(const Verdict &other) {
  faults.insert(faults.end(), other.faults.begin(), other.faults.end());
  if (other.worstRatio > worstRatio) {
    worstRatio = other.worstRatio;
    worstRatioAt = other.worstRatioAt;
  }
  if (other.worstRms > worstRms) {
    worstRms = other.worstRms;
    worstRmsAt = other.worstRmsAt;
  }
  tensors += other.tensors;
  elements += other.elements;
  unbounded += other.unbounded;
  cancelled += other.cancelled;
  refusals += other.refusals;
}

std::string Verdict::str() const {
  return llvm::formatv("{0} tensors ({8} cancelled), {1} elements ({2} "
                       "unbounded), worst error/bound {3:f3} "
                       "({4}), worst rms {5:e2} ({6}), {7} faults",
                       tensors, elements, unbounded, worstRatio, worstRatioAt,
                       worstRms, worstRmsAt, faults.size(), cancelled);
}

std::unique_ptr<CompiledDesign> CompiledDesign::compile(
    const std::string &design, const dsl::SettingChoices &settings,
    const dsl::CheckedDesign &checked, const std::string &folder,
    std::string &problem, const std::string &variant) {
  CompileRequest request;
  request.design = design;
  request.settings = settings;
  request.outputDirectory = folder;
  request.forThisMachineOnly = true;
  request.variant = variant;
  CompileOutcome outcome = compileDesign(request);
  problem = outcome.diagnostics;
  if (outcome.exitCode != 0)
    return nullptr;
  auto loaded = runtime::KernelLibrary::load(outcome.packagePath);
  if (!loaded.ok()) {
    problem = loaded.status().message();
    return nullptr;
  }
  std::unique_ptr<CompiledDesign> result(new CompiledDesign);
  result->context = std::make_unique<mlir::MLIRContext>();
  result->module = prepareModule(*result->context, checked);
  returnLambda(*result->module);
  result->library =
      std::make_unique<runtime::KernelLibrary>(std::move(*loaded));
  return result;
}

NamedFields CompiledDesign::draw(const Sizes &sizes, Random &random,
                                 double parameterNoise) const {
  return drawInputs(*module, functionOf(*module, "backward"), sizes, random,
                    parameterNoise);
}

static DecayDims dimsOf(const Sizes &sizes) {
  DecayDims dims{};
  dims.B = sizes.B;
  dims.T = sizes.T;
  dims.H = sizes.H;
  dims.K = sizes.K;
  dims.V = sizes.V;
  if (!sizes.cuSeqlens.empty()) {
    dims.sequences = sizes.sequences();
    dims.cu_seqlens = sizes.cuSeqlens.data();
  }
  dims.layer = sizes.layer;
  dims.layers = sizes.layers;
  dims.position = sizes.position;
  dims.seed = sizes.seed;
  return dims;
}

static Tensors toFloat(const NamedFields &fields) {
  Tensors tensors;
  for (const auto &[name, field] : fields)
    tensors[name].assign(field.values.begin(), field.values.end());
  return tensors;
}

void CompiledDesign::compare(const std::string &where, const Sizes &sizes,
                             const NamedFields &oracle, const Tensors &got,
                             Verdict &verdict) const {
  bool enough = sizes.B * sizes.T * sizes.H >= fewestForRms;
  for (const auto &[name, values] : got) {
    auto wanted = oracle.find(name);
    if (wanted == oracle.end() ||
        wanted->second.values.size() != values.size()) {
      verdict.faults.push_back(where + ": " + name +
                               " is not what the oracle gives");
      continue;
    }
    Comparison comparison = compareWithOracle(wanted->second, values);
    Verdict one;
    one.tensors = 1;
    one.elements = static_cast<int64_t>(values.size());
    one.unbounded = comparison.unbounded;
    one.worstRatio = comparison.worstRatio;
    one.worstRatioAt = one.worstRmsAt = name + ", " + where;
    bool hasRms = enough && one.elements >= fewestForRms;
    one.cancelled = hasRms && comparison.rmsRatio > largestRms &&
                    comparison.worstRatio <= cancelledRatio;
    one.worstRms = hasRms && !one.cancelled ? comparison.rmsRatio : 0;
    bool accepted =
        comparison.accepted() && (!judgeRms || one.worstRms <= largestRms);
    if (!accepted)
      one.faults.push_back(where + ": " + name + ": " + comparison.str());
    verdict.merge(one);
  }
}

/// Whether the package's status is what the oracle's λ leads to. Where float32
/// may see a λ on the other side of 0 or 1, either is right.
static bool statusIsRight(const Interpretation &oracle,
                          const runtime::Status &status) {
  constexpr double doubt = 1e-5;
  double beyond = std::max(-oracle.leastChecked, oracle.largestChecked - 1);
  if (std::fabs(beyond) <= doubt)
    return true;
  return status.ok() == !oracle.fault;
}

void CompiledDesign::judgeEntry(const Expected &entry, const CallShape &shape,
                                const NamedFields &inputs,
                                Verdict &verdict) const {
  NamedFields given = inputs;
  std::vector<std::string> absent;
  auto leaveOut = [&](llvm::StringRef prefix, NamedFields &from) {
    std::erase_if(from, [&](const auto &item) {
      return llvm::StringRef(item.first).starts_with(prefix);
    });
    for (const auto &info : library->operands(entry.role))
      if (info.written && llvm::StringRef(info.name).starts_with(prefix))
        absent.push_back(info.name);
  };
  if (!shape.stateIn) {
    leaveOut("initial_", given);
    leaveOut("d_initial_", given);
  }
  if (!shape.stateOut) {
    leaveOut("final_", given);
    leaveOut("d_final_", given);
  }
  Interpretation oracle = interpret(functionOf(*module, entry.function),
                                    shape.sizes, given, /*trackBounds=*/true);
  GuardedDevice device(shape.workers);
  CallOutcome outcome =
      callGuarded(*library, entry.role, toFloat(given), dimsOf(shape.sizes),
                  device, shape.layout, absent);
  std::string where = std::string(entry.function) + " " + shape.str();
  if (!statusIsRight(oracle, outcome.status))
    verdict.faults.push_back(where + ": status '" + outcome.status.message() +
                             "', but λ lies in [" +
                             std::to_string(oracle.leastChecked) + ", " +
                             std::to_string(oracle.largestChecked) + "]");
  for (const std::string &problem : outcome.problems)
    verdict.faults.push_back(where + ": " + problem);
  if (outcome.status.ok() && !oracle.fault)
    compare(where, shape.sizes, oracle.results, outcome.outputs, verdict);
  else
    ++verdict.refusals;
}

Verdict CompiledDesign::judge(const CallShape &shape,
                              const NamedFields &inputs) const {
  Verdict verdict;
  judgeEntry({KernelRole::Forward, "forward"}, shape, inputs, verdict);
  judgeEntry({KernelRole::Backward, "backward"}, shape, inputs, verdict);
  return verdict;
}

Verdict CompiledDesign::judgeInitialisers(const Sizes &sizes) const {
  Verdict verdict;
  if (!library->has(KernelRole::InitParameters))
    return verdict;
  Sizes one = sizes;
  one.B = one.T = 1;
  one.cuSeqlens.clear();
  CallShape shape{.sizes = one, .layout = {}};
  judgeEntry({KernelRole::InitParameters, "init_parameters"}, shape, {},
             verdict);
  return verdict;
}

/// Token t of each batch, as a tensor of one token.
static std::vector<float> tokenOf(const Field &field, const Sizes &sizes,
                                  int64_t t) {
  int64_t row = static_cast<int64_t>(field.values.size()) / (sizes.B * sizes.T);
  std::vector<float> values;
  for (int64_t b = 0; b < sizes.B; ++b) {
    auto from = field.values.begin() + (b * sizes.T + t) * row;
    values.insert(values.end(), from, from + row);
  }
  return values;
}

static bool variesOverTokens(const Field &field) {
  return field.axes & ir::axisBit(ir::Axis::Token);
}

Verdict CompiledDesign::judgeSteps(const Sizes &sizes,
                                   const NamedFields &inputs) const {
  Verdict verdict;
  mlir::func::FuncOp forward = functionOf(*module, "forward");
  Interpretation oracle = interpret(forward, sizes, inputs, true);
  Tensors given = toFloat(inputs), got;
  GuardedDevice device;
  for (int64_t t = 0; t < sizes.T; ++t) {
    for (const auto &[name, field] : inputs)
      if (variesOverTokens(field))
        given[name] = tokenOf(field, sizes, t);
    DecayDims dims = dimsOf(sizes);
    dims.T = 1;
    dims.position += t;
    CallOutcome step =
        callGuarded(*library, KernelRole::Step, given, dims, device);
    std::string where = "step " + std::to_string(t) + " " + describe(sizes);
    if (!step.status.ok() || !step.problems.empty()) {
      if (!statusIsRight(oracle, step.status) || !step.problems.empty())
        verdict.faults.push_back(where + ": " + step.status.message());
      ++verdict.refusals;
      return verdict;
    }
    for (auto &[name, values] : step.outputs) {
      llvm::StringRef output = name;
      if (output.consume_front("final_"))
        given["initial_" + output.str()] = values;
      const Field &whole = oracle.results.at(name);
      if (!variesOverTokens(whole)) {
        got[name] = values;
        continue;
      }
      got[name].resize(whole.values.size());
      int64_t row = static_cast<int64_t>(values.size()) / sizes.B;
      for (int64_t b = 0; b < sizes.B; ++b)
        std::copy_n(values.begin() + b * row, row,
                    got[name].begin() + (b * sizes.T + t) * row);
    }
  }
  if (oracle.fault)
    ++verdict.refusals;
  else
    compare("steps " + describe(sizes), sizes, oracle.results, got, verdict);
  return verdict;
}

} // namespace decay::test
