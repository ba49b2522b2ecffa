//===- Session.h - Machine, packages and trained models for commands -*- C++
//-*-===//
#ifndef DECAY_RUNTIME_TOOLS_DECAY_SESSION_H
#define DECAY_RUNTIME_TOOLS_DECAY_SESSION_H

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/kernels/KernelLibrary.h"
#include "runtime/nn/models/LanguageModel.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace decay::runtime {

/// A device with its native kernels.
struct Machine {
  std::unique_ptr<Device> device;
  std::unique_ptr<NativeKernels> kernels;
  std::string name; ///< of the device
  Backend backend() { return {*device, *kernels}; }

  /// `device` empty: the default; its own activation type unless one is given.
  /// `ordinal`: which of several alike.
  static Result<Machine> create(int64_t threads, const std::string &device = {},
                                std::optional<NumberType> activations = {},
                                int64_t ordinal = 0);
};

/// What is compiled: a library design or a file, and its settings in order. A
/// compiled package (.so) is taken as it is.
struct DesignRequest {
  std::string design;
  std::vector<std::pair<std::string, std::string>> settings;
  std::string target = {};    ///< empty: the default
  std::string precision = {}; ///< "fp32", "bf16"; empty: the target's usual

  /// What a machine computes in, for training on it.
  static DesignRequest forMachine(const Machine &machine, std::string design);
};

/// The packages of a model, compiled if they are missing.
struct Packages {
  KernelLibrary design;
  std::optional<KernelLibrary> tpe;
  ModelKernels kernels() const { return {design, tpe ? &*tpe : nullptr}; }
  /// What config.json remembers of them.
  Json record(const DesignRequest &request) const;
};

/// The package of a design in `folder`, made if it is missing. Each program
/// brings its own: `decay` has the compiler, `decay-runtime` refuses.
Result<std::string> compileDesign(const DesignRequest &request,
                                  const std::filesystem::path &folder);

/// Compiles into `folder` (what is there already is kept) and loads. Warnings
/// of the compiler go to stderr; its errors are the Status.
Result<Packages> compilePackages(const DesignRequest &request,
                                 const std::filesystem::path &folder);

/// A checkpoint with all that is needed to run it.
struct TrainedModel {
  std::filesystem::path checkpoint;
  Tokenizer tokenizer;
  std::unique_ptr<Packages> packages; ///< the model refers to it
  std::unique_ptr<LanguageModel> model;
  Json config;
  int64_t step = 0;
  int64_t sequence = 0; ///< T of its training
};

/// What a trained model runs on.
struct TrainedPlace {
  std::string device;  ///< empty: the default
  std::string package; ///< a .so for it, in place of the run's own; or empty
  int64_t threads = 0;

  Result<Machine> machine() const { return Machine::create(threads, device); }
};

/// --device, --design and --threads.
void addPlaceOptions(CLI::App &command, TrainedPlace &place);

/// Loads a run's newest checkpoint, or one checkpoint, for calls of B sequences
/// of T tokens (T = 0: as in training). The packages are those that it was
/// trained with; where the machine has another target, the same design and
/// settings for that, compiled or, by name, `package`. User errors: another
/// design than the model's, or a package for another target.
Result<TrainedModel> loadTrained(Machine &machine,
                                 const std::filesystem::path &path,
                                 RunShape shape,
                                 const std::string &package = {});

} // namespace decay::runtime

#endif // DECAY_RUNTIME_TOOLS_DECAY_SESSION_H
