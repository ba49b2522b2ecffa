//===- Cores.h - Register-tiled recurrences of one chunk --------*- C++ -*-===//
//
// The inner loops of linear attention with decay,
//
//     S_t = diag(λ_t) S_{t-1} + k_t v_tᵀ        o_t = S_tᵀ q_t,
//
// as private func.funcs (scf, arith, vector, llvm pointers; fp32). Tiles are
// row-major, 64-byte aligned, rows padded with zeros to rowPadding floats:
// q, k, λ [C, K]; v, o [C, V]; S [K, V], with n <= chunkTokens tokens used.
// With scalar decay λ and dλ are [C].
//
//     core_forward_<schedule>_<granularity>_<variant>
//         (q, k, v, λ, S, o, n, K, V, work)
//     core_state_<schedule>_<granularity>_<variant>
//         (k, v, λ, S, n, K, V, work)
//     core_backward_<schedule>_<granularity>_<variant>
//         (q, k, v, λ, S, dS, do, dq, dk, dv, dλ, n, K, V, work)
//
// forward and state update S in place. backward reads S, the state before the
// chunk; dS is the gradient of the state after the chunk and becomes that of
// the state before it; dq, dk, dv, dλ are written. dλ_t = Σ_v S_{t-1} ∘ D_t per
// channel (scalar: and summed over channels), where D_t is the gradient of S_t
// with token t's own output counted.
//
// Rows at and after n, and work, may hold anything: they are not read. What is
// not finite in token t reaches no gradient or output that does not depend on
// token t in the recurrence. Same input, same bits.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_CORES_H
#define DECAY_COMPILER_TARGET_CPU_CORES_CORES_H

#include "compiler/target/cpu/Variants.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <string>

namespace decay::cpu {

/// The most tokens of one call.
inline constexpr int64_t chunkTokens = 64;
/// Tokens whose λ's are multiplied, the first with the second and so on, before
/// the state is: the first of a call begin the first block.
inline constexpr int64_t coreBlockTokens = 8;

enum class Direction { forward, state, backward };
enum class Schedule { recurrent, tree };
enum class Granularity { vector, scalar };

struct CoreRequest {
  Direction direction;
  Schedule schedule;
  Granularity granularity;
};

/// `core_<direction>_<schedule>_<granularity>_<variant>`.
std::string coreName(const CoreRequest &request, const Variant &variant);

/// All directions, schedules and granularities.
llvm::ArrayRef<CoreRequest> allCores();

/// Adds the requested functions, and what they call, to `module`; those that
/// it holds already are left alone.
void emitCoreFunctions(mlir::ModuleOp module, const Variant &variant,
                       llvm::ArrayRef<CoreRequest> requests);

/// Floats of `work` that any core needs for padded widths K and V.
int64_t coreWorkFloats(int64_t K, int64_t V);
/// The same number, computed by the emitted program from two i64.
mlir::Value emitCoreWorkFloats(mlir::ImplicitLocOpBuilder &builder,
                               mlir::Value K, mlir::Value V);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_CORES_H
