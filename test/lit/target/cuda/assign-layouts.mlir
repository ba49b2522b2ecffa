// Each entry becomes a kernel for each pair of head dims, with who does what in a block and where each tile's numbers are.
// RUN: decay-opt %s --assign-layouts | FileCheck %s
// RUN: decayc simple_decay --target=cuda --emit=tile | FileCheck %s --check-prefix=VECTOR
// RUN: decayc tnl --target=cuda --emit=tile | FileCheck %s --check-prefix=BANDS
// RUN: decayc lightnet --target=cuda --emit=tile | FileCheck %s --check-prefix=SCAN
// RUN: decayc lightnet --granularity=scalar --target=cuda --emit=tile | FileCheck %s --check-prefix=SUMS
// RUN: decayc tnl --precision=fp32 --target=cuda --emit=tile | FileCheck %s --check-prefix=FP32
// RUN: decayc hgrn2 --target=cuda --emit=tile | FileCheck %s --check-prefix=LAYERS
// RUN: decayc simple_decay --set position=rope --target=cuda --emit=tile | FileCheck %s --check-prefix=ROPE
// RUN: decayc lightnet --granularity=scalar --set position=rope --target=cuda --emit=tile | FileCheck %s --check-prefix=HALVES
// RUN: decayc tnl --set position=rope --target=cuda --emit=tile | FileCheck %s --check-prefix=TURNING

// Head dims that the module asks for; 256 columns of a state are too many for a block. A state begins with the layout that
// its sweep carries.
// CHECK: chunk.kernel @forward_128_64 chunk_length 64
// CHECK-SAME: tile.block = #tile.block<K = 128, V = 64, pairs = 1, scheme = columns, columnsPerThread = 2, threads = 256>
// CHECK-SAME: tile.entry = #tile.entry<entry = "forward", kept = without>
// CHECK: chunk.read 2 {tile.layouts = [#tile.accumulators<tileRows = 2, tiles = 4>]}
// CHECK: chunk.sweep
// CHECK-SAME: tile.arguments = [#tile.accumulators<tileRows = 2, tiles = 4>]
// CHECK-SAME: tile.layouts = [#tile.accumulators<tileRows = 2, tiles = 4>]
// CHECK: chunk.read 0 {tile.layouts = [#tile.columns<tokens = 16, columns = 2>]}
// CHECK: chunk.read 1 {tile.layouts = [#tile.rows<width = 64, place = shared>]}
// CHECK: chunk.recurrence
// CHECK-SAME: tile.layouts = [#tile.rows<width = 64, place = written>, #tile.accumulators<tileRows = 2, tiles = 4>]
// CHECK: chunk.kernel @forward_128_64_kept
// CHECK-SAME: kept = with>
// CHECK-NOT: chunk.kernel

// VECTOR: chunk.kernel @forward_64_64 {{.*}}columnsPerThread = 1, threads = 256
// VECTOR: chunk.kernel @forward_128_128 {{.*}}columnsPerThread = 2, threads = 256
// VECTOR: chunk.read 4 {tile.layouts = [#tile.thread<columns = 2>]} : <channel>
// VECTOR: chunk.kernel @step_128_128 {{.*}}scheme = step, columnsPerThread = 1, threads = 256
// VECTOR: chunk.read 5 {tile.layouts = [#tile.pieces<count = 16>]}
// VECTOR: chunk.read 2 {tile.layouts = [#tile.rows<width = 128, place = registers>]}
// VECTOR: chunk.kernel @backward_64_64 {{.*}}kept = given
// VECTOR: chunk.restore 0 {kept = {{[0-9]+}} : i64, tile.layouts = [#tile.saved]}
// Parameters have as many channels as the launch says.
// VECTOR: chunk.kernel @init_parameters_any {{.*}}K = 1, V = 1, pairs = 1, scheme = elements

// One λ per token and head: q and k stay rows. The state's bands are columns of v, those of its gradient are not.
// BANDS: chunk.kernel @forward_64_64 {{.*}}scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
// BANDS: chunk.spread {{.*}}[#tile.columns<tokens = 2>]
// BANDS: chunk.read 0 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : <token, channel>
// BANDS: chunk.pointwise{{.*}}[#tile.rows<width = 64, place = in_place>]
// At 128 channels backward has twice as many warps as forward, with half as many rows each.
// BANDS: chunk.kernel @forward_128_128 {{.*}}threads = 128, bandRows = 32>
// BANDS: chunk.kernel @backward_64_64 {{.*}}scheme = bands
// BANDS: chunk.sweep(
// BANDS-SAME: tile.arguments = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]
// BANDS: chunk.sweep descending
// BANDS-SAME: tile.arguments = [#tile.accumulators<tileRows = 1, tiles = 8>
// Silu and its derivative: the one for a product, the other for a gradient that is written.
// BANDS: chunk.pointwise{{.*}}[#tile.rows<width = 64, place = in_place>, #tile.rows<width = 64, place = fused>]
// BANDS: chunk.recurrence_gradient
// BANDS-SAME: tile.layouts = [#tile.rows<width = 64, place = fused>, #tile.rows<width = 64, place = fused>, #tile.rows<width = 64, place = written>, #tile.columns<tokens = 2>, #tile.accumulators<tileRows = 1, tiles = 8>]
// BANDS: chunk.pointwise{{.*}}[#tile.rows<width = 64, place = written>, #tile.rows<width = 64, place = written>]
// BANDS: chunk.kernel @backward_128_128 {{.*}}threads = 256, bandRows = 16>

// What rope turns together is in one thread, forward and backward, for what is kept; not where λ's gradient is a sum over
// the channels, which wants all tokens of a group at once.
// ROPE: chunk.kernel @forward_64_64 {{.*}}columnsPerThread = 2, threads = 128, apart = true>
// ROPE: chunk.kernel @backward_64_64 {{.*}}columnsPerThread = 2, threads = 128, apart = true>
// ROPE: chunk.kernel @backward_128_128 {{.*}}columnsPerThread = 2, threads = 256, apart = true>
// HALVES-NOT: apart
// HALVES: chunk.kernel @backward_128_128 {{.*}}columnsPerThread = 1, threads = 512>
// HALVES-NOT: apart
// Where q and k stay rows so do they when they are turned; a gradient is turned back where it is made.
// TURNING: chunk.kernel @backward_64_64 {{.*}}scheme = bands
// TURNING: chunk.rotate "rope" {{.*}}[#tile.rows<width = 64, place = in_place>]
// TURNING: chunk.recurrence_gradient
// TURNING: chunk.rotate "rope" {{.*}}adjoint {{.*}}[#tile.rows<width = 64, place = fused>]

// The gradient of a scan wants all tokens of a column: backward takes a thread's two in turn.
// SCAN: chunk.kernel @forward_128_128 {{.*}}columnsPerThread = 2, threads = 256
// SCAN: chunk.kernel @backward_128_128 {{.*}}columnsPerThread = 2, threads = 256

// Forward and backward have the same scheme, or the states that one keeps would be in another order.
// SUMS-NOT: scheme = bands

// LAYERS: {tile.layouts = [#tile.layers]} : <layer

// Token by token: one scheme for all, a kernel for callers with and without kept states.
// FP32: chunk.kernel @forward_64_64 {{.*}}scheme = tokens, columnsPerThread = 1, threads = 256, precision = fp32
// FP32: chunk.read 3 {tile.layouts = [#tile.slices<views = 1, pieces = 4>]}
// FP32: [#tile.rows<width = 64, place = plain>]
// FP32: chunk.kernel @step_64_64 {{.*}}scheme = step, {{.*}}precision = fp32
// FP32: chunk.kernel @backward_64_64
// FP32: tile.arguments = [#tile.slices<views = 2, pieces = 4>]

module attributes {decay.head_dims = array<i64: 128, 64, 256, 64>} {
  chunk.kernel @forward chunk_length 64 operands [
      {access = 0 : i64, name = "k", optional = 0 : i64, shape = "B T H K"},
      {access = 0 : i64, name = "v", optional = 0 : i64, shape = "B T H V"},
      {access = 0 : i64, name = "initial_state", optional = 1 : i64, shape = "N H W V"},
      {access = 1 : i64, name = "o", optional = 1 : i64, shape = "B T H V"}] {
    %initial = chunk.read 2 : !chunk.tile<channel, value>
    %final = chunk.sweep(%initial) : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
    ^bb0(%state: !chunk.tile<channel, value>):
      %k = chunk.read 0 : !chunk.tile<token, channel>
      %v = chunk.read 1 : !chunk.tile<token, value>
      %o, %next = chunk.recurrence %k, %k, %v, %k, %state
          : (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, value>,
             !chunk.tile<token, channel>, !chunk.tile<channel, value>) -> (!chunk.tile<token, value>, !chunk.tile<channel, value>)
      chunk.write %o to 3 : !chunk.tile<token, value>
      chunk.yield %next : !chunk.tile<channel, value>
    }
  }
}
