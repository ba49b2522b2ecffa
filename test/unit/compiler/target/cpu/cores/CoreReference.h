//===- CoreReference.h - The recurrence of a chunk in float64 ---*- C++ -*-===//
#ifndef DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_COREREFERENCE_H
#define DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_COREREFERENCE_H

#include <cstdint>
#include <vector>

namespace decay::cpu {

template <typename Number> struct Chunk {
  int64_t n, K, V;
  bool scalar;
  std::vector<Number> q, k, v, lambda, state, outputGradient, stateGradient;

  Number decay(int64_t token, int64_t channel) const {
    return scalar ? lambda[token] : lambda[token * K + channel];
  }
};

/// What forward and backward make of a chunk; `state` after it, `dState`
/// before it.
template <typename Number> struct Results {
  std::vector<Number> o, state, dq, dk, dv, dLambda, dState;
};

/// Token by token, every state kept.
inline Results<double> reference(const Chunk<double> &chunk) {
  auto [n, K, V] = std::tuple(chunk.n, chunk.K, chunk.V);
  std::vector<std::vector<double>> states = {chunk.state};
  Results<double> r;
  r.o.resize(n * V), r.dv.resize(n * V);
  r.dq.resize(n * K), r.dk.resize(n * K);
  r.dLambda.resize(chunk.scalar ? n : n * K);
  for (int64_t t = 0; t < n; ++t) {
    std::vector<double> s = states.back();
    for (int64_t i = 0; i < K; ++i)
      for (int64_t j = 0; j < V; ++j) {
        double &cell = s[i * V + j];
        cell =
            chunk.decay(t, i) * cell + chunk.k[t * K + i] * chunk.v[t * V + j];
        r.o[t * V + j] += chunk.q[t * K + i] * cell;
      }
    states.push_back(s);
  }
  std::vector<double> d = chunk.stateGradient;
  for (int64_t t = n - 1; t >= 0; --t)
    for (int64_t i = 0; i < K; ++i)
      for (int64_t j = 0; j < V; ++j) {
        double dO = chunk.outputGradient[t * V + j], &cell = d[i * V + j];
        cell += chunk.q[t * K + i] * dO;
        r.dq[t * K + i] += dO * states[t + 1][i * V + j];
        r.dk[t * K + i] += chunk.v[t * V + j] * cell;
        r.dv[t * V + j] += chunk.k[t * K + i] * cell;
        r.dLambda[chunk.scalar ? t : t * K + i] += states[t][i * V + j] * cell;
        cell *= chunk.decay(t, i);
      }
  r.state = states.back();
  r.dState = d;
  return r;
}

} // namespace decay::cpu

#endif // DECAY_TEST_UNIT_COMPILER_TARGET_CPU_CORES_COREREFERENCE_H
