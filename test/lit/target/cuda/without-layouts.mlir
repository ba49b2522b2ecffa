// A kernel that assign-layouts has not seen is no input of lower-blocks.
// RUN: decay-opt %s --split-input-file --verify-diagnostics --lower-blocks

// expected-error@+1 {{expected a kernel with 'tile.block' and layouts, as assign-layouts leaves it, found one without}}
chunk.kernel @forward chunk_length 64 operands [] {
  %initial = chunk.read 4 : !chunk.tile<channel, value>
}

// -----

// Nor is one whose layouts are not all there.
chunk.kernel @forward chunk_length 64 operands [] attributes {
    tile.entry = #tile.entry<entry = "forward", kept = none>,
    tile.block = #tile.block<K = 64, V = 64, pairs = 1, scheme = columns, columnsPerThread = 1, threads = 256>} {
  // expected-error@+1 {{expected 'tile.layouts', a list of layouts, as the kernel has 'tile.block'}}
  %initial = chunk.read 4 : !chunk.tile<channel, value>
}
