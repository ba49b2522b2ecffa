// What layouts must say, of what they are and of each other.
// RUN: decay-opt %s --split-input-file --verify-diagnostics

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>

// All as it should be.
chunk.kernel @forward_64_64 chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  %initial = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 4>]} : !chunk.tile<channel, value>
  %final = chunk.sweep(%initial) {
      tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 4>],
      tile.arguments = [#tile.accumulators<tileRows = 1, tiles = 4>]}
      : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
  ^bb0(%state: !chunk.tile<channel, value>):
    %k = chunk.read 1 {tile.layouts = [#tile.columns<tokens = 16>]} : !chunk.tile<token, channel>
    %v = chunk.read 2 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, value>
    %decay = chunk.read 3 {tile.layouts = [#tile.columns<tokens = 16>]} : !chunk.tile<token, channel>
    %next = chunk.state %k, %v, %decay, %state {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 4>]}
        : (!chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token, channel>,
           !chunk.tile<channel, value>) -> !chunk.tile<channel, value>
    chunk.yield %next : !chunk.tile<channel, value>
  }
}

// -----

// expected-error@+1 {{expected 256 threads, found 128}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 128>

// -----

// expected-error@+1 {{expected 1 columns per thread in a block of bands, found 2}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 2, threads = 128>

// -----

// expected-error@+1 {{expected precision bf16 in a block of bands, found fp32}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, precision = fp32>

// -----

// expected-error@+1 {{expected 16 or 32 rows of a band in a block of bands, found 64}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 32, bandRows = 64>

// -----

// expected-error@+1 {{expected no rows of a band in a block of columns, found 16}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256, bandRows = 16>

// -----

// expected-error@+1 {{expected two columns per thread and one pair where columns are apart, found 1 and 1}}
#block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256, apart = true>

// -----

// expected-error@+1 {{expected 1 or 2 pairs, found 3}}
#block = #tile.block<K = 64, V = 64, pairs = 3, scheme = columns, columnsPerThread = 1, threads = 256>

// -----

// expected-error@+1 {{expected multiples of 64 as K and V, found 0 and 64}}
#block = #tile.block<K = 0, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
// expected-error@+1 {{expected 'tile.entry' beside 'tile.block'}}
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.block = #columns} {
}

// -----

// expected-error@+1 {{expected #tile.entry as 'tile.entry', found "forward"}}
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = "forward"} {
}

// -----

// expected-error@+1 {{expected 'tile.entry', 'tile.block', 'tile.layouts' or 'tile.arguments', found 'tile.layout'}}
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.layout = []} {
}

// -----

// expected-error@+1 {{expected forward, backward, step or init_parameters as the entry, found sideways}}
chunk.kernel @sideways_64_64 chunk_length 64 operands [] attributes {
    tile.entry = #tile.entry<entry = "sideways", kept = none>,
    tile.block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>} {
}

// -----

// expected-error@+1 {{expected a block of step for the entry step, found one of columns}}
chunk.kernel @step_64_64 chunk_length 64 operands [] attributes {
    tile.entry = #tile.entry<entry = "step", kept = none>,
    tile.block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>} {
}

// -----

// expected-error@+1 {{expected 'tile.entry' on a chunk.kernel}}
module attributes {tile.entry = #tile.entry<entry = "forward", kept = none>} {
}

// -----

// expected-error@+1 {{expected 'tile.layouts' on an operation that makes tiles}}
module attributes {tile.layouts = [#tile.thread]} {
}

// -----

chunk.kernel @forward chunk_length 64 operands [] {
  // expected-error@+1 {{expected a chunk.kernel with 'tile.block' around 'tile.layouts'}}
  %x = chunk.read 0 {tile.layouts = [#tile.thread]} : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{expected 'tile.arguments' on a chunk.sweep}}
  %x = chunk.read 0 {tile.layouts = [#tile.thread], tile.arguments = []} : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{expected 'tile.layouts', a list of layouts, as the kernel has 'tile.block'}}
  %x = chunk.read 0 : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{expected 1 layouts in 'tile.layouts', one for each result, found 2}}
  %x = chunk.read 0 {tile.layouts = [#tile.thread, #tile.thread]} : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a layout of a tile, found 16 : i64 of '!chunk.tile<channel>'}}
  %x = chunk.read 0 {tile.layouts = [16]} : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a tile over tokens, without layers and values for #tile.columns<tokens = 16>, found '!chunk.tile<channel>'}}
  %x = chunk.read 0 {tile.layouts = [#tile.columns<tokens = 16>]} : !chunk.tile<channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a tile over channels and values, without tokens for #tile.accumulators<tileRows = 1, tiles = 4>, found '!chunk.tile<token, channel>'}}
  %x = chunk.read 0 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 4>]} : !chunk.tile<token, channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a tile over tokens and either channels or values for #tile.rows<width = 64, place = shared>, found '!chunk.tile<token>'}}
  %x = chunk.read 0 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a layout that a block of columns has, found #tile.pieces<count = 4>}}
  %x = chunk.read 0 {tile.layouts = [#tile.pieces<count = 4>]} : !chunk.tile<channel, value>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected a layout that a block of columns has, found #tile.rows<width = 64, place = in_place>}}
  %x = chunk.read 0 {tile.layouts = [#tile.rows<width = 64, place = in_place>]} : !chunk.tile<token, channel>
}

// -----

// A thread has two channels here, not one.
#columns = #tile.block<K = 128, V = 128, pairs = 1, scheme = columns, columnsPerThread = 2, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected #tile.columns<tokens = 16, columns = 2> as the kernel's block has it, found #tile.columns<tokens = 16>}}
  %x = chunk.read 0 {tile.layouts = [#tile.columns<tokens = 16>]} : !chunk.tile<token, channel>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  // expected-error@+1 {{result 0: expected #tile.accumulators<tileRows = 1, tiles = 4> as the kernel's block has it, found #tile.accumulators<tileRows = 1, tiles = 4, turned = true>}}
  %x = chunk.read 0 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 4, turned = true>]} : !chunk.tile<channel, value>
}

// -----

// Columns, where a block of bands has rows.
#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %k = chunk.read 1 {tile.layouts = [#tile.columns<tokens = 2>]} : !chunk.tile<token, channel>
  %v = chunk.read 2 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, value>
  %decay = chunk.read 3 {tile.layouts = [#tile.columns<tokens = 2>]} : !chunk.tile<token>
  %state = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]} : !chunk.tile<channel, value>
  // expected-error@+1 {{expected k as rows, found #tile.columns<tokens = 2>}}
  %next = chunk.state %k, %v, %decay, %state {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]}
      : (!chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token>,
         !chunk.tile<channel, value>) -> !chunk.tile<channel, value>
}

// -----

// Bands cannot turn over from one chunk to the next.
#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %k = chunk.read 1 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, channel>
  %v = chunk.read 2 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, value>
  %decay = chunk.read 3 {tile.layouts = [#tile.columns<tokens = 2>]} : !chunk.tile<token>
  %state = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]} : !chunk.tile<channel, value>
  // expected-error@+1 {{expected next in the layout of state, which is #tile.accumulators<tileRows = 1, tiles = 8, turned = true>; found #tile.accumulators<tileRows = 1, tiles = 8>}}
  %next = chunk.state %k, %v, %decay, %state {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8>]}
      : (!chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token>,
         !chunk.tile<channel, value>) -> !chunk.tile<channel, value>
}

// -----

// There is no code for a scan of rows.
#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %x = chunk.read 0 {tile.layouts = [#tile.columns<tokens = 2>]} : !chunk.tile<token>
  %z = chunk.read 1 {tile.layouts = [#tile.thread]} : !chunk.tile<>
  // expected-error@+1 {{expected an operation that a block of bands has code for, found chunk.scan}}
  %a, %b, %c = chunk.scan "cumsum" %x, %z {tile.layouts = [#tile.columns<tokens = 2>, #tile.columns<tokens = 2>, #tile.thread]}
      : (!chunk.tile<token>, !chunk.tile<>) -> (!chunk.tile<token>, !chunk.tile<token>, !chunk.tile<>)
}

// -----

// Rows in shared memory are not numbers of a thread.
#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  %x = chunk.read 0 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, channel>
  // expected-error@+1 {{expected input 0 as thread or columns, found #tile.rows<width = 64, place = shared>}}
  %y = chunk.pointwise(%x) {tile.layouts = [#tile.columns<tokens = 16>]} : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
  ^bb0(%number: f32):
    chunk.yield %number : f32
  }
}

// -----

// What is made by others than the chunk dialect has no layout.
#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  %x = builtin.unrealized_conversion_cast to !chunk.tile<token, channel>
  // expected-error@+1 {{expected operand as columns, found no layout}}
  %y = chunk.rotate "rope" %x {tile.layouts = [#tile.columns<tokens = 16>]} : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel>
}

// -----

// What a sweep begins with is what it carries.
#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %initial = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8>]} : !chunk.tile<channel, value>
  // expected-error@+1 {{expected initial tile 0 in the layout of argument 0, which is #tile.accumulators<tileRows = 1, tiles = 8, turned = true>; found #tile.accumulators<tileRows = 1, tiles = 8>}}
  %final = chunk.sweep(%initial) {
      tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>],
      tile.arguments = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]}
      : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
  ^bb0(%state: !chunk.tile<channel, value>):
    chunk.yield %state : !chunk.tile<channel, value>
  }
}

// -----

#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %initial = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8>]} : !chunk.tile<channel, value>
  // expected-error@+1 {{expected 'tile.arguments', a list of layouts, as the kernel has 'tile.block'}}
  %final = chunk.sweep(%initial) {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8>]}
      : (!chunk.tile<channel, value>) -> !chunk.tile<channel, value> {
  ^bb0(%state: !chunk.tile<channel, value>):
    chunk.yield %state : !chunk.tile<channel, value>
  }
}

// -----

// A gradient that is made where it is needed is nowhere to be read by a product.
#bands = #tile.block<K = 64, V = 64, pairs = 1, scheme = bands, columnsPerThread = 1, threads = 128, bandRows = 16>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #bands} {
  %x = chunk.read 1 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, channel>
  %k = chunk.pointwise(%x) {tile.layouts = [#tile.rows<width = 64, place = fused>]} : (!chunk.tile<token, channel>) -> !chunk.tile<token, channel> {
  ^bb0(%number: f32):
    chunk.yield %number : f32
  }
  %v = chunk.read 2 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, value>
  %decay = chunk.read 3 {tile.layouts = [#tile.columns<tokens = 2>]} : !chunk.tile<token>
  %state = chunk.read 4 {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]} : !chunk.tile<channel, value>
  // expected-error@+1 {{expected k as rows that are shared or made in_place, found #tile.rows<width = 64, place = fused>}}
  %next = chunk.state %k, %v, %decay, %state {tile.layouts = [#tile.accumulators<tileRows = 1, tiles = 8, turned = true>]}
      : (!chunk.tile<token, channel>, !chunk.tile<token, value>, !chunk.tile<token>,
         !chunk.tile<channel, value>) -> !chunk.tile<channel, value>
}

// -----

#columns = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>
#entry = #tile.entry<entry = "forward", kept = none>
chunk.kernel @forward chunk_length 64 operands [] attributes {tile.entry = #entry, tile.block = #columns} {
  %v = chunk.read 2 {tile.layouts = [#tile.rows<width = 64, place = shared>]} : !chunk.tile<token, value>
  // expected-error@+1 {{expected tile as rows that are written, found #tile.rows<width = 64, place = shared>}}
  chunk.write %v to 3 : !chunk.tile<token, value>
}
