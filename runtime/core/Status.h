//===- Status.h - Success, or what went wrong and where --------*- C++ -*-===//
//
// The only way a runtime function says that the user or the world failed it.
// Context is added on the way up:
// "loading run/step-100: model.safetensors: ...".
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_RUNTIME_CORE_STATUS_H
#define DECAY_RUNTIME_CORE_STATUS_H

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace decay::runtime {

enum class StatusCode : int {
  Ok = 0,
  User = 1,  ///< a wrong flag, name, shape or configuration: exit code 1
  World = 3, ///< a file, memory, device or peer: exit code 3
};

class [[nodiscard]] Status {
public:
  Status() = default;
  static Status user(std::string message) {
    return {StatusCode::User, std::move(message)};
  }
  static Status world(std::string message) {
    return {StatusCode::World, std::move(message)};
  }

  bool ok() const { return statusCode == StatusCode::Ok; }
  StatusCode code() const { return statusCode; }
  const std::string &message() const { return text; }

  /// The same failure, one level up: "context: message".
  Status within(std::string_view context) && {
    if (!ok())
      text = std::string(context) + ": " + text;
    return std::move(*this);
  }

private:
  Status(StatusCode code, std::string message)
      : statusCode(code), text(std::move(message)) {}
  StatusCode statusCode = StatusCode::Ok;
  std::string text;
};

/// A value, or the Status that says why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : content(std::move(value)) {}
  Result(Status failure) : problem(std::move(failure)) {
    assert(!problem.ok());
  }

  bool ok() const { return problem.ok(); }
  const Status &status() const & { return problem; }
  Status status() && { return std::move(problem); }
  T &operator*() { return assert(ok()), *content; }
  const T &operator*() const { return assert(ok()), *content; }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }

private:
  Status problem;
  std::optional<T> content;
};

} // namespace decay::runtime

/// Leaves the function with the failure, if there is one.
#define DECAY_RETURN_IF_ERROR(expression)                                      \
  do {                                                                         \
    if (::decay::runtime::Status decayStatus = (expression);                   \
        !decayStatus.ok())                                                     \
      return decayStatus;                                                      \
  } while (false)

/// DECAY_ASSIGN_OR_RETURN(auto file, openFile(path));
#define DECAY_ASSIGN_OR_RETURN(declaration, expression)                        \
  DECAY_ASSIGN_OR_RETURN_AT(DECAY_CONCAT(decayResult, __LINE__), declaration,  \
                            expression)
#define DECAY_ASSIGN_OR_RETURN_AT(temporary, declaration, expression)          \
  auto temporary = (expression);                                               \
  if (!temporary.ok())                                                         \
    return std::move(temporary).status();                                      \
  declaration = std::move(*temporary)
#define DECAY_CONCAT(a, b) DECAY_CONCAT_TOKENS(a, b)
#define DECAY_CONCAT_TOKENS(a, b) a##b

#endif // DECAY_RUNTIME_CORE_STATUS_H
