//===- RandomProgramTest.cpp - Nested programs against their meaning ------===//
//
// Registers are given out again once a value is dead: programs of many values
// with loops and branches show whether that is ever too soon.
//
//===----------------------------------------------------------------------===//
#include "KernelRunner.h"

#include <gtest/gtest.h>

#include <random>

namespace decay::cuda {
namespace {

using Value = int; ///< number of an i32: %x<number>

/// One operation on values, or a branch or loop of two results.
struct Step {
  enum Kind { add, multiply, differ, branch, loop } kind;
  Value results[2], operands[3];
  Value arguments[3]; ///< of a loop: counter and what it carries
  std::vector<Step> regions[2];
  Value yields[2][2];
};

class RandomProgram {
public:
  explicit RandomProgram(unsigned seed) : random(seed) {
    std::vector<Value> scope{0};
    steps = block(scope, 40, 3);
    text = "%x0 = arith.addi %tid, %c1 : i32\n" + text;
    last = scope.back();
    text += "llvm.store " + name(last) + ", %out : i32, !llvm.ptr<1>\n";
  }

  std::string text;

  uint32_t evaluate(uint32_t thread) const {
    std::vector<uint32_t> values(static_cast<size_t>(count));
    values[0] = thread + 1;
    run(steps, values);
    return values[static_cast<size_t>(last)];
  }

private:
  static std::string name(Value value) { return "%x" + std::to_string(value); }
  Value pick(const std::vector<Value> &scope) {
    // Mostly what is recent, now and then what is old.
    const size_t span =
        random() % 4 ? std::min<size_t>(scope.size(), 6) : scope.size();
    return scope[scope.size() - 1 - random() % span];
  }

  std::vector<Step> block(std::vector<Value> &scope, int length, int depth) {
    std::vector<Step> steps;
    for (int i = 0; i < length; ++i) {
      const unsigned kind = random() % (depth ? 5 : 3);
      Step step{static_cast<Step::Kind>(kind), {}, {}, {}, {}, {}};
      for (Value &operand : step.operands)
        operand = pick(scope);
      if (kind < Step::branch)
        operation(step);
      else if (kind == Step::branch)
        branch(step, scope, length / 3, depth - 1);
      else
        loop(step, scope, length / 3, depth - 1);
      scope.push_back(step.results[0]);
      if (kind >= Step::branch)
        scope.push_back(step.results[1]);
      steps.push_back(std::move(step));
    }
    return steps;
  }

  void operation(Step &step) {
    static const char *const names[] = {"addi", "muli", "xori"};
    step.results[0] = count++;
    text += name(step.results[0]) + " = arith." + names[step.kind] + " " +
            name(step.operands[0]) + ", " + name(step.operands[1]) + " : i32\n";
  }

  void region(Step &step, int which, std::vector<Value> scope, int length,
              int depth) {
    step.regions[which] = block(scope, length, depth);
    for (Value &value : step.yields[which])
      value = pick(scope);
    text += "scf.yield " + name(step.yields[which][0]) + ", " +
            name(step.yields[which][1]) + " : i32, i32\n";
  }

  /// The bit of %x<...> as %b<number>.
  std::string results(Step &step) {
    for (Value &result : step.results)
      result = count++;
    const std::string low = "%b" + std::to_string(step.results[0]);
    text += low + " = arith.andi " + name(step.operands[0]) + ", %c3 : i32\n" +
            low + "p = arith.cmpi ult, " + low + ", %c2 : i32\n";
    return name(step.results[0]) + ", " + name(step.results[1]);
  }

  void branch(Step &step, const std::vector<Value> &scope, int length,
              int depth) {
    const std::string both = results(step);
    text += both + " = scf.if %b" + std::to_string(step.results[0]) +
            "p -> (i32, i32) {\n";
    region(step, 0, scope, length, depth);
    text += "} else {\n";
    region(step, 1, scope, length, depth);
    text += "}\n";
  }

  void loop(Step &step, std::vector<Value> scope, int length, int depth) {
    const std::string both = results(step);
    for (Value &argument : step.arguments)
      scope.push_back(argument = count++);
    text += both + " = scf.for " + name(step.arguments[0]) + " = %c0 to %b" +
            std::to_string(step.results[0]) + " step %c1 iter_args(" +
            name(step.arguments[1]) + " = " + name(step.operands[1]) + ", " +
            name(step.arguments[2]) + " = " + name(step.operands[2]) +
            ") -> (i32, i32) : i32 {\n";
    region(step, 0, scope, length, depth);
    text += "}\n";
  }

  static void run(const std::vector<Step> &steps, std::vector<uint32_t> &x) {
    auto at = [&](Value value) -> uint32_t & {
      return x[static_cast<size_t>(value)];
    };
    for (const Step &step : steps) {
      const uint32_t a = at(step.operands[0]), b = at(step.operands[1]);
      uint32_t pair[2] = {b, at(step.operands[2])};
      auto enter = [&](int which) {
        run(step.regions[which], x);
        for (int i = 0; i < 2; ++i)
          pair[i] = at(step.yields[which][i]);
      };
      if (step.kind == Step::branch)
        enter((a & 3) < 2 ? 0 : 1);
      for (uint32_t i = 0; step.kind == Step::loop && i < (a & 3); ++i) {
        at(step.arguments[0]) = i;
        at(step.arguments[1]) = pair[0];
        at(step.arguments[2]) = pair[1];
        enter(0);
      }
      if (step.kind >= Step::branch)
        at(step.results[1]) = pair[1];
      at(step.results[0]) = step.kind == Step::add        ? a + b
                            : step.kind == Step::multiply ? a * b
                            : step.kind == Step::differ   ? a ^ b
                                                          : pair[0];
    }
  }

  std::mt19937 random;
  std::vector<Step> steps;
  Value count = 1, last = 0;
};

TEST(EmulatorRandom, ProgramsMeanWhatTheySay) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    const RandomProgram program(seed);
    std::vector<uint32_t> data(64);
    Outcome run = runKernel(program.text, data, {.threads = 64});
    ASSERT_EQ(run.error, "") << seed;
    ASSERT_EQ(run.report.faultText(), "") << seed;
    for (uint32_t t = 0; t < 64; ++t)
      ASSERT_EQ(data[t], program.evaluate(t)) << "seed " << seed << ", " << t;
  }
}

} // namespace
} // namespace decay::cuda
