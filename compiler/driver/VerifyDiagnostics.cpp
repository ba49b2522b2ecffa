//===- VerifyDiagnostics.cpp - Messages against a file's own comments ----===//
#include "compiler/driver/Emit.h"
#include "compiler/driver/Frontend.h"
#include "dsl/check/Check.h"

#include "llvm/ADT/SmallVector.h"

#include <set>

namespace decay {
namespace {

/// Messages as lines of text: "error@4:15 {{message; expected: ...; fix:
/// ...}}".
using Messages = std::multiset<std::string>;

std::string messageText(llvm::StringRef severity, unsigned line,
                        llvm::StringRef columnAndText) {
  return (severity + "@" + llvm::Twine(line) + ":" + columnAndText).str();
}

Messages reported(const dsl::Diagnostics &diagnostics) {
  Messages messages;
  for (const dsl::Diagnostic &diagnostic : diagnostics.all()) {
    std::string text =
        std::to_string(diagnostic.place.column) + " {{" + diagnostic.message;
    if (!diagnostic.expected.empty())
      text += "; expected: " + diagnostic.expected;
    if (!diagnostic.fix.empty())
      text += "; fix: " + diagnostic.fix;
    bool isError = diagnostic.severity == dsl::Severity::Error;
    messages.insert(messageText(isError ? "error" : "warning",
                                diagnostic.place.line, text + "}}"));
  }
  return messages;
}

/// What the comments ask for; one that cannot be read is an error.
llvm::Expected<Messages> expected(const dsl::DesignSource &source) {
  Messages messages;
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(source.text).split(lines, '\n');
  for (auto [index, line] : llvm::enumerate(lines)) {
    llvm::StringRef rest = line.trim();
    if (!rest.consume_front("# expected-"))
      continue;
    auto [severity, place] = rest.split('@');
    auto [offset, columnAndText] = place.split(':');
    int distance = 0;
    bool readable =
        (severity == "error" || severity == "warning") &&
        (!offset.getAsInteger(10, distance) ||
         (offset.consume_front("+") && !offset.getAsInteger(10, distance)));
    if (!readable || !columnAndText.ends_with("}}"))
      return llvm::make_error<UserError>(
          (llvm::Twine(source.fileName) + ":" + llvm::Twine(index + 1) +
           ": error: this comment is no expectation\n  expected: # "
           "expected-error@-1:15 "
           "{{message; expected: ...; fix: ...}}\n")
              .str());
    messages.insert(
        messageText(severity, static_cast<unsigned>(int(index) + 1 + distance),
                    columnAndText));
  }
  return messages;
}

std::string difference(const Messages &from, const Messages &without,
                       llvm::StringRef title) {
  std::string text;
  for (const std::string &message : from)
    if (from.count(message) > without.count(message))
      text += (title + message + "\n").str();
  return text;
}

} // namespace

EmitOutcome verifyDiagnostics(const CompileRequest &request) {
  auto failed = [](llvm::Error error) {
    EmitOutcome outcome;
    std::tie(outcome.exitCode, outcome.diagnostics) =
        describeFailure(std::move(error));
    return outcome;
  };
  llvm::Expected<NamedSource> named = readSource(request.design);
  if (!named)
    return failed(named.takeError());
  llvm::Expected<Messages> wanted = expected(named->source);
  if (!wanted)
    return failed(wanted.takeError());
  dsl::Diagnostics diagnostics;
  diagnostics.setSource(named->source);
  dsl::checkDesign(named->source, named->design, request.settings, diagnostics);
  Messages found = reported(diagnostics);
  std::string text = difference(*wanted, found, "expected, not reported: ") +
                     difference(found, *wanted, "reported, not expected: ");
  return {text.empty() ? 0 : 1, text, ""};
}

} // namespace decay
