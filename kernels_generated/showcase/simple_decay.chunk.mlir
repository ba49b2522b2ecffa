module attributes {decay.compat = "published", decay.design = "simple_decay", decay.granularity = "vector", decay.position = "none", decay.sharing = "off"} {
  chunk.kernel @forward chunk_length 64 operands [{access = 0 : i64, name = "q", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "k", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "v", optional = 0 : i64, shape = "B T H V"}, {access = 0 : i64, name = "f", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "delta", optional = 0 : i64, shape = "H K"}, {access = 0 : i64, name = "initial_state", optional = 1 : i64, shape = "N H W V"}, {access = 1 : i64, name = "o", optional = 0 : i64, shape = "B T H V"}, {access = 1 : i64, name = "final_state", optional = 1 : i64, shape = "N H W V"}, {access = 1 : i64, name = "lambda", optional = 1 : i64, shape = "B T H K"}] {
    %0 = chunk.read 4 : <channel>
    %1 = chunk.read 5 : <channel, value>
    %2 = chunk.sweep(%1) : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
    ^bb0(%arg0: !chunk.tile<channel, value>):
      %3 = chunk.read 0 : <token, channel>
      %4 = chunk.pointwise(%3) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %10 = math.absf %arg1 : f32
        %11 = arith.negf %10 : f32
        %12 = math.exp %11 : f32
        %13 = arith.cmpf oge, %arg1, %cst : f32
        %14 = arith.select %13, %cst_0, %12 : f32
        %15 = arith.addf %12, %cst_0 : f32
        %16 = arith.divf %14, %15 : f32
        %17 = arith.mulf %arg1, %16 : f32
        chunk.yield %17 : f32
      }
      %5 = chunk.read 1 : <token, channel>
      %6 = chunk.pointwise(%5) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %10 = math.absf %arg1 : f32
        %11 = arith.negf %10 : f32
        %12 = math.exp %11 : f32
        %13 = arith.cmpf oge, %arg1, %cst : f32
        %14 = arith.select %13, %cst_0, %12 : f32
        %15 = arith.addf %12, %cst_0 : f32
        %16 = arith.divf %14, %15 : f32
        %17 = arith.mulf %arg1, %16 : f32
        chunk.yield %17 : f32
      }
      %7 = chunk.read 3 : <token, channel>
      %8 = chunk.pointwise(%7, %0) : (!chunk.tile<token, channel>, !chunk.tile<channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32, %arg2: f32):
        %cst = arith.constant 1.000000e+00 : f32
        %cst_0 = arith.constant 0.000000e+00 : f32
        %10 = arith.addf %arg1, %arg2 : f32
        %11 = math.absf %10 : f32
        %12 = arith.negf %11 : f32
        %13 = math.exp %12 : f32
        %14 = arith.cmpf oge, %10, %cst_0 : f32
        %15 = arith.select %14, %cst, %13 : f32
        %16 = arith.addf %13, %cst : f32
        %17 = arith.divf %15, %16 : f32
        chunk.yield %17 : f32
      }
      %9 = chunk.read 2 : <token, value>
      %o, %next = chunk.recurrence %4, %6, %9, %8, %arg0 : (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>, !chunk.tile<channel, value>) -> (!chunk.tile<token, value>, !chunk.tile<channel, value>)
      chunk.write %8 to 8 : <token, channel>
      chunk.write %o to 6 : <token, value>
      chunk.yield %next : !chunk.tile<channel, value>
    }
    chunk.write %2 to 7 : <channel, value>
  }
  chunk.kernel @step chunk_length 1 operands [{access = 0 : i64, name = "q", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "k", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "v", optional = 0 : i64, shape = "B T H V"}, {access = 0 : i64, name = "f", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "delta", optional = 0 : i64, shape = "H K"}, {access = 0 : i64, name = "initial_state", optional = 1 : i64, shape = "N H W V"}, {access = 1 : i64, name = "o", optional = 0 : i64, shape = "B T H V"}, {access = 1 : i64, name = "final_state", optional = 1 : i64, shape = "N H W V"}, {access = 1 : i64, name = "lambda", optional = 1 : i64, shape = "B T H K"}] {
    %0 = chunk.read 4 : <channel>
    %1 = chunk.read 5 : <channel, value>
    %2 = chunk.sweep(%1) : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
    ^bb0(%arg0: !chunk.tile<channel, value>):
      %3 = chunk.read 0 : <token, channel>
      %4 = chunk.pointwise(%3) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %10 = math.absf %arg1 : f32
        %11 = arith.negf %10 : f32
        %12 = math.exp %11 : f32
        %13 = arith.cmpf oge, %arg1, %cst : f32
        %14 = arith.select %13, %cst_0, %12 : f32
        %15 = arith.addf %12, %cst_0 : f32
        %16 = arith.divf %14, %15 : f32
        %17 = arith.mulf %arg1, %16 : f32
        chunk.yield %17 : f32
      }
      %5 = chunk.read 1 : <token, channel>
      %6 = chunk.pointwise(%5) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %10 = math.absf %arg1 : f32
        %11 = arith.negf %10 : f32
        %12 = math.exp %11 : f32
        %13 = arith.cmpf oge, %arg1, %cst : f32
        %14 = arith.select %13, %cst_0, %12 : f32
        %15 = arith.addf %12, %cst_0 : f32
        %16 = arith.divf %14, %15 : f32
        %17 = arith.mulf %arg1, %16 : f32
        chunk.yield %17 : f32
      }
      %7 = chunk.read 3 : <token, channel>
      %8 = chunk.pointwise(%7, %0) : (!chunk.tile<token, channel>, !chunk.tile<channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32, %arg2: f32):
        %cst = arith.constant 1.000000e+00 : f32
        %cst_0 = arith.constant 0.000000e+00 : f32
        %10 = arith.addf %arg1, %arg2 : f32
        %11 = math.absf %10 : f32
        %12 = arith.negf %11 : f32
        %13 = math.exp %12 : f32
        %14 = arith.cmpf oge, %10, %cst_0 : f32
        %15 = arith.select %14, %cst, %13 : f32
        %16 = arith.addf %13, %cst : f32
        %17 = arith.divf %15, %16 : f32
        chunk.yield %17 : f32
      }
      %9 = chunk.read 2 : <token, value>
      %o, %next = chunk.recurrence %4, %6, %9, %8, %arg0 : (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>, !chunk.tile<channel, value>) -> (!chunk.tile<token, value>, !chunk.tile<channel, value>)
      chunk.write %8 to 8 : <token, channel>
      chunk.write %o to 6 : <token, value>
      chunk.yield %next : !chunk.tile<channel, value>
    }
    chunk.write %2 to 7 : <channel, value>
  }
  chunk.kernel @backward chunk_length 64 operands [{access = 0 : i64, name = "q", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "k", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "v", optional = 0 : i64, shape = "B T H V"}, {access = 0 : i64, name = "f", optional = 0 : i64, shape = "B T H K"}, {access = 0 : i64, name = "delta", optional = 0 : i64, shape = "H K"}, {access = 0 : i64, name = "initial_state", optional = 1 : i64, shape = "N H W V"}, {access = 0 : i64, name = "d_o", optional = 0 : i64, shape = "B T H V"}, {access = 0 : i64, name = "d_final_state", optional = 1 : i64, shape = "N H W V"}, {access = 1 : i64, name = "d_q", optional = 1 : i64, shape = "B T H K"}, {access = 1 : i64, name = "d_k", optional = 1 : i64, shape = "B T H K"}, {access = 1 : i64, name = "d_v", optional = 1 : i64, shape = "B T H V"}, {access = 1 : i64, name = "d_f", optional = 1 : i64, shape = "B T H K"}, {access = 1 : i64, name = "d_delta", optional = 1 : i64, reduce = true, shape = "H K"}, {access = 1 : i64, name = "d_initial_state", optional = 1 : i64, shape = "N H W V"}] {
    %0 = chunk.read 7 : <channel, value>
    %1 = chunk.read 4 : <channel>
    %2 = chunk.read 5 : <channel, value>
    %3 = chunk.sweep(%2) : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
    ^bb0(%arg0: !chunk.tile<channel, value>):
      chunk.save %arg0 in 0 : <channel, value>
      %6 = chunk.read 1 : <token, channel>
      %7 = chunk.pointwise(%6) : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %12 = math.absf %arg1 : f32
        %13 = arith.negf %12 : f32
        %14 = math.exp %13 : f32
        %15 = arith.cmpf oge, %arg1, %cst : f32
        %16 = arith.select %15, %cst_0, %14 : f32
        %17 = arith.addf %14, %cst_0 : f32
        %18 = arith.divf %16, %17 : f32
        %19 = arith.mulf %arg1, %18 : f32
        chunk.yield %19 : f32
      }
      %8 = chunk.read 3 : <token, channel>
      %9 = chunk.pointwise(%8, %1) : (!chunk.tile<token, channel>, !chunk.tile<channel>) -> !chunk.tile<token, channel> {
      ^bb0(%arg1: f32, %arg2: f32):
        %cst = arith.constant 1.000000e+00 : f32
        %cst_0 = arith.constant 0.000000e+00 : f32
        %12 = arith.addf %arg1, %arg2 : f32
        %13 = math.absf %12 : f32
        %14 = arith.negf %13 : f32
        %15 = math.exp %14 : f32
        %16 = arith.cmpf oge, %12, %cst_0 : f32
        %17 = arith.select %16, %cst, %15 : f32
        %18 = arith.addf %15, %cst : f32
        %19 = arith.divf %17, %18 : f32
        chunk.yield %19 : f32
      }
      %10 = chunk.read 2 : <token, value>
      %11 = chunk.state %7, %10, %9, %arg0 : (!chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>, !chunk.tile<channel, value>) -> !chunk.tile<channel, value>
      chunk.yield %11 : !chunk.tile<channel, value>
    }
    %4 = chunk.fill : <channel>
    %5:2 = chunk.sweep descending(%0, %4) : (!chunk.tile<channel, value>, !chunk.tile<channel>) -> (!chunk.tile<channel, value>, !chunk.tile<channel>) {
    ^bb0(%arg0: !chunk.tile<channel, value>, %arg1: !chunk.tile<channel>):
      %6 = chunk.read 0 : <token, channel>
      %7:2 = chunk.pointwise(%6) : (!chunk.tile<token, channel>) -> (!chunk.tile<token, channel>, !chunk.tile<token, channel>) {
      ^bb0(%arg2: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %17 = math.absf %arg2 : f32
        %18 = arith.negf %17 : f32
        %19 = math.exp %18 : f32
        %20 = arith.cmpf oge, %arg2, %cst : f32
        %21 = arith.select %20, %cst_0, %19 : f32
        %22 = arith.addf %19, %cst_0 : f32
        %23 = arith.divf %21, %22 : f32
        %24 = arith.mulf %arg2, %23 : f32
        %25 = arith.negf %arg2 : f32
        %26 = arith.cmpf oge, %25, %cst : f32
        %27 = arith.select %26, %cst_0, %19 : f32
        %28 = arith.divf %27, %22 : f32
        %29 = arith.mulf %arg2, %28 : f32
        %30 = arith.addf %29, %cst_0 : f32
        %31 = arith.mulf %23, %30 : f32
        chunk.yield %24, %31 : f32, f32
      }
      %8 = chunk.read 1 : <token, channel>
      %9:2 = chunk.pointwise(%8) : (!chunk.tile<token, channel>) -> (!chunk.tile<token, channel>, !chunk.tile<token, channel>) {
      ^bb0(%arg2: f32):
        %cst = arith.constant 0.000000e+00 : f32
        %cst_0 = arith.constant 1.000000e+00 : f32
        %17 = math.absf %arg2 : f32
        %18 = arith.negf %17 : f32
        %19 = math.exp %18 : f32
        %20 = arith.cmpf oge, %arg2, %cst : f32
        %21 = arith.select %20, %cst_0, %19 : f32
        %22 = arith.addf %19, %cst_0 : f32
        %23 = arith.divf %21, %22 : f32
        %24 = arith.mulf %arg2, %23 : f32
        %25 = arith.negf %arg2 : f32
        %26 = arith.cmpf oge, %25, %cst : f32
        %27 = arith.select %26, %cst_0, %19 : f32
        %28 = arith.divf %27, %22 : f32
        %29 = arith.mulf %arg2, %28 : f32
        %30 = arith.addf %29, %cst_0 : f32
        %31 = arith.mulf %23, %30 : f32
        chunk.yield %24, %31 : f32, f32
      }
      %10 = chunk.read 3 : <token, channel>
      %11:2 = chunk.pointwise(%10, %1) : (!chunk.tile<token, channel>, !chunk.tile<channel>) -> (!chunk.tile<token, channel>, !chunk.tile<token, channel>) {
      ^bb0(%arg2: f32, %arg3: f32):
        %cst = arith.constant 1.000000e+00 : f32
        %cst_0 = arith.constant 0.000000e+00 : f32
        %17 = arith.addf %arg2, %arg3 : f32
        %18 = math.absf %17 : f32
        %19 = arith.negf %18 : f32
        %20 = math.exp %19 : f32
        %21 = arith.cmpf oge, %17, %cst_0 : f32
        %22 = arith.select %21, %cst, %20 : f32
        %23 = arith.addf %20, %cst : f32
        %24 = arith.divf %22, %23 : f32
        %25 = arith.negf %17 : f32
        %26 = arith.cmpf oge, %25, %cst_0 : f32
        %27 = arith.select %26, %cst, %20 : f32
        %28 = arith.divf %27, %23 : f32
        %29 = arith.mulf %24, %28 : f32
        chunk.yield %24, %29 : f32, f32
      }
      %12 = chunk.read 2 : <token, value>
      %13 = chunk.restore 0 : <channel, value>
      %14 = chunk.read 6 : <token, value>
      %d_q, %d_k, %d_v, %d_lambda, %d_next = chunk.recurrence_gradient %7#0, %9#0, %12, %11#0, %13, %arg0, %14 : (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>, !chunk.tile<channel, value>, !chunk.tile<channel, value>, !chunk.tile<token, value>) -> (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>, !chunk.tile<channel, value>)
      %15:3 = chunk.pointwise(%d_lambda, %11#1, %d_k, %9#1, %d_q, %7#1) : (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, channel>) -> (!chunk.tile<token, channel>, !chunk.tile<token, channel>, !chunk.tile<token, channel>) {
      ^bb0(%arg2: f32, %arg3: f32, %arg4: f32, %arg5: f32, %arg6: f32, %arg7: f32):
        %17 = arith.mulf %arg2, %arg3 : f32
        %18 = arith.mulf %arg4, %arg5 : f32
        %19 = arith.mulf %arg6, %arg7 : f32
        chunk.yield %17, %18, %19 : f32, f32, f32
      }
      %16 = chunk.accumulate %arg1, %15#0 : (!chunk.tile<channel>, !chunk.tile<token, channel>) -> !chunk.tile<channel>
      chunk.write %15#2 to 8 : <token, channel>
      chunk.write %15#1 to 9 : <token, channel>
      chunk.write %d_v to 10 : <token, value>
      chunk.write %15#0 to 11 : <token, channel>
      chunk.yield %d_next, %16 : !chunk.tile<channel, value>, !chunk.tile<channel>
    }
    chunk.write %5#1 to 12 : <channel>
    chunk.write %5#0 to 13 : <channel, value>
  }
  chunk.kernel @init_parameters chunk_length 64 operands [{access = 1 : i64, name = "delta", optional = 0 : i64, shape = "H K"}] {
    %0 = chunk.pointwise() : () -> !chunk.tile<> {
      %cst = arith.constant 4.595120e+00 : f32
      chunk.yield %cst : f32
    }
    %1 = chunk.pointwise(%0) : (!chunk.tile<>) -> !chunk.tile<channel> {
    ^bb0(%arg0: f32):
      chunk.yield %arg0 : f32
    }
    chunk.write %1 to 0 : <channel>
  }
}

