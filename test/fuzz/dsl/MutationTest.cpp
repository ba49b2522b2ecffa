//===- MutationTest.cpp - Library files, damaged on purpose
//----------------===//
#include "dsl/library/Library.h"
#include "test/fuzz/dsl/CheckInput.h"
#include "test/fuzz/dsl/Mutator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace decay::dsl;

namespace {

void expectTaken(const std::string &text, size_t number) {
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(complaintAbout(text, settingsFor(number)), "") << text;
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 10) << text;
}

TEST(Mutation, EachFileIsTakenOrRefusedWithAPlace) {
  llvm::ArrayRef<EmbeddedFile> files = embeddedFiles();
  int refused = 0;
  constexpr unsigned count = 4000;
  for (unsigned seed = 0; seed < count; ++seed) {
    SCOPED_TRACE(seed);
    std::string text = Mutator(seed).mutate(files[seed % files.size()].text);
    expectTaken(text, seed);
    Diagnostics diagnostics;
    refused +=
        !checkDesign({"input.decay", text}, "", settingsFor(seed), diagnostics);
  }
  // Both ends would mean that the mutations test nothing.
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 3900);
}

TEST(Mutation, LinesInAnyCompanyAreTaken) {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(seed);
    expectTaken(randomLines(seed), seed);
  }
}

/// Inputs as large as they may be, of the shapes that hurt parsers.
TEST(Mutation, LargeInputsAreQuick) {
  const std::string head = "design d\n  granularity scalar\n  project f\n";
  const std::string units[] = {"(",
                               ")",
                               "-",
                               "[",
                               "\"",
                               "\n",
                               "λ",
                               "a",
                               "1",
                               "1.",
                               "+ f ",
                               "exp(",
                               "x = f\n",
                               "# ",
                               "\xff",
                               ",",
                               "set p=1\n",
                               "k\n",
                               "sharing ",
                               "learn a=1\n",
                               "max(f,",
                               "log ",
                               "f/",
                               "design d\n",
                               "variant a of a\n",
                               "variant b of mamba2\n without a\n",
                               "prev(",
                               "first ",
                               "1e-300*"};
  size_t number = 0;
  for (const std::string &unit : units)
    for (const std::string &start :
         {std::string(), head, head + "  λ = ", head + "  carry z = cumsum("}) {
      SCOPED_TRACE(start + unit);
      std::string text = start;
      while (text.size() + unit.size() <= 65536)
        text += unit;
      expectTaken(text, number++);
    }
}

/// As large as may be, each line with a name of its own.
TEST(Mutation, ManyNamesAreQuick) {
  const std::string lines[] = {"  set p@=1\n",       "  project f@\n",
                               "  learn a@[]=1\n",   "  x@=f\n",
                               "  authors x@=f\n",   "variant a@ of b@\n",
                               "variant a@ of a#\n", "variant a# of a@\n"};
  for (size_t which = 0; which < std::size(lines); ++which) {
    SCOPED_TRACE(lines[which]);
    std::string text = "design d\n  project f\n  λ = sigmoid(f)\n";
    for (int i = 0; text.size() < 65500; ++i) {
      std::string line = lines[which];
      for (auto [hole, number] : {std::pair('@', i), std::pair('#', i + 1)})
        for (size_t at; (at = line.find(hole)) != std::string::npos;)
          line.replace(at, 1, std::to_string(number));
      if (text.size() + line.size() > 65536)
        break;
      text += line;
    }
    expectTaken(text, 0);
    expectTaken(text.substr(text.find('\n', text.find(")\n")) + 1), 0);
  }
}

/// Definitions that would double with each line, were they copied.
TEST(Mutation, DoublingChainsStaySmall) {
  std::string text = "design d\n  project f\n  x0 = f\n";
  for (int i = 1; i < 1000; ++i) {
    std::string last = "x" + std::to_string(i - 1);
    text += "  x" + std::to_string(i) + " = " + last + " * " + last + "\n";
  }
  expectTaken(text + "  λ = sigmoid(x900)\n", 0);
  text = "design d\n  learn θ[layers] = 1\n  x0 = softmax(θ)\n";
  for (int i = 1; i < 900; ++i) {
    std::string last = "x" + std::to_string(i - 1);
    text += "  x" + std::to_string(i) + " = 1 - (" + last + " + (1 - " + last +
            ") * " + last + ")\n";
  }
  for (int used : {10, 100, 200, 300, 899})
    expectTaken(text + "  λ = sigmoid(x" + std::to_string(used) + ")\n", 0);
}

TEST(Mutation, WhatBrokeOnceIsTaken) {
  for (const auto &entry : std::filesystem::directory_iterator(FOUND_FOLDER)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    for (size_t number = 0; number < 5; ++number)
      expectTaken(text.str(), number);
  }
}

} // namespace
