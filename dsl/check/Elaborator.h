//===- Elaborator.h - The work behind Elaborate.h --------------*- C++ -*-===//
//
// One object per design: the names, the formula at hand, and what calls mean.
// Private to dsl/check.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_CHECK_ELABORATOR_H
#define DECAY_DSL_CHECK_ELABORATOR_H

#include "dsl/check/Elaborate.h"

namespace decay::dsl {

class Elaborator {
public:
  Elaborator(const FlatDesign &design, const Choice &choice,
             GraphBuilder &builder, CheckedDesign &checked,
             Diagnostics &diagnostics)
      : design(design), choice(choice), builder(builder), checked(checked),
        diagnostics(diagnostics) {}

  void run(const std::vector<const Statement *> &lines);

private:
  /// What a name stands for, evaluated when first used.
  struct Entity {
    const Statement *line = nullptr;
    enum class State : uint8_t {
      Waiting,
      Running,
      Done
    } state = State::Waiting;
    NodeId node = noNode;
    int32_t index = -1; ///< parameter or carry
  };
  /// The part of a line whose formula is at hand.
  enum class Part : uint8_t { Formula, InitialValue, CarryStart };
  struct Context {
    std::string name; ///< canonical, of the line
    std::string spelled;
    Part part = Part::Formula;
    Axes axes = {}; ///< InitialValue: of the parameter
    bool hasDrawn = false;
  };

  // Elaborator.cpp: lines.
  void declare(const std::vector<const Statement *> &lines);
  void checkSharing();
  void reportNoDecay();
  NodeId evaluateEntity(const std::string &name, SourcePlace place);
  NodeId evaluateLine(Entity &entity);
  NodeId evaluateLearn(Entity &entity);
  NodeId evaluateCarry(Entity &entity);
  void checkInitialiser(const Parameter &parameter, const Statement &line);
  NodeId rawProjection(const std::string &name, SourcePlace place);
  Axes parameterAxes(const Statement &line) const;
  void reportCycle(const std::string &name, SourcePlace place);
  /// As the user spells it; q, k and v need no line of their own.
  std::string spelledName(const std::string &name) const;
  void finishOutputs();
  void finishDecay();
  void checkDecayAxes(NodeId decay, SourcePlace place);
  NodeId withContext(Context context, const ExpressionPtr &expression);

  // Formulas.cpp: expressions.
  NodeId evaluate(const Expression &expression);
  NodeId evaluateName(const Expression &expression);
  NodeId evaluateNumberWord(const Expression &expression, bool &isNumberWord);
  NodeId evaluateBinary(const Expression &expression);
  NodeId evaluateCall(const Expression &expression);
  NodeId unknownName(const Expression &expression);
  bool checkArguments(const Expression &call, unsigned arity,
                      const std::string &usage);
  NodeId callPrev(const Expression &call);
  NodeId callAcrossLayers(const Expression &call);
  NodeId callScan(const Expression &call);
  NodeId callGeometric(const Expression &call);
  NodeId callLogit(const Expression &call);
  NodeId callInvSoftplus(const Expression &call);
  NodeId callDraw(const Expression &call);
  NodeId callLogUniform(const Expression &call);
  NodeId acrossLayers(llvm::StringRef kind, NodeId operand,
                      const Expression &at);
  bool mayDraw(const Expression &call);
  bool refuseVarying(const Expression &expression, llvm::StringRef what);
  NodeId number(double value, SourcePlace place) {
    return builder.constant(value, place);
  }
  NodeId make(llvm::StringRef name, llvm::ArrayRef<NodeId> operands,
              SourcePlace place) {
    return builder.apply(name, operands, place);
  }

  const FlatDesign &design;
  const Choice &choice;
  GraphBuilder &builder;
  CheckedDesign &checked;
  Diagnostics &diagnostics;
  std::map<std::string, Entity> entities; ///< by key
  std::vector<std::string> running; ///< names being evaluated, outermost first
  Context context;
};

} // namespace decay::dsl

#endif // DECAY_DSL_CHECK_ELABORATOR_H
