func.func @decay_forward_scratch_floats(%dims: !llvm.ptr, %length: i64, %heads: i64) -> i64 {
  %one = arith.constant 1 : i64
  return %one : i64
}
func.func @decay_step_scratch_floats(%dims: !llvm.ptr, %length: i64, %heads: i64) -> i64 {
  %one = arith.constant 1 : i64
  return %one : i64
}
// As many as the longest sequence has tokens.
func.func @decay_backward_scratch_floats(%dims: !llvm.ptr, %length: i64, %heads: i64) -> i64 {
  return %length : i64
}
func.func @decay_init_parameters_scratch_floats(%dims: !llvm.ptr, %length: i64, %heads: i64) -> i64 {
  %zero = arith.constant 0 : i64
  return %zero : i64
}
func.func @decay_backward_partial_floats(%dims: !llvm.ptr) -> i64 {
  %one = arith.constant 1 : i64
  %keysAt = llvm.getelementptr %dims[0, 3] : (!llvm.ptr) -> !llvm.ptr, !llvm.struct<(i64, i64, i64, i64, i64, i64, ptr, i64, i64, i64, i64)>
  %keys = llvm.load %keysAt : !llvm.ptr -> i64
  %count = arith.addi %keys, %one : i64
  return %count : i64
}
