// Item functions of a design with one projection f and the parameters delta [H]
// and gamma [K]: o = f * delta + gamma. VARIANT is replaced by each variant's name.
// A token whose f is above 1 in channel 0 is a fault.

!operands_VARIANT = !llvm.struct<(ptr, i64)>
!dims_VARIANT = !llvm.struct<(i64, i64, i64, i64, i64, i64, ptr, i64, i64, i64, i64)>
!item_VARIANT = !llvm.struct<(i64, i64, i64, i64, i64, i64)>
!fault_VARIANT = !llvm.struct<(i64, i64, i64, f64)>

// The place of an operand's element (token, head, channel); a stride of 0 is H * K.
func.func private @place_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %operand: i64, %row: i64, %head: i64, %channel: i64) -> !llvm.ptr {
  %zero = arith.constant 0 : i64
  %entry = llvm.getelementptr %operands[%operand] : (!llvm.ptr, i64) -> !llvm.ptr, !operands_VARIANT
  %data = llvm.load %entry : !llvm.ptr -> !llvm.ptr
  %strideAt = llvm.getelementptr %entry[0, 1] : (!llvm.ptr) -> !llvm.ptr, !operands_VARIANT
  %given = llvm.load %strideAt : !llvm.ptr -> i64
  %headsAt = llvm.getelementptr %dims[0, 2] : (!llvm.ptr) -> !llvm.ptr, !dims_VARIANT
  %heads = llvm.load %headsAt : !llvm.ptr -> i64
  %keysAt = llvm.getelementptr %dims[0, 3] : (!llvm.ptr) -> !llvm.ptr, !dims_VARIANT
  %keys = llvm.load %keysAt : !llvm.ptr -> i64
  %dense = arith.muli %heads, %keys : i64
  %isDense = arith.cmpi eq, %given, %zero : i64
  %stride = arith.select %isDense, %dense, %given : i64
  %a = arith.muli %row, %stride : i64
  %b = arith.muli %head, %keys : i64
  %c = arith.addi %a, %b : i64
  %d = arith.addi %c, %channel : i64
  %place = llvm.getelementptr %data[%d] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  return %place : !llvm.ptr
}

// The operand's base, for the parameters.
func.func private @at_VARIANT(%operands: !llvm.ptr, %operand: i64, %index: i64) -> !llvm.ptr {
  %entry = llvm.getelementptr %operands[%operand] : (!llvm.ptr, i64) -> !llvm.ptr, !operands_VARIANT
  %data = llvm.load %entry : !llvm.ptr -> !llvm.ptr
  %place = llvm.getelementptr %data[%index] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  return %place : !llvm.ptr
}

func.func private @head_forward_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %two = arith.constant 2 : i64
  %four = arith.constant 4 : i64
  %top = arith.constant 1.0 : f32
  %keysAt = llvm.getelementptr %dims[0, 3] : (!llvm.ptr) -> !llvm.ptr, !dims_VARIANT
  %keys = llvm.load %keysAt : !llvm.ptr -> i64
  %headAt = llvm.getelementptr %item[0, 1] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %head = llvm.load %headAt : !llvm.ptr -> i64
  %firstAt = llvm.getelementptr %item[0, 2] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %first = llvm.load %firstAt : !llvm.ptr -> i64
  %lengthAt = llvm.getelementptr %item[0, 3] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %length = llvm.load %lengthAt : !llvm.ptr -> i64
  %deltaAt = func.call @at_VARIANT(%operands, %one, %head) : (!llvm.ptr, i64, i64) -> !llvm.ptr
  %delta = llvm.load %deltaAt : !llvm.ptr -> f32
  // Through scratch memory, so that a wrong size shows.
  llvm.store %delta, %scratch : f32, !llvm.ptr
  scf.for %t = %zero to %length step %one : i64 {
    %row = arith.addi %first, %t : i64
    scf.for %c = %zero to %keys step %one : i64 {
      %fAt = func.call @place_VARIANT(%operands, %dims, %zero, %row, %head, %c) : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64) -> !llvm.ptr
      %f = llvm.load %fAt : !llvm.ptr -> f32
      %oAt = func.call @place_VARIANT(%operands, %dims, %four, %row, %head, %c) : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64) -> !llvm.ptr
      %gammaAt = func.call @at_VARIANT(%operands, %two, %c) : (!llvm.ptr, i64, i64) -> !llvm.ptr
      %gamma = llvm.load %gammaAt : !llvm.ptr -> f32
      %scale = llvm.load %scratch : !llvm.ptr -> f32
      %product = arith.mulf %f, %scale : f32
      %o = arith.addf %product, %gamma : f32
      llvm.store %o, %oAt : f32, !llvm.ptr
      %above = arith.cmpf ogt, %f, %top : f32
      %code = llvm.load %fault : !llvm.ptr -> i64
      %clean = arith.cmpi eq, %code, %zero : i64
      %report = arith.andi %above, %clean : i1
      scf.if %report {
        llvm.store %one, %fault : i64, !llvm.ptr
        %tokenAt = llvm.getelementptr %fault[0, 1] : (!llvm.ptr) -> !llvm.ptr, !fault_VARIANT
        llvm.store %t, %tokenAt : i64, !llvm.ptr
        %channelAt = llvm.getelementptr %fault[0, 2] : (!llvm.ptr) -> !llvm.ptr, !fault_VARIANT
        llvm.store %c, %channelAt : i64, !llvm.ptr
        %valueAt = llvm.getelementptr %fault[0, 3] : (!llvm.ptr) -> !llvm.ptr, !fault_VARIANT
        %wide = arith.extf %f : f32 to f64
        llvm.store %wide, %valueAt : f64, !llvm.ptr
      }
    }
  }
  return
}

// Each of the item's heads, as an item of one.
func.func @decay_forward_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %headsAt = llvm.getelementptr %item[0, 4] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %heads = llvm.load %headsAt : !llvm.ptr -> i64
  %apartAt = llvm.getelementptr %item[0, 5] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %apart = llvm.load %apartAt : !llvm.ptr -> i64
  %headAt = llvm.getelementptr %item[0, 1] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %firstHead = llvm.load %headAt : !llvm.ptr -> i64
  %whole = llvm.load %item : !llvm.ptr -> !item_VARIANT
  %mine = llvm.alloca %one x !item_VARIANT : (i64) -> !llvm.ptr
  scf.for %i = %zero to %heads step %one : i64 {
    %head = arith.addi %firstHead, %i : i64
    %with = llvm.insertvalue %head, %whole[1] : !item_VARIANT
    llvm.store %with, %mine : !item_VARIANT, !llvm.ptr
    %shift = arith.muli %i, %apart : i64
    %myPartials = llvm.getelementptr %partials[%shift] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %myFault = llvm.getelementptr %fault[%i] : (!llvm.ptr, i64) -> !llvm.ptr, !fault_VARIANT
    func.call @head_forward_VARIANT(%operands, %dims, %mine, %scratch, %myPartials, %myFault) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
  }
  return
}

func.func @decay_step_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  func.call @decay_forward_VARIANT(%operands, %dims, %item, %scratch, %partials, %fault) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
  return
}

// Partial sums: delta [1], then gamma [K].
func.func private @head_backward_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %four = arith.constant 4 : i64
  %six = arith.constant 6 : i64
  %nothing = arith.constant 0.0 : f32
  %keysAt = llvm.getelementptr %dims[0, 3] : (!llvm.ptr) -> !llvm.ptr, !dims_VARIANT
  %keys = llvm.load %keysAt : !llvm.ptr -> i64
  %headAt = llvm.getelementptr %item[0, 1] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %head = llvm.load %headAt : !llvm.ptr -> i64
  %firstAt = llvm.getelementptr %item[0, 2] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %first = llvm.load %firstAt : !llvm.ptr -> i64
  %lengthAt = llvm.getelementptr %item[0, 3] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %length = llvm.load %lengthAt : !llvm.ptr -> i64
  %deltaAt = func.call @at_VARIANT(%operands, %one, %head) : (!llvm.ptr, i64, i64) -> !llvm.ptr
  %delta = llvm.load %deltaAt : !llvm.ptr -> f32
  %partCount = arith.addi %keys, %one : i64
  scf.for %i = %zero to %partCount step %one : i64 {
    %partAt = llvm.getelementptr %partials[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %nothing, %partAt : f32, !llvm.ptr
  }
  scf.for %t = %zero to %length step %one : i64 {
    %row = arith.addi %first, %t : i64
    scf.for %c = %zero to %keys step %one : i64 {
      %fAt = func.call @place_VARIANT(%operands, %dims, %zero, %row, %head, %c) : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64) -> !llvm.ptr
      %f = llvm.load %fAt : !llvm.ptr -> f32
      %doAt = func.call @place_VARIANT(%operands, %dims, %four, %row, %head, %c) : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64) -> !llvm.ptr
      %do = llvm.load %doAt : !llvm.ptr -> f32
      %dfAt = func.call @place_VARIANT(%operands, %dims, %six, %row, %head, %c) : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64) -> !llvm.ptr
      %df = arith.mulf %do, %delta : f32
      llvm.store %df, %dfAt : f32, !llvm.ptr
      %sum = llvm.load %partials : !llvm.ptr -> f32
      %term = arith.mulf %f, %do : f32
      %next = arith.addf %sum, %term : f32
      llvm.store %next, %partials : f32, !llvm.ptr
      %place = arith.addi %c, %one : i64
      %gammaAt = llvm.getelementptr %partials[%place] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      %gamma = llvm.load %gammaAt : !llvm.ptr -> f32
      %nextGamma = arith.addf %gamma, %do : f32
      llvm.store %nextGamma, %gammaAt : f32, !llvm.ptr
    }
  }
  return
}

// Each of the item's heads, as an item of one.
func.func @decay_backward_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %headsAt = llvm.getelementptr %item[0, 4] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %heads = llvm.load %headsAt : !llvm.ptr -> i64
  %apartAt = llvm.getelementptr %item[0, 5] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %apart = llvm.load %apartAt : !llvm.ptr -> i64
  %headAt = llvm.getelementptr %item[0, 1] : (!llvm.ptr) -> !llvm.ptr, !item_VARIANT
  %firstHead = llvm.load %headAt : !llvm.ptr -> i64
  %whole = llvm.load %item : !llvm.ptr -> !item_VARIANT
  %mine = llvm.alloca %one x !item_VARIANT : (i64) -> !llvm.ptr
  scf.for %i = %zero to %heads step %one : i64 {
    %head = arith.addi %firstHead, %i : i64
    %with = llvm.insertvalue %head, %whole[1] : !item_VARIANT
    llvm.store %with, %mine : !item_VARIANT, !llvm.ptr
    %shift = arith.muli %i, %apart : i64
    %myPartials = llvm.getelementptr %partials[%shift] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %myFault = llvm.getelementptr %fault[%i] : (!llvm.ptr, i64) -> !llvm.ptr, !fault_VARIANT
    func.call @head_backward_VARIANT(%operands, %dims, %mine, %scratch, %myPartials, %myFault) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
  }
  return
}

// delta = exp(-1), by the approximation; gamma = exp of a vector of zeros.
func.func @decay_init_parameters_VARIANT(%operands: !llvm.ptr, %dims: !llvm.ptr, %item: !llvm.ptr, %scratch: !llvm.ptr, %partials: !llvm.ptr, %fault: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %minus = arith.constant -1.0 : f32
  %zeros = arith.constant dense<0.0> : vector<16xf32>
  %headsAt = llvm.getelementptr %dims[0, 2] : (!llvm.ptr) -> !llvm.ptr, !dims_VARIANT
  %heads = llvm.load %headsAt : !llvm.ptr -> i64
  scf.for %h = %zero to %heads step %one : i64 {
    %deltaAt = func.call @at_VARIANT(%operands, %zero, %h) : (!llvm.ptr, i64, i64) -> !llvm.ptr
    %delta = math.exp %minus : f32
    llvm.store %delta, %deltaAt : f32, !llvm.ptr
  }
  %gammaAt = func.call @at_VARIANT(%operands, %one, %zero) : (!llvm.ptr, i64, i64) -> !llvm.ptr
  %gamma = math.exp %zeros : vector<16xf32>
  llvm.store %gamma, %gammaAt {alignment = 4 : i64} : vector<16xf32>, !llvm.ptr
  return
}
