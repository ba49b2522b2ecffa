//===- DesignGenerator.cpp - Designs over the whole grammar ---------------===//
#include "test/numeric/random/DesignGenerator.h"
#include "test/numeric/support/Inputs.h"

namespace decay::test {
namespace {

Formula leaf(std::string text) { return {std::move(text), {}}; }
Formula call(std::string name, std::vector<Formula> operands) {
  return {std::move(name), std::move(operands)};
}
Formula plus(Formula x, Formula y) { return call("+", {x, y}); }
Formula minus(Formula x, Formula y) { return call("-", {x, y}); }
Formula times(Formula x, Formula y) { return call("*", {x, y}); }
Formula over(Formula x, Formula y) { return call("/", {x, y}); }
Formula negative(Formula x) { return call("-", {x}); }

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed * 0x9E3779B97F4A7C15ull + 1) {
    design.seed = seed;
  }
  RandomDesign run();

private:
  bool chance(double probability) {
    return uniform(random, 0, 1) < probability;
  }
  template <typename T> const T &pick(const std::vector<T> &from) {
    return from[integer(random, 0, static_cast<int64_t>(from.size()) - 1)];
  }
  Formula number(double low, double high) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", uniform(random, low, high));
    return leaf(text);
  }
  void line(std::string head, std::optional<Formula> formula = std::nullopt,
            std::string tail = "") {
    design.lines.push_back({std::move(head), std::move(formula), tail});
  }

  void chooseSettings();
  void declareProjections();
  void declareSetting();
  void declareParameters();
  void declareBound();
  void declareCarries();
  void declareDefinitions();
  void defineDecay();
  void defineOutputs();

  Formula initialiser(bool perHeads);
  Formula atom();
  Formula real(int depth);
  Formula positive(int depth);
  Formula fraction(int depth);
  Formula decayOfCarry();
  Formula logDecay();

  Random random;
  RandomDesign design;
  bool scalar = false, sharing = false;
  /// Names that formulas of λ may use, and those with one number per head.
  std::vector<std::string> names, perHead;
  /// Names of numbers between 0 and 1: settings and bounds.
  std::vector<std::string> fractions;
  std::vector<std::string> sums, logSums, latest;
};

void Generator::chooseSettings() {
  scalar = chance(0.35);
  sharing = !scalar && chance(0.3);
  line(scalar ? "granularity scalar" : "granularity vector, scalar");
  auto set = [&](const char *name, const std::string &value) {
    design.settings.emplace_back(name, value);
  };
  set("granularity", scalar ? "scalar" : "vector");
  if (sharing)
    set("sharing", "on");
  if (chance(0.4))
    set("position", pick<std::string>({"rope", "lrpe_cosine", "tpe"}));
  if (chance(0.2))
    set("compat", "authors");
}

void Generator::declareProjections() {
  const std::vector<std::string> wide{
      "", " full", " lowrank", " lowrank(3)", " full bias", " bias"};
  const std::vector<std::string> narrow{"", " per_head", " bias"};
  line("project f" + pick(scalar ? narrow : wide));
  names.push_back("f");
  if (chance(0.4)) {
    line("project g" + pick(scalar ? narrow : wide));
    names.push_back("g");
  }
  if (chance(0.3)) {
    line("project h per_head");
    names.push_back("h");
    perHead.push_back("h");
  }
}

void Generator::declareSetting() {
  if (!chance(0.3))
    return;
  line("set p = ", number(0.05, 0.95), " in (0, 1)");
  fractions.push_back("p");
  if (chance(0.5)) {
    char value[16];
    std::snprintf(value, sizeof value, "%.2f", uniform(random, 0.05, 0.95));
    design.settings.emplace_back("p", value);
  }
}

/// The initial value of a parameter; one without a head axis is the same for
/// all heads.
Formula Generator::initialiser(bool perHeads) {
  switch (integer(random, perHeads ? 0 : 1, 8)) {
  case 0:
    return call("geometric", {leaf("1 / 2"), leaf("1 / 256"), leaf("head")});
  case 1:
    return call("normal", {number(-1, 1), number(0.1, 1)});
  case 2:
    return call("uniform", {number(-2, 0), number(0.5, 2)});
  case 3:
    return call("log", {call("uniform", {leaf("1"), leaf("16")})});
  case 4:
    return call("inv_softplus",
                {call("log_uniform",
                      {leaf("1e-3"), leaf("1e-1"), leaf("floor 1e-4")})});
  case 5:
    return call("logit", {number(0.1, 0.9)});
  case 6:
    return number(-2, 2);
  case 7:
    return over(leaf("layer"), leaf("layers"));
  default:
    return negative(call("geometric", {leaf("1"), leaf("3"), leaf("layer")}));
  }
}

void Generator::declareParameters() {
  const std::vector<std::string> wide{
      "", "", "[head]", "[channel]", "[head, channel]", "[]"};
  const std::vector<std::string> narrow{"", "[head]", "[]"};
  for (const char *name : {"a", "b"})
    if (chance(0.55)) {
      std::string shape = pick(scalar ? narrow : wide);
      line("learn " + std::string(name) + shape + " = ",
           initialiser(shape != "[]" && shape != "[channel]"),
           chance(0.2) ? " no_weight_decay" : "");
      names.push_back(name);
      if (shape == "[head]" || shape == "[]")
        perHead.push_back(name);
    }
}

/// A bound in [0, 1) that rises over the layers, as HGRN2's.
void Generator::declareBound() {
  if (!chance(0.2))
    return;
  line("learn theta[layers] = ",
       chance(0.5) ? number(0, 1) : initialiser(true));
  line("bound = ", minus(call("cumsum", {call("softmax", {leaf("theta")})}),
                         leaf("first")));
  fractions.push_back("bound");
}

void Generator::declareCarries() {
  struct Row {
    const char *name, *kind;
    double probability;
    std::vector<std::string> &list;
  };
  Row rows[] = {{"z", "logcumsumexp", 0.25, logSums},
                {"w", "cumsum", 0.2, sums},
                {"y", "latest", 0.15, latest}};
  for (const Row &row : rows) {
    if (!chance(row.probability))
      continue;
    bool isSum = row.list.data() == sums.data() && &row.list == &sums;
    Formula term = isSum ? call("softplus", {atom()}) : real(1);
    std::string start = isSum ? (chance(0.5) ? "softplus(0)" : "0.5")
                              : (chance(0.7) ? "0" : "-0.25");
    line("carry " + std::string(row.name) + " = " + row.kind + "(", term,
         ") from " + start);
    row.list.push_back(row.name);
  }
}

/// An intermediate name, which later formulas may use.
void Generator::declareDefinitions() {
  if (!chance(0.3))
    return;
  line("u = ", real(2));
  names.push_back("u");
}

Formula Generator::atom() {
  switch (integer(random, 0, 9)) {
  case 0:
    return number(-2, 2);
  case 1:
    return over(plus(leaf("head"), leaf("1")), leaf("heads"));
  case 2:
    return over(leaf("layer"), leaf("layers"));
  case 3:
    if (!latest.empty())
      return call("prev", {leaf(pick(latest))});
    return leaf("f");
  case 4:
    if (!fractions.empty())
      return leaf(pick(fractions));
    return leaf("f");
  case 5:
    return leaf("f");
  default:
    return leaf(pick(names));
  }
}

/// Any number, of moderate size.
Formula Generator::real(int depth) {
  if (depth == 0)
    return atom();
  auto next = [&] { return real(depth - 1); };
  switch (integer(random, 0, 17)) {
  case 0:
  case 1:
    return plus(next(), next());
  case 2:
    return minus(next(), next());
  case 3:
    return times(next(), fraction(depth - 1));
  case 4:
    return over(next(), positive(depth - 1));
  case 5:
    return negative(next());
  case 6:
    return call("tanh", {next()});
  case 7:
    return call("silu", {next()});
  case 8:
    return call("logsigmoid", {next()});
  case 9:
    return call("log", {positive(depth - 1)});
  case 10:
    return call("min", {next(), next()});
  case 11:
    return call("max", {next(), next()});
  case 12:
    return call("clamp", {next(), number(-3, -1), number(1, 3)});
  case 13:
    return call("logaddexp", {next(), next()});
  case 14:
    return call("log1p", {positive(depth - 1)});
  case 15:
    return call("expm1", {call("tanh", {next()})});
  case 16:
    return times(number(-1.5, 1.5), next());
  default:
    return positive(depth - 1);
  }
}

/// A number that is provably above zero.
Formula Generator::positive(int depth) {
  Formula inner = depth > 0 ? real(depth - 1) : atom();
  switch (integer(random, 0, 6)) {
  case 0:
    return plus(call("softplus", {inner}), number(0.1, 1));
  case 1:
    return call("exp", {call("tanh", {inner})});
  case 2:
    return plus(call("sigmoid", {inner}), number(0.1, 1));
  case 3:
    return call("sqrt", {plus(call("softplus", {inner}), number(0.2, 1))});
  case 4:
    return call("pow", {plus(call("sigmoid", {inner}), number(0.2, 1)),
                        call("tanh", {atom()})});
  case 5:
    return call("max", {inner, number(0.1, 1)});
  default:
    return call("exp", {call("clamp", {inner, leaf("-2"), leaf("1")})});
  }
}

/// A number that lies in [0, 1].
Formula Generator::fraction(int depth) {
  Formula inner = depth > 0 ? real(depth - 1) : atom();
  switch (integer(random, 0, 12)) {
  case 0:
    return call("exp", {negative(call("softplus", {inner}))});
  case 1:
    return call("exp", {negative(times(call("exp", {call("tanh", {atom()})}),
                                       call("softplus", {inner})))});
  case 2:
    return over(leaf("1"), plus(leaf("1"), call("exp", {inner})));
  case 3:
    return call("max", {number(0.05, 0.6), call("sigmoid", {inner})});
  case 4:
    return call("clamp", {plus(leaf("0.5"), times(leaf("0.2"), inner)),
                          leaf("0"), leaf("1")});
  case 5:
    return call("pow", {call("sigmoid", {inner}), number(0.05, 2)});
  case 6:
    return minus(leaf("1"), call("sigmoid", {inner}));
  case 7:
    return over(plus(leaf("1"), call("tanh", {inner})), leaf("2"));
  case 8: {
    Formula low = fractions.empty() ? number(0.05, 0.9) : leaf(pick(fractions));
    return plus(low, times(minus(leaf("1"), low), call("sigmoid", {inner})));
  }
  case 9:
    return times(call("sigmoid", {inner}), call("sigmoid", {atom()}));
  default:
    return call("sigmoid", {inner});
  }
}

/// λ or log λ from a carried value; empty where there is none.
Formula Generator::decayOfCarry() {
  if (!logSums.empty() && chance(0.8)) {
    Formula z = leaf(pick(logSums));
    return call("exp", {minus(call("prev", {z}), z)});
  }
  if (!sums.empty() && chance(0.8)) {
    Formula w = leaf(pick(sums));
    return over(call("prev", {w}), w);
  }
  return {};
}

Formula Generator::logDecay() {
  switch (integer(random, 0, 4)) {
  case 0:
    return call("logsigmoid", {real(2)});
  case 1:
    return over(call("logsigmoid", {real(2)}), leaf("16"));
  case 2:
    return negative(
        times(call("geometric", {leaf("1 / 2"), leaf("1 / 256"), leaf("head")}),
              call("softplus", {real(1)})));
  case 3:
    return negative(
        times(call("exp", {call("clamp", {atom(), leaf("-3"), leaf("3")})}),
              call("softplus", {real(2)})));
  default:
    return call("min", {real(1), leaf("0")});
  }
}

void Generator::defineDecay() {
  if (Formula carried = decayOfCarry(); !carried.head.empty())
    return line("λ = ", carried);
  if (chance(0.3))
    return line("log λ = ", logDecay());
  line("λ = ", fraction(3));
}

void Generator::defineOutputs() {
  if (sharing)
    line("sharing k = ", chance(0.7) ? minus(leaf("1"), leaf("λ"))
                                     : call("softplus", {real(1)}));
  else if (chance(0.5))
    line("k = ",
         pick<Formula>(
             {minus(leaf("1"), leaf("λ")), call("tanh", {leaf("k")}),
              times(leaf("k"), fraction(1)),
              call("silu", {plus(leaf("k"), atom())}),
              times(call("silu", {leaf("k")}), minus(leaf("1"), leaf("λ")))}));
  if (chance(0.3))
    line("q = ", pick<Formula>({leaf("q"), call("sigmoid", {leaf("q")}),
                                times(leaf("q"), fraction(1))}));
  if (!chance(0.3))
    return;
  std::vector<Formula> values{call("silu", {leaf("v")}),
                              call("tanh", {leaf("v")})};
  if (!perHead.empty())
    values.push_back(times(leaf("v"), call("sigmoid", {leaf(pick(perHead))})));
  line("v = ", pick(values));
}

RandomDesign Generator::run() {
  chooseSettings();
  declareSetting();
  declareProjections();
  declareParameters();
  declareBound();
  declareCarries();
  declareDefinitions();
  defineDecay();
  defineOutputs();
  return std::move(design);
}

} // namespace

RandomDesign generateDesign(uint64_t seed) { return Generator(seed).run(); }

RandomDesign generateAcceptedDesign(uint64_t seed, int64_t &refused) {
  Random random(seed);
  while (true) {
    RandomDesign design = generateDesign(random());
    if (check(design))
      return design;
    ++refused;
  }
}

} // namespace decay::test
