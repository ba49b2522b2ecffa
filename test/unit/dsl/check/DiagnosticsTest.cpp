//===- DiagnosticsTest.cpp - Every message, at its place, word by word
//-----===//
//
// The files in diagnostics/ hold sections, each with one mistake:
//
//   #--- kind [of design] [with setting=value ...]
//   design d
//     λ = sigmoid(fx)
//     # expected-error@-1:15 {{message; expected: ...; fix: ...}}
//
// A section must give exactly the messages that it lists; its kind is the one
// of the first. Kinds that no file can show are tested here by hand. A last
// test counts that no kind of Diagnostics.def is without a test.
//
//===----------------------------------------------------------------------===//
#include "dsl/check/Check.h"

#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace decay::dsl;

namespace {

struct Section {
  std::string kind, design, text;
  SettingChoices settings;
  std::string title; ///< file:line, for failures
};

/// One message, as the comments write it.
std::string describe(const Diagnostic &diagnostic) {
  std::string text =
      (diagnostic.severity == Severity::Error ? "error" : "warning") +
      std::string("@") + std::to_string(diagnostic.place.line) + ":" +
      std::to_string(diagnostic.place.column) + " {{" + diagnostic.message;
  if (!diagnostic.expected.empty())
    text += "; expected: " + diagnostic.expected;
  if (!diagnostic.fix.empty())
    text += "; fix: " + diagnostic.fix;
  return text + "}}";
}

/// The messages that a section's comments ask for.
std::multiset<std::string> expectations(const std::string &text) {
  std::multiset<std::string> result;
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    llvm::StringRef rest = llvm::StringRef(line).trim();
    if (!rest.consume_front("# expected-"))
      continue;
    auto [severity, place] = rest.split('@');
    auto [offset, columnAndText] = place.split(':');
    int lines = 0;
    EXPECT_FALSE(offset.getAsInteger(10, lines)) << line;
    result.insert(severity.str() + "@" + std::to_string(number + lines) + ":" +
                  columnAndText.str());
  }
  return result;
}

std::vector<Section> sections(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Section> result;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    llvm::StringRef heading = line;
    if (!heading.consume_front("#--- ")) {
      result.back().text += line + "\n";
      continue;
    }
    Section section;
    section.title = path.filename().string() + ":" + std::to_string(number);
    llvm::SmallVector<llvm::StringRef> words;
    heading.split(words, ' ', -1, false);
    section.kind = words[0];
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "of")
        section.design = words[++i];
      else if (words[i] != "with")
        section.settings.emplace_back(words[i].split('='));
    }
    result.push_back(section);
  }
  return result;
}

std::vector<Section> allSections() {
  std::set<std::filesystem::path> paths;
  for (const auto &entry :
       std::filesystem::directory_iterator(DIAGNOSTICS_FOLDER))
    paths.insert(entry.path());
  std::vector<Section> result;
  for (const std::filesystem::path &path : paths)
    for (Section &section : sections(path))
      result.push_back(std::move(section));
  return result;
}

Diagnostics check(const std::string &text, const std::string &design = "",
                  const SettingChoices &settings = {}) {
  Diagnostics diagnostics;
  checkDesign({"test.decay", text}, design, settings, diagnostics);
  return diagnostics;
}

/// Texts too large to write down, and the kind that each must give.
struct LargeCase {
  std::string kind;
  std::string text;
  unsigned line, column;
};

std::string repeat(const std::string &text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i)
    result += text;
  return result;
}

std::vector<LargeCase> largeCases() {
  const std::string head = "design d\n  granularity scalar\n";
  std::string chain = head + "  x0 = exp(-head)\n";
  for (int i = 1; i < 1100; ++i)
    chain +=
        "  x" + std::to_string(i) + " = tanh(x" + std::to_string(i - 1) + ")\n";
  std::string wide = head + "  λ = sigmoid(";
  for (int i = 0; i < 2100; ++i)
    wide += (i ? i % 16 ? " + " : "\n + " : "") + std::to_string(i) + " * head";
  std::string many = head;
  for (int i = 0; i < 1500; ++i)
    many += "  x" + std::to_string(i) + " = geometric(" +
            std::to_string(i + 1) + ", 1, head)\n";
  std::string heavy = "design d\n  project f\n";
  std::string sum;
  for (int i = 0; i < 60; ++i) {
    heavy += "  a" + std::to_string(i) + " = softplus(f + " +
             std::to_string(i + 1) + ")\n";
    sum += (i ? " + a" : "a") + std::to_string(i);
  }
  std::string projections = "design d\n", added;
  for (int i = 0; i < 40; ++i) {
    projections += "  project f" + std::to_string(i) + "\n";
    added += (i ? " + f" : "f") + std::to_string(i);
  }
  std::string variants;
  for (int i = 0; i < 20; ++i)
    variants += "variant a" + std::to_string(i) + " of a" +
                std::to_string(i + 1) + "\n";
  return {
      {"variants-too-deep", variants, 17, 16},
      {"input-too-large", head + "  λ = 0.5\n" + repeat("#", 65536), 1, 1},
      {"identifier-too-long", head + "  λ = " + repeat("a", 256) + "\n", 3, 7},
      {"nesting-too-deep",
       head + "  λ = " + repeat("(", 300) + "1" + repeat(")", 300) + "\n", 3,
       7 + 256},
      {"nesting-too-deep", head + "  λ = " + repeat("-", 300) + "1\n", 3,
       7 + 255},
      {"nesting-too-deep", wide + ")\n", 0, 0},
      {"chain-too-long", chain + "  λ = x1099\n", 0, 0},
      {"design-too-heavy", heavy + "  λ = sigmoid(" + sum + ")\n", 57, 9},
      {"design-too-heavy", projections + "  λ = sigmoid(" + added + ")\n", 38,
       11},
      {"too-many-nodes", many + "  λ = 0.5\n", 0, 0},
  };
}

TEST(Diagnostics, EverySectionGivesItsMessages) {
  for (const Section &section : allSections()) {
    SCOPED_TRACE(section.title);
    Diagnostics diagnostics =
        check(section.text, section.design, section.settings);
    std::multiset<std::string> found;
    for (const Diagnostic &each : diagnostics.all())
      found.insert(describe(each));
    EXPECT_EQ(found, expectations(section.text));
    ASSERT_FALSE(diagnostics.all().empty());
    EXPECT_EQ(diagnostics.all().front().id(), section.kind);
  }
}

TEST(Diagnostics, LimitsAreNamed) {
  for (const LargeCase &each : largeCases()) {
    SCOPED_TRACE(each.kind);
    Diagnostics diagnostics = check(each.text);
    ASSERT_TRUE(diagnostics.hasErrors());
    const Diagnostic &first = diagnostics.all().front();
    EXPECT_EQ(first.id(), each.kind) << first.message;
    EXPECT_GE(first.place.line, 1u);
    if (each.line != 0)
      EXPECT_EQ(first.place.line, each.line);
    if (each.column != 0)
      EXPECT_EQ(first.place.column, each.column);
  }
}

TEST(Diagnostics, EveryKindHasATest) {
  std::set<std::string> tested;
  for (const Section &section : allSections())
    tested.insert(section.kind);
  for (const LargeCase &each : largeCases())
    tested.insert(each.kind);
  std::vector<std::string> ids = diagnosticIds();
  for (const std::string &id : ids)
    EXPECT_TRUE(tested.count(id)) << id << " has no test";
  EXPECT_EQ(tested.size(), ids.size());
  EXPECT_GE(ids.size(), 60u);
}

TEST(Diagnostics, AtMostTwentyAreKept) {
  std::string text = "design d\n";
  for (int i = 0; i < 50; ++i)
    text += "  x" + std::to_string(i) + " = +\n";
  Diagnostics diagnostics = check(text);
  EXPECT_EQ(diagnostics.all().size(), Diagnostics::limit);
  EXPECT_NE(diagnostics.render().find("30 more messages are not shown"),
            std::string::npos);
}

TEST(Diagnostics, TheCaretStandsUnderTheFault) {
  Diagnostics diagnostics = check("design d\n  learn Δ = 0\n\tλ = Δ + σx\n");
  EXPECT_EQ(diagnostics.render(),
            "test.decay:3:10: error: unknown name 'σx' [unknown-name]\n"
            "  \tλ = Δ + σx\n"
            "  \t        ^\n"
            "  expected: a projection, a learned parameter, a setting or a "
            "definition of this design\n"
            "  fix: add a line, for example: learn σx = 0\n");
}

TEST(Diagnostics, NoTerminalCodesAreEchoed) {
  Diagnostics diagnostics = check("design d\n  λ = \x1b[31m\n");
  EXPECT_TRUE(diagnostics.hasErrors());
  EXPECT_EQ(diagnostics.render().find('\x1b'), std::string::npos);
}

} // namespace
