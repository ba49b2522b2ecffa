//===- Splits.cpp - Which file is trained on ------------------------------===//

#include "runtime/core/Files.h"
#include "runtime/core/Philox.h"
#include "runtime/core/Sha256.h"
#include "runtime/data/Dataset.h"
#include "runtime/data/Documents.h"

#include <algorithm>
#include <fmt/format.h>
#include <system_error>
#include <tuple>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
struct TextFile {
  fs::path path;
  std::string order; ///< what files are shuffled by
  int64_t bytes;
};

bool isHidden(const fs::path &path) {
  return path.filename().string().starts_with('.');
}

Status refusePacked(const fs::path &path) {
  constexpr std::string_view packed[] = {".gz",  ".bz2", ".xz",
                                         ".zst", ".zip", ".parquet"};
  if (std::ranges::find(packed, path.extension().string()) == std::end(packed))
    return {};
  return Status::user(fmt::format("{}: packed; turn it into text or JSONL "
                                  "first",
                                  path.string()));
}

/// All files below a folder, or the file itself, in the order of their names.
Result<std::vector<fs::path>> filesBelow(const fs::path &input) {
  std::error_code failure;
  if (fs::is_regular_file(input, failure)) {
    DECAY_RETURN_IF_ERROR(refusePacked(input));
    return std::vector{input};
  }
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator it(input, failure), end;
       !failure && it != end; it.increment(failure)) {
    if (isHidden(it->path())) {
      if (it->is_directory())
        it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      found.push_back(it->path());
    }
  }
  if (failure)
    return systemError("list", input, failure.value());
  std::ranges::sort(found);
  for (const fs::path &path : found)
    DECAY_RETURN_IF_ERROR(refusePacked(path));
  return found;
}

Result<SplitFiles> givenSplits(const fs::path &folder) {
  SplitFiles files;
  for (Split split : allSplits) {
    fs::path part = folder / splitName(split);
    if (fs::is_directory(part)) {
      DECAY_ASSIGN_OR_RETURN(files.of(split), filesBelow(part));
    }
    if (files.of(split).empty())
      return Status::user(fmt::format(
          "{}: expected text files; a folder that is split already has the "
          "folders train, validation and test",
          part.string()));
  }
  return files;
}

/// Takes whole files from the end until they hold `share` of `total` bytes or
/// only `leave` files are left.
std::vector<fs::path> holdOut(std::vector<TextFile> &files, double share,
                              int64_t total, size_t leave) {
  std::vector<fs::path> held;
  int64_t bytes = 0;
  while (share > 0 && files.size() > leave &&
         (held.empty() ||
          static_cast<double>(bytes) < share * static_cast<double>(total))) {
    bytes += files.back().bytes;
    held.push_back(std::move(files.back().path));
    files.pop_back();
  }
  std::ranges::sort(held);
  return held;
}
} // namespace

std::string_view splitName(Split split) {
  constexpr std::array<std::string_view, 3> names = {"train", "validation",
                                                     "test"};
  return names[static_cast<size_t>(split)];
}

LineFilter linesOf(Split split, const fs::path &file,
                   const DatasetOptions &options) {
  constexpr int hexadecimal = 16;
  uint64_t stream = std::stoull(sha256(file.filename().string()).substr(0, 16),
                                nullptr, hexadecimal);
  double test = options.testShare, held = test + options.validationShare;
  return [=, random = Philox(options.seed, stream)](int64_t line) {
    double lot = random.words(static_cast<uint64_t>(line))[0] * 0x1p-32;
    Split drawn = lot < test   ? Split::Test
                  : lot < held ? Split::Validation
                               : Split::Train;
    return drawn == split;
  };
}

Result<SplitFiles> chooseSplits(const std::vector<fs::path> &inputs,
                                const DatasetOptions &options) {
  if (inputs.size() == 1 &&
      fs::is_directory(inputs[0] / splitName(Split::Train)))
    return givenSplits(inputs[0]);

  SplitFiles splits;
  std::vector<TextFile> files;
  int64_t total = 0;
  for (const fs::path &input : inputs) {
    DECAY_ASSIGN_OR_RETURN(std::vector<fs::path> found, filesBelow(input));
    for (fs::path &path : found) {
      if (isJsonLines(path)) {
        splits.shared.push_back(std::move(path));
        continue;
      }
      std::error_code failure;
      auto bytes = static_cast<int64_t>(fs::file_size(path, failure));
      if (failure)
        return systemError("inspect", path, failure.value());
      // By name, not by path, so that the data may be moved elsewhere.
      std::string order = sha256(fmt::format("{} {} {}", options.seed,
                                             path.filename().string(), bytes));
      files.push_back({std::move(path), std::move(order), bytes});
      total += bytes;
    }
  }
  size_t needed = 1 + (options.validationShare > 0) + (options.testShare > 0);
  if (files.size() < needed && splits.shared.empty())
    return Status::user(fmt::format(
        "expected at least {} text files, because whole files are held out; "
        "found {}",
        needed, files.size()));
  std::ranges::sort(files, {}, [](const TextFile &file) {
    return std::tie(file.order, file.path);
  });
  splits.of(Split::Test) = holdOut(files, options.testShare, total,
                                   options.validationShare > 0 ? 2 : 1);
  splits.of(Split::Validation) =
      holdOut(files, options.validationShare, total, 1);
  for (TextFile &file : files)
    splits.of(Split::Train).push_back(std::move(file.path));
  std::ranges::sort(splits.of(Split::Train));
  return splits;
}

} // namespace decay::runtime
