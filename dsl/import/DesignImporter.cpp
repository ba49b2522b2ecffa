//===- DesignImporter.cpp - One node, one operation ----------------------===//
#include "dsl/import/DesignImporter.h"

#include "compiler/dialect/decay/DecayDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"

namespace decay::dsl {
namespace {

using ir::Axis;
using ir::axisBit;
using ir::FieldType;
using mlir::Value;

constexpr unsigned tokenHead = axisBit(Axis::Token) | axisBit(Axis::Head);
constexpr unsigned keyAxes = tokenHead | axisBit(Axis::Channel);

/// `width` is what the design's channel axis means: channel, or value beside v.
unsigned axesOf(const Axes &axes, Axis width = Axis::Channel) {
  return (axes.layer ? axisBit(Axis::Layer) : 0u) |
         (axes.token ? axisBit(Axis::Token) : 0u) |
         (axes.head ? axisBit(Axis::Head) : 0u) |
         (axes.channel ? axisBit(width) : 0u);
}

/// An argument or result, and what the back end must know of it.
struct Slot {
  std::string name;
  llvm::StringRef role;
  FieldType type;
};

class Importer {
public:
  Importer(mlir::MLIRContext &context, const CheckedDesign &design)
      : design(design), context(&context), builder(&context),
        beside(design.nodes.size(), Axis::Channel),
        values(design.nodes.size()) {}

  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  void findValueSide();
  void importForward();
  void importInitialisers();

  mlir::func::FuncOp startFunction(llvm::StringRef name,
                                   llvm::ArrayRef<Slot> arguments,
                                   llvm::ArrayRef<Slot> results);
  std::vector<Slot> forwardArguments() const;
  std::vector<Slot> forwardResults() const;

  Value valueOf(NodeId id);
  Value importNode(const Node &node, Axis width);
  Value importScan(const Node &node);
  Value importPrevious(const Node &node);
  Value fromStart(const Node &scan, Value relative);
  Value importRandom(const Node &node);
  Value importLambda();
  Value importKey(NodeId id);

  Value map(mlir::Location place, llvm::StringRef name,
            mlir::ValueRange operands) {
    return ir::MapOp::create(builder, place, name, operands);
  }
  Value widen(mlir::Location place, Value value, unsigned axes);
  FieldType field(unsigned axes) const { return FieldType::get(context, axes); }
  Axis widthOf(NodeKind kind, size_t index) const;
  unsigned pairAxis() const {
    return design.position == Position::LrpeCosine ? axisBit(Axis::Pair) : 0u;
  }
  unsigned stateAxes() const {
    return axisBit(Axis::Sequence) | axisBit(Axis::Head) | pairAxis() |
           axisBit(Axis::Channel) | axisBit(Axis::Value);
  }

  mlir::Location at(SourcePlace place) const {
    return mlir::FileLineColLoc::get(context, design.fileName, place.line,
                                     place.column);
  }

  const CheckedDesign &design;
  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  /// Whether a node's channel axis runs along K or, in v's own expression, V.
  std::vector<Axis> beside;
  std::vector<Value> values;
  /// The scan of each carry, relative to its start.
  std::vector<ir::ScanOp> scans;
  /// Draws so far of the parameter at hand, and its ordinal.
  int64_t draws = 0, ordinal = 0;
  /// Its type: each of its elements is a draw of its own.
  FieldType drawn;
};

void Importer::findValueSide() {
  std::vector<NodeId> pending{design.v};
  while (!pending.empty()) {
    NodeId id = pending.back();
    pending.pop_back();
    const Node &node = design.nodes[id];
    if (!node.axes.channel || beside[id] == Axis::Value)
      continue;
    beside[id] = Axis::Value;
    pending.insert(pending.end(), node.operands.begin(), node.operands.end());
    if (node.kind == NodeKind::Parameter)
      pending.push_back(design.parameters[node.index].initialiser);
  }
}

Axis Importer::widthOf(NodeKind kind, size_t index) const {
  for (auto [id, node] : llvm::enumerate(design.nodes))
    if (node.kind == kind && node.index == static_cast<int32_t>(index))
      return beside[id];
  return Axis::Channel;
}

std::vector<Slot> Importer::forwardArguments() const {
  std::vector<Slot> slots;
  for (auto [index, projection] : llvm::enumerate(design.projections))
    slots.push_back(
        {projection.name, "projection",
         field(axesOf(projection.axes, widthOf(NodeKind::Projection, index)))});
  for (auto [index, parameter] : llvm::enumerate(design.parameters))
    slots.push_back(
        {parameter.name, "parameter",
         field(axesOf(parameter.axes, widthOf(NodeKind::Parameter, index)))});
  slots.push_back({"initial_state", "initial", field(stateAxes())});
  for (const Carry &carry : design.carries)
    slots.push_back({"initial_" + carry.name, "initial",
                     field(axesOf(carry.axes) | axisBit(Axis::Sequence))});
  return slots;
}

std::vector<Slot> Importer::forwardResults() const {
  std::vector<Slot> slots{{"o", "", field(tokenHead | axisBit(Axis::Value))},
                          {"final_state", "", field(stateAxes())}};
  for (const Carry &carry : design.carries)
    slots.push_back({"final_" + carry.name, "",
                     field(axesOf(carry.axes) | axisBit(Axis::Sequence))});
  return slots;
}

mlir::func::FuncOp Importer::startFunction(llvm::StringRef name,
                                           llvm::ArrayRef<Slot> arguments,
                                           llvm::ArrayRef<Slot> results) {
  llvm::SmallVector<mlir::Type> argumentTypes, resultTypes;
  for (const Slot &slot : arguments)
    argumentTypes.push_back(slot.type);
  for (const Slot &slot : results)
    resultTypes.push_back(slot.type);
  builder.setInsertionPointToEnd(module.getBody());
  function = mlir::func::FuncOp::create(
      builder, module.getLoc(), name,
      builder.getFunctionType(argumentTypes, resultTypes));
  for (auto [index, slot] : llvm::enumerate(arguments)) {
    function.setArgAttr(index, "decay.name", builder.getStringAttr(slot.name));
    function.setArgAttr(index, "decay.role", builder.getStringAttr(slot.role));
  }
  for (auto [index, slot] : llvm::enumerate(results))
    function.setResultAttr(index, "decay.name",
                           builder.getStringAttr(slot.name));
  builder.setInsertionPointToStart(function.addEntryBlock());
  values.assign(design.nodes.size(), Value());
  scans.assign(design.carries.size(), ir::ScanOp());
  return function;
}

Value Importer::widen(mlir::Location place, Value value, unsigned axes) {
  unsigned wanted = mlir::cast<FieldType>(value.getType()).getAxes() | axes;
  if (value.getType() == field(wanted))
    return value;
  return ir::BroadcastOp::create(builder, place, field(wanted), value);
}

Value Importer::valueOf(NodeId id) {
  assert(id >= 0 && static_cast<size_t>(id) < design.nodes.size() &&
         "the checker set it");
  // Nodes stand in topological order, so walking them forwards needs no
  // recursion however deep an expression is.
  std::vector<bool> needed(id + 1, false);
  needed[id] = true;
  for (NodeId node = id; node >= 0; --node)
    if (needed[node] && !values[node])
      for (NodeId operand : design.nodes[node].operands)
        needed[operand] = true;
  for (NodeId node = 0; node <= id; ++node)
    if (needed[node] && !values[node])
      values[node] = importNode(design.nodes[node], beside[node]);
  return values[id];
}

Value Importer::importNode(const Node &node, Axis width) {
  mlir::Location place = at(node.place);
  auto index = [&](llvm::StringRef kind, unsigned axes) -> Value {
    return ir::IndexOp::create(builder, place, field(axes), kind);
  };
  auto operand = [&](size_t which) { return values[node.operands[which]]; };
  switch (node.kind) {
  case NodeKind::Constant:
    return ir::ConstantOp::create(builder, place, field(0),
                                  llvm::APFloat(node.value));
  case NodeKind::Projection:
    return function.getArgument(node.index);
  case NodeKind::Parameter:
    return function.getArgument(design.projections.size() + node.index);
  case NodeKind::HeadIndex:
    return index("head", axisBit(Axis::Head));
  case NodeKind::Heads:
    return index("heads", 0);
  case NodeKind::LayerIndex:
    return index("layer", 0);
  case NodeKind::Layers:
    return index("layers", 0);
  case NodeKind::Operator: {
    llvm::SmallVector<Value> operands;
    for (NodeId id : node.operands)
      operands.push_back(values[id]);
    return map(place, node.name, operands);
  }
  case NodeKind::Scan:
    return importScan(node);
  case NodeKind::Previous:
    return importPrevious(node);
  case NodeKind::AcrossLayers:
    return ir::AcrossLayersOp::create(
        builder, place, field(axesOf(node.axes, width)), node.name, operand(0));
  case NodeKind::AtLayer: {
    auto type = mlir::cast<FieldType>(operand(0).getType());
    return ir::AtLayerOp::create(builder, place, type.without(Axis::Layer),
                                 operand(0));
  }
  case NodeKind::Uniform:
  case NodeKind::Normal:
    return importRandom(node);
  }
  llvm_unreachable("a kind of node without an operation");
}

static bool isZero(const Node &node) {
  return node.kind == NodeKind::Constant && node.value == 0;
}

Value Importer::fromStart(const Node &scan, Value relative) {
  if (isZero(design.nodes[scan.operands[1]]))
    return relative;
  return map(at(scan.place), "add", {relative, values[scan.operands[1]]});
}

Value Importer::importScan(const Node &node) {
  mlir::Location place = at(node.place);
  Value term = values[node.operands[0]];
  Value own = term;
  if (node.name != "cumsum" && !isZero(design.nodes[node.operands[1]]))
    term = map(place, "sub", {term, values[node.operands[1]]});
  term = widen(place, term,
               axesOf(design.carries[node.index].axes) | axisBit(Axis::Token));
  size_t argument =
      design.projections.size() + design.parameters.size() + 1 + node.index;
  scans[node.index] = ir::ScanOp::create(builder, place, node.name, term,
                                         function.getArgument(argument));
  if (node.name == "latest")
    return own;
  return fromStart(node, scans[node.index].getInclusive());
}

Value Importer::importPrevious(const Node &node) {
  const Node &scan = design.nodes[node.operands[0]];
  return fromStart(scan, scans[scan.index].getExclusive());
}

Value Importer::importRandom(const Node &node) {
  // One stream per parameter; should an initialiser draw more than once, the
  // high half tells the draws apart.
  int64_t stream = ordinal | (draws++ << 32);
  return ir::RandomOp::create(
      builder, at(node.place), drawn,
      node.kind == NodeKind::Uniform ? "uniform" : "normal", stream,
      values[node.operands[0]], values[node.operands[1]]);
}

Value Importer::importLambda() {
  NodeId id = design.lambda != noNode ? design.lambda : design.logLambda;
  mlir::Location place = at(design.nodes[id].place);
  Value lambda = valueOf(id);
  if (design.lambda == noNode)
    lambda = map(place, "exp", lambda);
  if (design.checkLambdaAtRunTime)
    lambda = ir::CheckRangeOp::create(builder, place, lambda.getType(), lambda);
  return lambda;
}

Value Importer::importKey(NodeId id) {
  mlir::Location place = at(design.nodes[id].place);
  Value key = widen(place, valueOf(id), keyAxes);
  if (design.position == Position::Rope)
    return ir::RotateOp::create(builder, place, field(keyAxes), "rope", key,
                                /*adjoint=*/false);
  if (design.position == Position::LrpeCosine)
    return ir::RotateOp::create(builder, place, field(keyAxes | pairAxis()),
                                "lrpe_cosine", key,
                                /*adjoint=*/false);
  return key;
}

void Importer::importForward() {
  std::vector<Slot> arguments = forwardArguments(), results = forwardResults();
  mlir::func::FuncOp forward = startFunction("forward", arguments, results);
  NodeId decayNode = design.lambda != noNode ? design.lambda : design.logLambda;
  mlir::Location place = at(design.nodes[decayNode].place);
  Value q = importKey(design.q), k = importKey(design.k);
  Value v = widen(at(design.nodes[design.v].place), valueOf(design.v),
                  tokenHead | axisBit(Axis::Value));
  Value lambda = importLambda();
  Value state =
      forward.getArgument(design.projections.size() + design.parameters.size());
  auto recurrence = ir::RecurrenceOp::create(
      builder, place, v.getType(), state.getType(), q, k, v, lambda, state);
  llvm::SmallVector<Value> returned{recurrence.getO(), recurrence.getFinal()};
  for (auto [id, node] : llvm::enumerate(design.nodes))
    if (node.kind == NodeKind::Scan)
      valueOf(static_cast<NodeId>(id));
  for (ir::ScanOp scan : scans)
    returned.push_back(scan.getFinal());
  mlir::func::ReturnOp::create(builder, place, returned);
}

void Importer::importInitialisers() {
  std::vector<Slot> results;
  for (auto [index, parameter] : llvm::enumerate(design.parameters))
    results.push_back(
        {parameter.name, "",
         field(axesOf(parameter.axes, widthOf(NodeKind::Parameter, index)))});
  startFunction("init_parameters", {}, results);
  llvm::SmallVector<Value> returned;
  for (auto [index, parameter] : llvm::enumerate(design.parameters)) {
    ordinal = static_cast<int64_t>(index);
    drawn = results[index].type;
    draws = 0;
    Value value = valueOf(parameter.initialiser);
    unsigned axes = results[index].type.getAxes();
    returned.push_back(widen(at(parameter.place), value, axes));
    assert(returned.back().getType() == results[index].type &&
           "the checker gave it fewer axes");
  }
  mlir::func::ReturnOp::create(builder, module.getLoc(), returned);
}

mlir::OwningOpRef<mlir::ModuleOp> Importer::run() {
  module = mlir::ModuleOp::create(at({1, 1}));
  mlir::OwningOpRef<mlir::ModuleOp> owner(module);
  static constexpr llvm::StringRef granularities[] = {"vector", "scalar"};
  static constexpr llvm::StringRef positions[] = {"none", "rope", "lrpe_cosine",
                                                  "tpe"};
  static constexpr llvm::StringRef compatibilities[] = {"published", "authors"};
  auto set = [&](llvm::StringRef name, llvm::StringRef value) {
    module->setAttr(name, builder.getStringAttr(value));
  };
  set("decay.design", design.name);
  set("decay.granularity",
      granularities[static_cast<size_t>(design.granularity)]);
  set("decay.sharing", design.sharing ? "on" : "off");
  set("decay.position", positions[static_cast<size_t>(design.position)]);
  set("decay.compat",
      compatibilities[static_cast<size_t>(design.compatibility)]);
  findValueSide();
  importForward();
  importInitialisers();
  assert(succeeded(mlir::verify(module)) &&
         "a checked design imports to valid IR");
  return owner;
}

} // namespace

mlir::OwningOpRef<mlir::ModuleOp> importDesign(mlir::MLIRContext &context,
                                               const CheckedDesign &design) {
  context.loadDialect<ir::DecayDialect, mlir::func::FuncDialect>();
  return Importer(context, design).run();
}

} // namespace decay::dsl
