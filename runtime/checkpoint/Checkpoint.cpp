//===- Checkpoint.cpp - A run's state on disk, whole or not at all --------===//

#include "runtime/checkpoint/Checkpoint.h"

#include "runtime/core/Arena.h"
#include "runtime/core/Sha256.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <system_error>
#include <unistd.h>

namespace decay::runtime {
namespace fs = std::filesystem;

namespace {
constexpr const char *modelName = "model.safetensors";
constexpr const char *optimizerName = "optimizer.safetensors";
constexpr const char *configName = "config.json";
constexpr const char *trainingName = "training.json";
constexpr const char *checksumsName = "checksums.txt";
constexpr std::string_view prefix = "step-";
constexpr std::string_view partialMark =
    ".partial-"; ///< .step-000123.partial-PID
constexpr int64_t format = 1;
constexpr size_t mostSmallFileBytes = size_t{64} << 20;

std::string folderName(int64_t step) {
  return fmt::format("{}{:06}", prefix, step);
}

std::optional<int64_t> stepOf(const fs::path &folder) {
  std::string name = folder.filename().string();
  int64_t step = 0;
  if (!name.starts_with(prefix))
    return std::nullopt;
  const char *first = name.data() + prefix.size();
  const char *last = name.data() + name.size();
  auto [end, failure] = std::from_chars(first, last, step);
  if (failure != std::errc() || end != last || folderName(step) != name)
    return std::nullopt;
  return step;
}

bool isPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name[0] != '.' &&
         std::ranges::all_of(name, [](unsigned char c) {
           return c > 32 && c < 127 && c != '/' && c != '\\';
         });
}

/// Remains of saves that were killed, and folders whose removal was.
Status removePartials(const fs::path &run) {
  std::error_code failure;
  std::vector<fs::path> partials;
  for (fs::directory_iterator it(run, failure), end; !failure && it != end;
       it.increment(failure)) {
    std::string name = it->path().filename().string();
    if (name.starts_with(fmt::format(".{}", prefix)) &&
        name.find(partialMark) != std::string::npos)
      partials.push_back(it->path());
  }
  for (const fs::path &partial : partials)
    if (!failure)
      fs::remove_all(partial, failure);
  if (failure)
    return systemError("clean up", run, failure.value());
  return {};
}

fs::path partialPath(const fs::path &run, int64_t step) {
  return run / fmt::format(".{}{}{}", folderName(step), partialMark, getpid());
}

/// Under another name first: a folder that loses its files one by one must not
/// look like a checkpoint.
Status removeCheckpoint(const fs::path &folder) {
  fs::path partial = partialPath(folder.parent_path(), *stepOf(folder));
  if (::rename(folder.c_str(), partial.c_str()) != 0)
    return systemError("remove", folder, errno);
  std::error_code failure;
  fs::remove_all(partial, failure);
  return failure ? systemError("remove", partial, failure.value()) : Status();
}

std::map<std::string, std::string>
smallFiles(const CheckpointContents &contents) {
  std::map<std::string, std::string> files = contents.files;
  const TrainingState &state = contents.state;
  Json names = Json::array();
  for (const auto &[name, text] : files) {
    assert(isPlainName(name) && "callers name plain files");
    names.push_back(name);
  }
  files[configName] = writeJson(contents.config);
  files[trainingName] = writeJson({{"format", format},
                                   {"step", state.step},
                                   {"data_position", state.dataPosition},
                                   {"seed", state.seed},
                                   {"config_hash", state.configHash},
                                   {"files", names},
                                   {"extra", state.extra}});
  return files;
}

std::string checksums(const std::map<std::string, std::string> &files) {
  std::string text;
  for (const auto &[name, content] : files)
    text += fmt::format("{}  {}\n", sha256(content), name);
  return text;
}

Status writeDurably(const fs::path &path, std::string_view text) {
  DurableFile file;
  DECAY_RETURN_IF_ERROR(file.create(path));
  DECAY_RETURN_IF_ERROR(file.write(text));
  return file.close();
}

Status writeFolder(const fs::path &folder, const CheckpointContents &contents,
                   const std::map<std::string, std::string> &small) {
  DECAY_RETURN_IF_ERROR(createFolders(folder));
  // A file of another step or run must not be swapped in unnoticed.
  std::map<std::string, std::string> mark = {
      {"format", "pt"},
      {"step", std::to_string(contents.state.step)},
      {"config_hash", contents.state.configHash}};
  DECAY_RETURN_IF_ERROR(
      writeSafetensors(folder / modelName, contents.model, mark));
  DECAY_RETURN_IF_ERROR(
      writeSafetensors(folder / optimizerName, contents.optimizer, mark));
  for (const auto &[name, text] : small)
    DECAY_RETURN_IF_ERROR(writeDurably(folder / name, text));
  DECAY_RETURN_IF_ERROR(writeDurably(folder / checksumsName, checksums(small)));
  return syncFolder(folder);
}

/// Gives the complete folder its name; afterwards `partial` is gone or holds
/// what had that name before.
Status publish(const fs::path &partial, const fs::path &folder) {
  if (::rename(partial.c_str(), folder.c_str()) == 0)
    return {};
  if (errno != EEXIST && errno != ENOTEMPTY)
    return systemError("rename", partial, errno);
  if (::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, folder.c_str(),
                  RENAME_EXCHANGE) != 0)
    return systemError("replace", folder, errno);
  return {};
}
} // namespace

Status requireSpace(const fs::path &path, uint64_t bytes) {
  DECAY_ASSIGN_OR_RETURN(uint64_t available, freeSpace(path));
  if (available >= bytes)
    return {};
  return Status::world(
      fmt::format("{}: {} needed, {} free; make room or keep fewer checkpoints",
                  path.string(), formatBytes(bytes), formatBytes(available)));
}

Status saveCheckpoint(const fs::path &run, const CheckpointContents &contents,
                      int64_t keep) {
  assert(contents.state.step >= 0 && keep >= 0);
  std::string name = folderName(contents.state.step);
  fs::path partial = partialPath(run, contents.state.step);
  std::map<std::string, std::string> small = smallFiles(contents);
  auto write = [&]() -> Status {
    DECAY_RETURN_IF_ERROR(createFolders(run));
    DECAY_RETURN_IF_ERROR(removePartials(run));
    uint64_t bytes = dataBytes(contents.model) + dataBytes(contents.optimizer);
    for (const auto &[file, text] : small)
      bytes += text.size();
    // For headers, blocks that are not full and folders.
    uint64_t slack = (uint64_t{1} << 20) +
                     512 * (contents.model.size() + contents.optimizer.size());
    DECAY_RETURN_IF_ERROR(requireSpace(run, bytes + slack));
    DECAY_RETURN_IF_ERROR(writeFolder(partial, contents, small));
    DECAY_RETURN_IF_ERROR(publish(partial, run / name));
    return syncFolder(run);
  };
  Status status = write();
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  if (!status.ok())
    return std::move(status).within("saving checkpoint " + name);

  DECAY_ASSIGN_OR_RETURN(std::vector<fs::path> all, listCheckpoints(run));
  for (size_t i = static_cast<size_t>(keep); keep > 0 && i < all.size(); ++i)
    DECAY_RETURN_IF_ERROR(removeCheckpoint(all[i]).within(
        "checkpoint " + name + " is saved, but an old one could not go"));
  return {};
}

Result<std::vector<fs::path>> listCheckpoints(const fs::path &run) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator it(run, failure), end; !failure && it != end;
       it.increment(failure))
    if (stepOf(it->path()))
      found.push_back(it->path());
  if (failure)
    return systemError("list", run, failure.value());
  std::ranges::sort(found, std::greater(),
                    [](const fs::path &path) { return *stepOf(path); });
  return found;
}

Status Checkpoint::readSmallFiles() {
  DECAY_ASSIGN_OR_RETURN(std::string sums,
                         readFile(place / checksumsName, mostSmallFileBytes));
  std::map<std::string, std::string> files;
  constexpr size_t digestWidth = 64, nameAt = digestWidth + 2;
  for (size_t start = 0; start < sums.size();) {
    size_t end = sums.find('\n', start);
    std::string line = sums.substr(start, end - start);
    if (end == std::string::npos || line.size() <= nameAt ||
        !isPlainName(line.substr(nameAt)))
      return Status::world(fmt::format("{} is damaged", checksumsName));
    std::string name = line.substr(nameAt);
    DECAY_ASSIGN_OR_RETURN(files[name],
                           readFile(place / name, mostSmallFileBytes));
    if (sha256(files[name]) != line.substr(0, digestWidth))
      return Status::world(fmt::format("{} does not match its checksum", name));
    start = end + 1;
  }
  if (checksums(files) != sums || !files.contains(configName) ||
      !files.contains(trainingName))
    return Status::world(fmt::format("{} is damaged", checksumsName));

  DECAY_ASSIGN_OR_RETURN(configuration,
                         parseJson(files[configName], configName));
  DECAY_ASSIGN_OR_RETURN(Json state,
                         parseJson(files[trainingName], trainingName));
  DECAY_ASSIGN_OR_RETURN(int64_t version,
                         jsonInteger(state, "format", trainingName));
  if (version != format)
    return Status::world(fmt::format(
        "{}: format {} was written by another release; this one reads {}",
        trainingName, version, format));
  DECAY_ASSIGN_OR_RETURN(training.step,
                         jsonInteger(state, "step", trainingName, 0));
  DECAY_ASSIGN_OR_RETURN(training.dataPosition,
                         jsonInteger(state, "data_position", trainingName, 0));
  DECAY_ASSIGN_OR_RETURN(training.seed,
                         jsonUnsigned(state, "seed", trainingName));
  DECAY_ASSIGN_OR_RETURN(training.configHash,
                         jsonString(state, "config_hash", trainingName));
  DECAY_ASSIGN_OR_RETURN(training.extra,
                         jsonObject(state, "extra", trainingName));

  files.erase(configName);
  files.erase(trainingName);
  Json names = Json::array();
  for (const auto &[name, text] : files)
    names.push_back(name);
  if (state.value("files", Json()) != names)
    return Status::world(fmt::format("{} is damaged", checksumsName));
  others = std::move(files);
  return {};
}

Status Checkpoint::openTensors(const char *fileName,
                               SafetensorsFile &file) const {
  DECAY_ASSIGN_OR_RETURN(file, SafetensorsFile::open(place / fileName));
  DECAY_RETURN_IF_ERROR(file.verify());
  auto says = [&](const char *key, const std::string &value) {
    auto found = file.metadata().find(key);
    return found != file.metadata().end() && found->second == value;
  };
  if (!says("step", std::to_string(training.step)) ||
      !says("config_hash", training.configHash))
    return Status::world(
        fmt::format("{} belongs to another checkpoint", fileName));
  return {};
}

Result<Checkpoint> Checkpoint::loadFolder(const fs::path &folder) {
  Checkpoint checkpoint;
  checkpoint.place = folder;
  auto read = [&]() -> Status {
    DECAY_RETURN_IF_ERROR(checkpoint.readSmallFiles());
    DECAY_RETURN_IF_ERROR(
        checkpoint.openTensors(modelName, checkpoint.modelFile));
    return checkpoint.openTensors(optimizerName, checkpoint.optimizerFile);
  };
  if (Status status = read(); !status.ok())
    return Status::world(
        fmt::format("checkpoint {}: {}", folder.string(), status.message()));
  return checkpoint;
}

Result<Checkpoint> Checkpoint::load(const fs::path &path, bool fallBack) {
  // Without a slash at the end, which would hide the name.
  fs::path plain = fs::absolute(path / ".").lexically_normal().parent_path();
  if (stepOf(plain))
    return loadFolder(plain);
  DECAY_ASSIGN_OR_RETURN(std::vector<fs::path> all, listCheckpoints(path));
  if (all.empty())
    return Status::world(fmt::format(
        "{}: there is no checkpoint in this folder", path.string()));
  std::vector<std::string> refused;
  for (const fs::path &folder : all) {
    Result<Checkpoint> loaded = loadFolder(folder);
    if (loaded.ok()) {
      loaded->passedOver = std::move(refused);
      return loaded;
    }
    refused.push_back(loaded.status().message());
    if (!fallBack)
      return std::move(loaded).status();
  }
  std::string message = "no checkpoint is whole";
  for (const std::string &reason : refused)
    message += "; " + reason;
  return Status::world(message);
}

} // namespace decay::runtime
