//===- Simplify.cpp - Stable forms of formulas
//-----------------------------===//
#include "dsl/check/GraphBuilder.h"

namespace decay::dsl {
namespace {

/// What a rule sees: the operands of an operator, and how to make nodes.
struct Site {
  GraphBuilder &builder;
  llvm::ArrayRef<NodeId> operands;
  SourcePlace place;

  NodeId x() const { return operands[0]; }
  NodeId y() const { return operands[1]; }
  bool is(NodeId id, llvm::StringRef name) const {
    return builder.isOperator(id, name);
  }
  bool isNumber(NodeId id, double value) const {
    return builder.isConstant(id, value);
  }
  NodeId operand(NodeId id, size_t i = 0) const {
    return builder.node(id).operands[i];
  }
  NodeId make(llvm::StringRef name, llvm::ArrayRef<NodeId> inputs) const {
    return builder.apply(name, inputs, place);
  }
  NodeId number(double value) const { return builder.constant(value, place); }
  NodeId negate(NodeId id) const { return make("neg", {id}); }
  /// The scan that `id` is the previous value of, or noNode.
  NodeId scanBefore(NodeId id) const {
    return builder.node(id).kind == NodeKind::Previous ? operand(id) : noNode;
  }
};

/// 1 - x without cancellation, or noNode where no better form is known.
NodeId complement(const Site &at, NodeId x) {
  const GraphBuilder &builder = at.builder;
  if (at.is(x, "sigmoid"))
    return at.make("sigmoid", {at.negate(at.operand(x))});
  if (at.is(x, "exp"))
    return at.negate(at.make("expm1", {at.operand(x)}));
  if (at.is(x, "sub") && at.isNumber(at.operand(x), 1))
    return at.operand(x, 1);
  if (at.is(x, "div")) { // Z_{t-1} / Z_t of a running sum: the rest is this
                         // token's term
    NodeId sum = at.operand(x, 1);
    if (builder.isScan(sum, "cumsum") && at.scanBefore(at.operand(x)) == sum)
      return at.make("div", {at.operand(sum), sum});
  }
  if (at.is(x, "add")) // 1 - (b + (1 - b) s) = (1 - b) (1 - s)
    for (int side : {0, 1}) {
      NodeId weight = at.operand(x, side), product = at.operand(x, 1 - side);
      if (!at.is(product, "mul"))
        continue;
      for (int factor : {0, 1}) {
        NodeId rest = at.operand(product, factor),
               value = at.operand(product, 1 - factor);
        if (!builder.areComplements(weight, rest))
          continue;
        NodeId valueRest = complement(at, value);
        if (valueRest == noNode)
          valueRest = at.make("sub", {at.number(1), value});
        return at.make("mul", {rest, valueRest});
      }
    }
  return noNode;
}

NodeId simplifyAdd(const Site &at) {
  if (at.isNumber(at.x(), 0))
    return at.y();
  if (at.isNumber(at.y(), 0))
    return at.x();
  return noNode;
}

/// z_{t-1} - z_t and x_t - z_t of a carried value, by their own formulas.
NodeId simplifyStep(const Site &at) {
  const GraphBuilder &builder = at.builder;
  NodeId x = at.x(), y = at.y();
  if (NodeId scan = at.scanBefore(x); scan != noNode && scan == y) {
    if (builder.isScan(y, "logcumsumexp"))
      return at.negate(
          at.make("softplus", {at.make("sub", {at.operand(y), x})}));
    if (builder.isScan(y, "cumsum"))
      return at.negate(at.operand(y));
  }
  if (NodeId scan = at.scanBefore(y); scan != noNode && scan == x) {
    if (builder.isScan(x, "logcumsumexp"))
      return at.make("softplus", {at.make("sub", {at.operand(x), y})});
    if (builder.isScan(x, "cumsum"))
      return at.operand(x);
  }
  if (builder.isScan(y, "logcumsumexp") && at.operand(y) == x) {
    NodeId before = at.builder.previous(y, at.place);
    return at.make("logsigmoid", {at.make("sub", {x, before})});
  }
  // log Z_{t-1} - log Z_t of a running sum.
  if (at.is(x, "log") && at.is(y, "log")) {
    NodeId sum = at.operand(y);
    if (builder.isScan(sum, "cumsum") && at.scanBefore(at.operand(x)) == sum)
      return at.negate(
          at.make("log1p", {at.make("div", {at.operand(sum), at.operand(x)})}));
  }
  return noNode;
}

NodeId simplifySub(const Site &at) {
  if (at.isNumber(at.y(), 0))
    return at.x();
  if (at.isNumber(at.x(), 0))
    return at.negate(at.y());
  if (at.isNumber(at.x(), 1)) {
    NodeId rest = complement(at, at.y());
    if (rest != noNode)
      at.builder.noteComplement(at.y(), rest);
    return rest;
  }
  if (at.isNumber(at.y(), 1) && at.is(at.x(), "exp"))
    return at.make("expm1", {at.operand(at.x())});
  return simplifyStep(at);
}

NodeId simplifyMul(const Site &at) {
  for (int side : {0, 1}) {
    NodeId factor = at.operands[side], other = at.operands[1 - side];
    if (at.isNumber(factor, 1))
      return other;
    if (at.isNumber(factor, -1))
      return at.negate(other);
    // The sign goes out, so that squares are seen as squares.
    if (at.is(factor, "neg"))
      return at.negate(at.make("mul", {at.operand(factor), other}));
  }
  return noNode;
}

NodeId simplifyDiv(const Site &at) {
  if (at.isNumber(at.y(), 1))
    return at.x();
  if (at.is(at.x(), "neg"))
    return at.negate(at.make("div", {at.operand(at.x()), at.y()}));
  if (!at.isNumber(at.x(), 1) || !at.is(at.y(), "add"))
    return noNode;
  for (int side : {0, 1}) // 1 / (1 + exp(a))
    if (at.isNumber(at.operand(at.y(), side), 1) &&
        at.is(at.operand(at.y(), 1 - side), "exp"))
      return at.make("sigmoid",
                     {at.negate(at.operand(at.operand(at.y(), 1 - side)))});
  return noNode;
}

NodeId simplifyNeg(const Site &at) {
  if (at.is(at.x(), "neg"))
    return at.operand(at.x());
  if (at.is(at.x(), "sub"))
    return at.make("sub", {at.operand(at.x(), 1), at.operand(at.x())});
  return noNode;
}

NodeId simplifyExp(const Site &at) {
  if (at.is(at.x(), "logsigmoid"))
    return at.make("sigmoid", {at.operand(at.x())});
  if (!at.is(at.x(), "neg"))
    return noNode;
  NodeId inner = at.operand(at.x());
  if (at.is(inner, "softplus"))
    return at.make("sigmoid", {at.negate(at.operand(inner))});
  return noNode;
}

NodeId simplifyLog(const Site &at) {
  if (at.is(at.x(), "sigmoid"))
    return at.make("logsigmoid", {at.operand(at.x())});
  if (at.is(at.x(), "exp"))
    return at.operand(at.x());
  if (at.is(at.x(), "add")) {
    NodeId a = at.operand(at.x()), b = at.operand(at.x(), 1);
    if (at.is(a, "exp") && at.is(b, "exp"))
      return at.make("logaddexp", {at.operand(a), at.operand(b)});
    if (at.isNumber(a, 1))
      return at.make("log1p", {b});
    if (at.isNumber(b, 1))
      return at.make("log1p", {a});
  }
  if (at.is(at.x(), "sub") && at.isNumber(at.operand(at.x()), 1))
    return at.make("log1p", {at.negate(at.operand(at.x(), 1))});
  return noNode;
}

NodeId simplifyLog1p(const Site &at) {
  return at.is(at.x(), "exp") ? at.make("softplus", {at.operand(at.x())})
                              : noNode;
}

struct Rule {
  llvm::StringRef name;
  NodeId (*apply)(const Site &);
};
constexpr Rule rules[] = {
    {"add", simplifyAdd}, {"sub", simplifySub},     {"mul", simplifyMul},
    {"div", simplifyDiv}, {"neg", simplifyNeg},     {"exp", simplifyExp},
    {"log", simplifyLog}, {"log1p", simplifyLog1p},
};

} // namespace

NodeId simplify(GraphBuilder &builder, llvm::StringRef name,
                llvm::ArrayRef<NodeId> operands, SourcePlace place) {
  for (const Rule &rule : rules)
    if (rule.name == name)
      return rule.apply({builder, operands, place});
  return noNode;
}

} // namespace decay::dsl
