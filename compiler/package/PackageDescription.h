//===- PackageDescription.h - What a package says of itself ----*- C++ -*-===//
//
// The entries of a design's package with their operands in order, and the
// manifest that a model reads: README.md of this folder. Targets turn it into
// the tables of runtime/abi/DecayPackage.h.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_COMPILER_PACKAGE_PACKAGEDESCRIPTION_H
#define DECAY_COMPILER_PACKAGE_PACKAGEDESCRIPTION_H

#include <string>
#include <vector>

namespace decay {

namespace dsl {
struct CheckedDesign;
}

struct OperandDescription {
  std::string name;  ///< "q", "d_q", "initial_state", ...
  std::string shape; ///< as in DecayOperandInfo: "B T H K"
  bool written = false;
  bool optional = false;
};

struct EntryDescription {
  std::string role; ///< as in DecayEntry: "forward", ...
  std::vector<OperandDescription> operands;
  /// Places in `operands` of the parameters' gradients, in order of the
  /// parameters.
  std::vector<int64_t> parameterGradients;
};

struct PackageDescription {
  std::string design;
  std::string target;
  std::string precision; ///< of tensors with tokens: "fp32", "bf16"
  std::string hash;      ///< 64 hex digits
  std::string manifest;  ///< JSON
  std::vector<EntryDescription> entries;
};

/// What a target makes of a package.
struct PackageCode {
  /// Beside the library, under its name with another extension (".txt"): for
  /// people to read and other tools to take; nothing is loaded from it.
  struct Text {
    std::string extension, bytes;
  };
  std::string library; ///< the shared library
  std::vector<Text> texts;
};

/// All but the entries, which are known when the design has become kernels
/// (KernelEntries.h).
PackageDescription describePackage(const dsl::CheckedDesign &design,
                                   std::string target, std::string precision,
                                   std::string hash);

} // namespace decay

#endif // DECAY_COMPILER_PACKAGE_PACKAGEDESCRIPTION_H
