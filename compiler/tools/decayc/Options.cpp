//===- Options.cpp - decayc's command line --------------------------------===//
#include "compiler/tools/decayc/Options.h"

#include "compiler/driver/Emit.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace decay {
namespace {

constexpr const char *introduction =
    R"(Compiles designs of decay for linear attention into packages: one shared library
with forward, backward, step and init_parameters, its C header and its manifest.)";

constexpr const char *examples = R"(
Examples
  decayc --list                               what the library has, with all settings
  decayc mamba2 -o out                        a design of the library: out/mamba2.so, .h, .json
  decayc mamba2 --granularity=scalar -o out   the same with one decay per head
  decayc simple_decay --set p=0.9 -o out      a number that the design leaves open
  decayc gla --head-dims 128x64 -o out        for one K and V, where that makes a difference
  decayc mine.decay -o out                    a file of yours: its first design
  decayc mine.decay:bolder -o out             its design or variant of that name
  decayc gla --emit=chunk                     how it runs, on the screen
  decayc gla --emit=asm -o gla.s              its assembly, in a file
  decayc gla -o out --snapshot-dir steps      the module after each phase, to read

A design reads like its line in the paper:
  design simple_decay
    set p = 0.99 in (0, 1)
    project f
    learn Δ = logit(p)
    λ = sigmoid(f + Δ)
    sharing k = 1 - λ

Exit codes
  0  all is well; warnings are on stderr
  1  the design, a setting or the command line is wrong; the message says where
  3  a file cannot be read or written, or memory ran out
)";

/// The paper's axes are settings too; their flags are shorter to type.
constexpr std::pair<const char *, const char *> axes[] = {
    {"granularity", "one decay per channel or per head: vector, scalar"},
    {"sharing",
     "what the design shares with the decay, e.g. k = 1 - λ: on, off"},
    {"position", "positional encoding: none, rope, lrpe_cosine, tpe"},
    {"compat", "the paper's formula or its published code: published, authors"},
};

/// "name=value"; CLI11 shows what this throws beside the option's name.
std::pair<std::string, std::string> splitSetting(const std::string &text) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw CLI::ValidationError("--set", "'" + text + "' is not name=value");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string levelsText() {
  std::string text = "what to make:";
  for (const EmitLevel &level : emitLevels(""))
    text += fmt::format("\n  {:<13} {}", level.name, level.meaning);
  return text;
}

std::string namesOf(const std::vector<EmitLevel> &levels) {
  std::string names;
  for (const EmitLevel &level : levels)
    names += (names.empty() ? "" : ", ") + level.name;
  return names;
}

/// "64" or "128x64".
std::pair<int64_t, int64_t> splitHeadDims(const std::string &text) {
  size_t cross = text.find('x');
  auto number = [&](const std::string &part) -> int64_t {
    if (part.empty() || part.size() > 6 ||
        part.find_first_not_of("0123456789") != std::string::npos)
      throw CLI::ValidationError("--head-dims",
                                 "'" + text + "' is not like 64 or 128x64");
    return std::stoll(part);
  };
  int64_t K = number(text.substr(0, cross));
  return {K, cross == std::string::npos ? K : number(text.substr(cross + 1))};
}

void addOptions(CLI::App &app, Options &options) {
  app.add_option("design", options.designs,
                 "library designs, or files that end in .decay");
  app.add_option("-o,--output", options.output,
                 "directory of the packages (default: here); with --emit a "
                 "file (default: stdout)");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [&](const std::vector<std::string> &texts) {
           for (const std::string &text : texts)
             options.request.settings.push_back(splitSetting(text));
         },
         "name=value: a setting of the design; may be given often")
      ->take_all()
      ->allow_extra_args(false);
  for (auto [name, meaning] : axes)
    app.add_option_function<std::string>(
        std::string("--") + name,
        [&options, name = name](const std::string &value) {
          options.request.settings.emplace_back(name, value);
        },
        meaning);
  app.add_option("--emit", options.emit, levelsText());
  app.add_flag_callback(
      "--report", [&] { options.emit = "report"; },
      "what the kernels take of the machine, for targets that can say it");
  app.add_option("--target", options.request.target,
                 "the machine (default: the first of this build's)");
  app.add_option_function<std::vector<std::string>>(
         "--head-dims",
         [&](const std::vector<std::string> &texts) {
           for (const std::string &text : texts)
             options.request.headDims.push_back(splitHeadDims(text));
         },
         "K and V to make code for, as 64 or 128x64, with commas between "
         "several; code for processors serves any")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--precision", options.request.precision,
                 "of tensors with tokens: fp32, bf16 (default: the target's "
                 "usual one)");
  app.add_option("--snapshot-dir", options.snapshots,
                 "keep the module after each phase there");
  app.add_flag("--list", options.list,
               "show the library: designs, variants, settings, defaults");
  app.add_flag("--json", options.json,
               "with --list, or for what was made: JSON on stdout");
  app.add_flag("--force{false}", options.request.reuse,
               "compile even if the package is up to date");
  app.add_flag(
      "--verify-diagnostics", options.verifyDiagnostics,
      "check the file's expected-error comments against what is reported");
}

/// What CLI11 cannot know. Empty: all is well.
std::string contradiction(const Options &options) {
  std::vector<EmitLevel> levels = emitLevels(options.request.target);
  if (levels.empty())
    return fmt::format("no target is called '{}'; this build has: {}",
                       options.request.target, fmt::join(targetNames(), ", "));
  bool known = false;
  for (const EmitLevel &level : levels)
    known |= level.name == options.emit;
  if (!known)
    return fmt::format("--emit={} is not known; there are: {}", options.emit,
                       namesOf(levels));
  if (!options.list && options.designs.empty())
    return "which design? decayc --list shows the library, decayc --help "
           "teaches";
  if (options.emit != "package" && options.designs.size() > 1)
    return "--emit takes one design at a time";
  return "";
}

} // namespace

std::optional<Options> parseOptions(int argumentCount, char **arguments,
                                    int &exitCode) {
  Options options;
  CLI::App app(introduction, "decayc");
  app.set_version_flag("--version", "decayc " + versionText());
  app.footer(examples);
  addOptions(app, options);
  try {
    app.parse(argumentCount, arguments);
  } catch (const CLI::ParseError &error) {
    exitCode = app.exit(error) == 0 ? 0 : 1;
    return std::nullopt;
  }
  std::string wrong = contradiction(options);
  exitCode = wrong.empty() ? 0 : 1;
  if (wrong.empty())
    return options;
  fmt::print(stderr, "error: {}\n", wrong);
  return std::nullopt;
}

} // namespace decay
