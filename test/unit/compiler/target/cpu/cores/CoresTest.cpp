//===- CoresTest.cpp - Each core keeps the contract of Cores.h ------------===//
#include "CoreLibrary.h"
#include "CoreReference.h"

#include "compiler/target/cpu/cores/Schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace decay::cpu {
namespace {

constexpr float poison = std::numeric_limits<float>::quiet_NaN();

const CoreLibrary &library(const Variant &variant) {
  static CoreLibrary libraries[] = {CoreLibrary(variants[0]),
                                    CoreLibrary(variants[1])};
  return libraries[&variant - variants];
}

/// 64-byte aligned floats, poisoned, with a guard behind them.
class Tile {
public:
  explicit Tile(int64_t floats) : floats(floats), storage(floats + 32, poison) {
    auto address = reinterpret_cast<uintptr_t>(storage.data());
    first = storage.data() + (64 - address % 64) % 64 / 4;
    std::fill_n(first + floats, 16, guard);
  }
  Tile(const std::vector<double> &values, int64_t floats) : Tile(floats) {
    std::copy(values.begin(), values.end(), first);
  }
  operator float *() { return first; }
  bool guarded() const {
    return std::all_of(first + floats, first + floats + 16,
                       [](float x) { return x == guard; });
  }

private:
  static constexpr float guard = 12345.f;
  int64_t floats;
  std::vector<float> storage;
  float *first;
};

using Decay = double (*)(std::mt19937 &, int64_t token);

double pick(std::mt19937 &random, std::initializer_list<double> values) {
  return values.begin()[random() % values.size()];
}
float roundedUniform(std::mt19937 &random) {
  return static_cast<float>(std::uniform_real_distribution<>(0, 1)(random));
}

struct DecayRow {
  const char *name;
  Decay make;
};

const DecayRow decays[] = {
    {"zero", [](std::mt19937 &, int64_t) { return 0.0; }},
    {"one", [](std::mt19937 &, int64_t) { return 1.0; }},
    {"tiny", [](std::mt19937 &, int64_t) { return double(1e-30f); }},
    {"uniform", [](std::mt19937 &random,
                   int64_t) { return double(roundedUniform(random)); }},
    {"nearOne",
     [](std::mt19937 &random, int64_t) {
       return double(1.f - 0.02f * roundedUniform(random));
     }},
    {"mixed",
     [](std::mt19937 &random, int64_t) {
       return pick(random, {0, 1, 1 - 0x1p-24, double(1e-30f), double(1e-38f),
                            0x1p-149, double(1e-3f), 0.5, double(0.99f)});
     }},
    {"oneTiny",
     [](std::mt19937 &, int64_t token) {
       return token == 5 ? double(1e-30f) : double(0.999f);
     }},
};

Chunk<double> makeChunk(int64_t n, int64_t K, int64_t V, bool scalar,
                        Decay decay, unsigned seed) {
  std::mt19937 random(seed);
  auto normal = [&](int64_t count) {
    std::vector<double> values(count);
    for (double &x : values)
      x = static_cast<float>(std::normal_distribution<>()(random));
    return values;
  };
  Chunk<double> chunk{n,
                      K,
                      V,
                      scalar,
                      normal(n * K),
                      normal(n * K),
                      normal(n * V),
                      {},
                      normal(K * V),
                      normal(n * V),
                      normal(K * V)};
  for (int64_t t = 0; t < n; ++t)
    for (int64_t i = 0; i < (scalar ? 1 : K); ++i)
      chunk.lambda.push_back(decay(random, t));
  return chunk;
}

/// The same with every number's absolute value: scale of the rounding errors.
Chunk<double> magnitude(Chunk<double> chunk) {
  for (auto *values :
       {&chunk.q, &chunk.k, &chunk.v, &chunk.lambda, &chunk.state,
        &chunk.outputGradient, &chunk.stateGradient})
    for (double &x : *values)
      x = std::abs(x);
  return chunk;
}

bool same(double a, double b, double relative) {
  if (!std::isfinite(a) || !std::isfinite(b))
    return std::isfinite(a) == std::isfinite(b);
  return std::abs(a - b) <= relative * (1 + std::abs(b));
}

/// A schedule's cores for one instruction set.
class Cores {
public:
  Cores(const Variant &variant, Schedule schedule)
      : variant(variant), schedule(schedule) {}

  std::string name() const {
    return std::string(variant.name) +
           (schedule == Schedule::tree ? " tree" : " recurrent");
  }

  Results<double> run(const Chunk<double> &chunk) const {
    int64_t n = chunk.n, K = chunk.K, V = chunk.V, C = chunkTokens;
    int64_t lambdas = chunk.scalar ? C : C * K;
    Tile q(chunk.q, C * K), k(chunk.k, C * K), v(chunk.v, C * V),
        lambda(chunk.lambda, lambdas), state(chunk.state, K * V),
        dO(chunk.outputGradient, C * V), dState(chunk.stateGradient, K * V);
    Tile o(C * V), dq(C * K), dk(C * K), dv(C * V), dLambda(lambdas),
        advanced(chunk.state, K * V);
    Tile works[] = {Tile(coreWorkFloats(K, V)), Tile(coreWorkFloats(K, V)),
                    Tile(coreWorkFloats(K, V))};
    core<CoreLibrary::Backward>(Direction::backward, chunk.scalar)(
        q, k, v, lambda, state, dState, dO, dq, dk, dv, dLambda, n, K, V,
        works[0]);
    core<CoreLibrary::State>(Direction::state, chunk.scalar)(
        k, v, lambda, advanced, n, K, V, works[1]);
    core<CoreLibrary::Forward>(Direction::forward, chunk.scalar)(
        q, k, v, lambda, state, o, n, K, V, works[2]);
    for (Tile *tile :
         {&q, &k, &v, &lambda, &state, &dO, &dState, &o, &dq, &dk, &dv,
          &dLambda, &advanced, &works[0], &works[1], &works[2]})
      EXPECT_TRUE(tile->guarded());
    auto values = [](float *first, int64_t count) {
      return std::vector<double>(first, first + count);
    };
    auto result = Results<double>{
        values(o, n * V),     values(state, K * V),
        values(dq, n * K),    values(dk, n * K),
        values(dv, n * V),    values(dLambda, chunk.scalar ? n : n * K),
        values(dState, K * V)};
    std::vector<double> states = values(advanced, K * V);
    for (int64_t i = 0; i < K * V; ++i)
      if (!same(states[i], result.state[i], 1e-4))
        ADD_FAILURE() << "state core at " << i << ": " << states[i]
                      << ", forward core " << result.state[i];
    return result;
  }

private:
  template <typename Function>
  Function core(Direction direction, bool scalar) const {
    return library(variant).find<Function>(direction, schedule,
                                           scalar ? Granularity::scalar
                                                  : Granularity::vector);
  }

  const Variant &variant;
  Schedule schedule;
};

/// All that this machine runs.
std::vector<Cores> allSchedules() {
  std::vector<Cores> all;
  for (const Variant &variant : variants)
    for (Schedule schedule : {Schedule::recurrent, Schedule::tree})
      if (runsHere(variant))
        all.emplace_back(variant, schedule);
  return all;
}

/// |got - want| <= c u A + tiny, A from the recurrence on absolute values.
void expectWithin(const char *name, const std::vector<double> &got,
                  const std::vector<double> &want,
                  const std::vector<double> &scale) {
  ASSERT_EQ(got.size(), want.size());
  constexpr double bound = 16 * 0x1p-24, tiny = 1e-36;
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(got[i] - want[i]), bound * scale[i] + tiny)
        << name << '[' << i << "] got " << got[i] << " want " << want[i];
    error += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  EXPECT_LE(std::sqrt(error), 3e-6 * std::sqrt(norm) + tiny) << name;
}

void expectMatch(const Cores &cores, const Chunk<double> &chunk,
                 const Results<double> &want, const Results<double> &scale) {
  SCOPED_TRACE(cores.name());
  Results<double> got = cores.run(chunk);
  expectWithin("o", got.o, want.o, scale.o);
  expectWithin("state", got.state, want.state, scale.state);
  expectWithin("dq", got.dq, want.dq, scale.dq);
  expectWithin("dk", got.dk, want.dk, scale.dk);
  expectWithin("dv", got.dv, want.dv, scale.dv);
  expectWithin("dLambda", got.dLambda, want.dLambda, scale.dLambda);
  expectWithin("dState", got.dState, want.dState, scale.dState);
}

class CoresOfLength : public testing::TestWithParam<int> {};

TEST_P(CoresOfLength, MatchTheRecurrence) {
  int64_t n = GetParam();
  if (allSchedules().empty())
    GTEST_SKIP() << "this machine runs no variant";
  for (auto [K, V] : {std::pair(16, 16),
                      {16, 144},
                      {32, 64},
                      {64, 64},
                      {112, 32},
                      {128, 112},
                      {144, 16}})
    for (const DecayRow &decay : decays)
      for (bool scalar : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << "K " << K << " V " << V << ' ' << decay.name
                     << (scalar ? " scalar" : " vector"));
        if (n * K * V > 32 * 64 * 64 && decay.name != std::string("mixed"))
          continue;
        Chunk<double> chunk = makeChunk(n, K, V, scalar, decay.make, n + K + V);
        Results<double> want = reference(chunk),
                        scale = reference(magnitude(chunk));
        for (const Cores &cores : allSchedules())
          expectMatch(cores, chunk, want, scale);
        if (HasFailure())
          return;
      }
}

INSTANTIATE_TEST_SUITE_P(All, CoresOfLength,
                         testing::Values(1, 2, 7, 8, 9, 16, 31, 63, 64));

bool finiteRows(const std::vector<double> &values, int64_t first, int64_t end,
                int64_t width) {
  return std::all_of(values.begin() + first * width,
                     values.begin() + end * width,
                     [](double x) { return std::isfinite(x); });
}

/// A token and what it holds that is not finite.
struct Spoiled {
  int64_t token;
  double value;
};

void expectContained(const Cores &cores, const Chunk<double> &clean,
                     const Spoiled &bad) {
  auto [n, K, V] = std::tuple(clean.n, clean.K, clean.V);
  int64_t token = bad.token;
  Chunk<double> chunk = clean;
  chunk.v[token * V + 5] = bad.value;
  Results<double> r = cores.run(chunk);
  EXPECT_TRUE(finiteRows(r.o, 0, token, V));
  EXPECT_TRUE(finiteRows(r.dq, 0, token, K));
  EXPECT_TRUE(finiteRows(r.dLambda, 0, token + 1, K));
  EXPECT_TRUE(finiteRows(r.dv, 0, n, V));
  EXPECT_FALSE(finiteRows(r.o, token, token + 1, V));
  chunk = clean;
  chunk.k[token * K + 5] = bad.value;
  r = cores.run(chunk);
  EXPECT_TRUE(finiteRows(r.o, 0, token, V));
  EXPECT_TRUE(finiteRows(r.dq, 0, token, K));
  EXPECT_TRUE(finiteRows(r.dLambda, 0, token + 1, K));
  EXPECT_TRUE(finiteRows(r.dk, 0, n, K));
  EXPECT_FALSE(finiteRows(r.o, token, token + 1, V));
  chunk = clean;
  chunk.outputGradient[token * V + 5] = bad.value;
  r = cores.run(chunk);
  EXPECT_TRUE(finiteRows(r.o, 0, n, V));
  EXPECT_TRUE(finiteRows(r.dq, 0, token, K));
  EXPECT_TRUE(finiteRows(r.dq, token + 1, n, K));
  EXPECT_TRUE(finiteRows(r.dk, token + 1, n, K));
  EXPECT_TRUE(finiteRows(r.dv, token + 1, n, V));
  EXPECT_TRUE(finiteRows(r.dLambda, token + 1, n, K));
  EXPECT_FALSE(finiteRows(r.dv, token, token + 1, V));
}

/// What is not finite at a token shows in no row that does not depend on it.
TEST(Cores, ContainWhatIsNotFinite) {
  for (int64_t token : {0, 3, 8, 12, 15, 17, 20})
    for (double value :
         {std::numeric_limits<double>::infinity(), double(poison)})
      for (const DecayRow &decay : decays)
        for (const Cores &cores : allSchedules()) {
          SCOPED_TRACE(testing::Message()
                       << cores.name() << " token " << token << " value "
                       << value << ' ' << decay.name);
          expectContained(cores, makeChunk(21, 32, 48, false, decay.make, 7),
                          {token, value});
        }
}

/// Tokens first to end of a chunk, its states left as they are.
Chunk<double> part(const Chunk<double> &whole, int64_t first, int64_t end) {
  Chunk<double> chunk = whole;
  chunk.n = end - first;
  auto cut = [&](std::vector<double> &values, int64_t width) {
    values = {values.begin() + first * width, values.begin() + end * width};
  };
  cut(chunk.q, whole.K), cut(chunk.k, whole.K), cut(chunk.lambda, whole.K);
  cut(chunk.v, whole.V), cut(chunk.outputGradient, whole.V);
  return chunk;
}

/// Two calls on parts of a chunk do as one call on the whole.
TEST(Cores, AreTheSameInTwoCalls) {
  Chunk<double> whole = makeChunk(29, 48, 32, false, decays[5].make, 11);
  for (const Cores &cores : allSchedules()) {
    SCOPED_TRACE(cores.name());
    Results<double> all = cores.run(whole);
    Chunk<double> head = part(whole, 0, 13), tail = part(whole, 13, 29);
    tail.state = cores.run(head).state;
    Results<double> second = cores.run(tail);
    head.stateGradient = second.dState;
    Results<double> first = cores.run(head);
    first.o.insert(first.o.end(), second.o.begin(), second.o.end());
    first.dLambda.insert(first.dLambda.end(), second.dLambda.begin(),
                         second.dLambda.end());
    for (size_t i = 0; i < all.o.size(); ++i)
      ASSERT_TRUE(same(first.o[i], all.o[i], 2e-4));
    for (size_t i = 0; i < all.dLambda.size(); ++i)
      ASSERT_TRUE(same(first.dLambda[i], all.dLambda[i], 2e-4));
  }
}

/// No tokens are no work, and leave the states as they are.
TEST(Cores, TakeNoTokens) {
  Chunk<double> chunk = makeChunk(0, 16, 32, false, decays[3].make, 3);
  for (const Cores &cores : allSchedules()) {
    Results<double> r = cores.run(chunk);
    EXPECT_EQ(r.state, chunk.state) << cores.name();
    EXPECT_EQ(r.dState, chunk.stateGradient) << cores.name();
  }
}

TEST(Schedule, HasARowForEachKindOfCore) {
  for (const CoreRequest &request : allCores()) {
    const ScheduleRow *row =
        chooseSchedule(request.direction, request.granularity);
    EXPECT_EQ(row->direction, request.direction);
    EXPECT_EQ(row->granularity, request.granularity);
    bool tree = row->schedule == Schedule::tree;
    EXPECT_EQ(tree, row->ratioAvx512 > 1);
    EXPECT_EQ(tree, row->ratioAvx2 > 1);
  }
}

} // namespace
} // namespace decay::cpu
