//===- Compile.h - From a design to a package, in one call -----*- C++ -*-===//
//
// The whole compiler behind one function. Includes no MLIR header, so that the
// runtime's command line can compile the designs that it is asked to train.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_DRIVER_COMPILE_H
#define DECAY_COMPILER_DRIVER_COMPILE_H

#include <string>
#include <utility>
#include <vector>

namespace decay {

struct CompileRequest {
  /// A library design or variant ("mamba2_no_a"), or a path that ends in
  /// ".decay".
  std::string design;
  /// Settings in the order given: {"granularity", "scalar"}, {"p", "0.9"}, ...
  std::vector<std::pair<std::string, std::string>> settings;
  std::string target; ///< empty: the default target
  /// Pairs of K and V to make code for, where a target's code is for certain
  /// ones. Empty: the target's usual ones.
  std::vector<std::pair<int64_t, int64_t>> headDims;
  /// The type of tensors with tokens: "fp32", "bf16". Empty: the target's
  /// usual one.
  std::string precision;
  /// Where the package goes. Made if missing.
  std::string outputDirectory;
  /// Keep a package that is already there when its hash is the same.
  bool reuse = true;
  /// Only the code that the processor at hand runs, for those who run it at
  /// once and throw it away. Its hash is another than that of the whole
  /// package.
  bool forThisMachineOnly = false;
  /// With it: this variant's code, in whatever instructions the processor at
  /// hand has, so that code for another machine can be tested on this one.
  /// Empty: the variant that fits.
  std::string variant;
};

struct CompileOutcome {
  /// 0 success, 1 the design or its settings are wrong, 3 the world failed
  /// (files).
  int exitCode = 0;
  /// For people, ready to print; empty on success without warnings.
  std::string diagnostics;
  /// The shared library (`<name>.so`), its header and its manifest.
  std::string packagePath, headerPath, manifestPath;
  std::string hash;
  bool reused = false;
};

/// Never throws, never exits, never prints.
CompileOutcome compileDesign(const CompileRequest &request);

/// The text of `decayc --list`: designs, variants, settings and defaults.
std::string describeLibrary();

/// The names of all library designs and variants, sorted.
std::vector<std::string> libraryDesigns();

} // namespace decay

#endif // DECAY_COMPILER_DRIVER_COMPILE_H
