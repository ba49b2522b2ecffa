//===- LibraryTest.cpp - The published designs mean what was published
//-----===//
#include "dsl/library/Library.h"
#include "dsl/check/Check.h"
#include "dsl/syntax/Words.h"
#include "test/unit/dsl/Evaluate.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

using namespace decay::dsl;

namespace {

CheckedDesign design(const std::string &name,
                     const SettingChoices &settings = {}) {
  Diagnostics diagnostics;
  std::optional<DesignSource> source = findLibraryDesign(name);
  if (!source) {
    ADD_FAILURE() << "no library design " << name;
    return {};
  }
  std::optional<CheckedDesign> checked =
      checkDesign(*source, name, settings, diagnostics);
  EXPECT_TRUE(checked) << diagnostics.render();
  return checked.value_or(CheckedDesign());
}

double lambdaAt(const CheckedDesign &checked, const Site &site,
                int tokens = 1) {
  Evaluator evaluator(checked, site);
  for (int i = 0; i < tokens; ++i)
    evaluator.step();
  return evaluator.lambda();
}

Site withF(double value) {
  Site site;
  site.projection = [value](const std::string &, int token) {
    return value * (token % 2 ? -1 : 1) + 0.1 * token;
  };
  return site;
}

std::vector<std::string> words(const std::string &list) {
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(list).split(parts, ", ");
  std::vector<std::string> result;
  for (llvm::StringRef part : parts)
    result.push_back(part.str());
  return result;
}

TEST(Library, HoldsThePaper) {
  std::vector<std::string> names = libraryDesignNames();
  for (const char *name :
       {"mamba2", "mamba2_no_a", "mamba2_no_delta", "mamba2_no_a_no_delta",
        "gla", "gla_original", "hgrn2", "lightnet", "lssp", "tnl", "tnl_l",
        "simple_decay", "tpe"})
    EXPECT_TRUE(llvm::is_contained(names, name)) << name;
}

/// Every product of the settings that a design allows.
TEST(Library, EverySettingIsRightOrRefusedByName) {
  int right = 0;
  for (const std::string &name : libraryDesignNames()) {
    CheckedDesign defaults = design(name);
    EXPECT_FALSE(defaults.summary.empty()) << name;
    EXPECT_FALSE(defaults.citation.empty()) << name;
    auto allowed = [&](const char *setting) {
      for (const Setting &each : defaults.settings)
        if (each.name == setting)
          return words(each.allowed);
      return std::vector<std::string>();
    };
    for (const std::string &granularity : allowed("granularity"))
      for (const std::string &sharing : allowed("sharing"))
        for (const std::string &position : allowed("position"))
          for (const std::string &compat : allowed("compat")) {
            SettingChoices settings = {{"granularity", granularity},
                                       {"sharing", sharing},
                                       {"position", position},
                                       {"compat", compat}};
            bool isScalarSharing = granularity == "scalar" && sharing == "on";
            SCOPED_TRACE(name + " " + granularity + " " + sharing + " " +
                         position + " " + compat);
            Diagnostics diagnostics;
            std::optional<CheckedDesign> checked = checkDesign(
                *findLibraryDesign(name), name, settings, diagnostics);
            EXPECT_EQ(checked.has_value(), !isScalarSharing)
                << diagnostics.render();
            if (!checked)
              continue;
            ++right;
            bool isFree =
                name == "tnl_l" ||
                (name == "tnl" && position == "tpe" && compat == "authors");
            EXPECT_EQ(checked->checkLambdaAtRunTime, isFree);
            EXPECT_EQ(diagnostics.all().empty(), !isFree)
                << diagnostics.render();
          }
  }
  EXPECT_GE(right, 200);
}

TEST(Library, DesignsAreShort) {
  for (const EmbeddedFile &file : embeddedFiles()) {
    llvm::SmallVector<llvm::StringRef> lines;
    llvm::StringRef(file.text).split(lines, '\n');
    int length = 0;
    for (llvm::StringRef line : lines) {
      bool begins = line.starts_with("design") || line.starts_with("variant");
      length = begins ? 1 : length + !line.trim().empty();
      EXPECT_LE(length, 12) << file.fileName;
    }
  }
}

TEST(Library, DecayAtTheStart) {
  Site zero;
  EXPECT_NEAR(lambdaAt(design("simple_decay"), zero), 0.99, 1e-12);
  EXPECT_NEAR(lambdaAt(design("simple_decay", {{"p", "0.8"}}), zero), 0.8,
              1e-12);
  EXPECT_NEAR(lambdaAt(design("gla"), zero), 0.5, 1e-12);
  EXPECT_NEAR(lambdaAt(design("gla_original"), zero), std::exp2(-1.0 / 16),
              1e-12);
  EXPECT_NEAR(lambdaAt(design("mamba2_no_a_no_delta"), zero), 0.5, 1e-12);
  // exp(-A dt) with A and dt in the middle of their draws: A = 8.5, dt = 0.01.
  EXPECT_NEAR(lambdaAt(design("mamba2"), zero), std::exp(-8.5 * 0.01), 1e-9);
  EXPECT_NEAR(lambdaAt(design("mamba2_no_a"), zero), std::exp(-0.01), 1e-9);
  EXPECT_NEAR(lambdaAt(design("mamba2_no_delta"), zero), std::exp2(-8.5),
              1e-12);
  zero.draw = 0; // dt = 1e-3
  EXPECT_NEAR(lambdaAt(design("mamba2"), zero), std::exp(-1e-3), 1e-9);
}

TEST(Library, Hgrn2BoundRisesOverLayers) {
  CheckedDesign hgrn2 = design("hgrn2");
  for (int layer = 0; layer < 12; ++layer) {
    Site site;
    site.layers = 12;
    site.layer = layer;
    EXPECT_NEAR(lambdaAt(hgrn2, site), 0.5 + layer / 24.0, 1e-12);
  }
}

TEST(Library, RunningDesignsAverage) {
  for (const char *name : {"lightnet", "lssp"})
    for (int token = 1; token < 6; ++token)
      EXPECT_NEAR(lambdaAt(design(name), {}, token), token / (token + 1.0),
                  1e-12)
          << name;
}

TEST(Library, TnlSlopes) {
  Site site;
  site.heads = 12;
  site.layers = 12;
  CheckedDesign tnl = design("tnl");
  EXPECT_NEAR(lambdaAt(tnl, site), std::exp(-0.5 * (1 + 1e-5)), 1e-12);
  site.head = 11;
  EXPECT_NEAR(lambdaAt(tnl, site), std::exp(-(1 + 1e-5) / 256), 1e-12);
  EXPECT_NEAR(lambdaAt(design("tnl_l"), site), lambdaAt(tnl, site), 1e-12);
  EXPECT_EQ(lambdaAt(design("tnl_l", {{"compat", "authors"}}), site), 1);
  site.head = 0;
  site.layer = 11;
  EXPECT_NEAR(lambdaAt(tnl, site), std::exp(-0.5e-5), 1e-12);
  SettingChoices quirk = {{"position", "tpe"}, {"compat", "authors"}};
  EXPECT_NEAR(lambdaAt(design("tnl", quirk), site), 1.046, 1e-3);
  site = Site(); // one head, one layer
  EXPECT_NEAR(lambdaAt(tnl, site), std::exp(-0.5 * (1 + 1e-5)), 1e-12);
}

/// Runs a shared design; calls `see(evaluator, f at token t, f at t - 1)`.
template <typename See>
void runShared(const std::string &name, const char *compat, See see) {
  CheckedDesign checked = design(name, {{"sharing", "on"}, {"compat", compat}});
  for (const Projection &projection : checked.projections)
    EXPECT_NE(projection.name, "f") << name;
  Site site = withF(0.7);
  Evaluator evaluator(checked, site);
  double last = 0;
  for (int token = 0; token < 6; ++token) {
    evaluator.step();
    double f = site.projection("k", token);
    see(evaluator, f, last, checked);
    last = f;
  }
}

TEST(Library, SharedKeyIsTheRestOfDecay) {
  for (const char *name :
       {"mamba2", "mamba2_no_a", "mamba2_no_delta", "mamba2_no_a_no_delta",
        "gla", "gla_original", "hgrn2", "lightnet", "lssp", "simple_decay"})
    runShared(name, "published",
              [&](Evaluator &at, double, double, const CheckedDesign &checked) {
                EXPECT_NEAR(at.at(checked.k), 1 - at.lambda(), 1e-14) << name;
              });
}

TEST(Library, SharedKeyOfTheAuthorsCode) {
  double delta = 0.01 + std::log(-std::expm1(-0.01));
  runShared("mamba2", "authors",
            [&](Evaluator &at, double f, double, const CheckedDesign &checked) {
              EXPECT_NEAR(at.at(checked.k), std::log1p(std::exp(f + delta)),
                          1e-12);
            });
  double sum = 1; // exp z_0
  runShared(
      "lightnet", "authors",
      [&](Evaluator &at, double f, double last, const CheckedDesign &checked) {
        sum += std::exp(f);
        EXPECT_NEAR(at.at(checked.k), std::exp(last) / sum, 1e-12);
      });
  sum = std::log(2.0);
  runShared(
      "lssp", "authors",
      [&](Evaluator &at, double f, double last, const CheckedDesign &checked) {
        sum += std::log1p(std::exp(f));
        EXPECT_NEAR(at.at(checked.k), std::exp(last) / sum, 1e-12);
      });
}

TEST(Library, ShapesFollowGranularity) {
  CheckedDesign vector = design("hgrn2");
  EXPECT_EQ(vector.parameters[0].axes, (Axes{true, false, true, true}));
  EXPECT_EQ(vector.projections[3].name, "f");
  EXPECT_EQ(vector.projections[3].kind, Projection::Kind::LowRank);
  CheckedDesign scalar = design("hgrn2", {{"granularity", "scalar"}});
  EXPECT_EQ(scalar.parameters[0].axes, (Axes{true, false, true, false}));
  EXPECT_EQ(scalar.projections[3].kind, Projection::Kind::PerHead);
  EXPECT_TRUE(design("gla_original").projections[3].bias);
  CheckedDesign tpe = design("tpe");
  EXPECT_EQ(tpe.projections.size(), 1u);
  EXPECT_EQ(tpe.projections[0].name, "v");
  EXPECT_EQ(tpe.parameters[1].name, "kappa");
  EXPECT_EQ(tpe.parameters[1].axes, (Axes{false, false, true, true}));
}

/// Each element of a parameter has a draw of its own.
TEST(Library, DrawsHaveTheParametersShape) {
  for (const char *granularity : {"vector", "scalar"}) {
    CheckedDesign mamba2 = design("mamba2", {{"granularity", granularity}});
    ASSERT_EQ(mamba2.parameters.size(), 2u);
    for (const Parameter &parameter : mamba2.parameters) {
      EXPECT_EQ(mamba2.nodes[parameter.initialiser].axes, parameter.axes);
      EXPECT_EQ(parameter.axes.channel, granularity == std::string("vector"));
    }
  }
}

TEST(Library, ListShowsEveryDesignAndSetting) {
  std::string list = describeLibrary();
  for (const std::string &name : libraryDesignNames())
    EXPECT_NE(list.find("\n  " + name), std::string::npos) << name;
  EXPECT_NE(list.find("p 0.99 in (0, 1)"), std::string::npos);
  EXPECT_NE(list.find("      granularity scalar, position none|rope"),
            std::string::npos);
}

/// The page of the language: its code blocks are designs, and its table of
/// operators is that of the cards.
std::string languagePage() {
  std::ifstream file(LANGUAGE_PAGE);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(LanguagePage, EveryBlockCompiles) {
  std::string page = languagePage();
  llvm::StringRef rest = page;
  int blocks = 0;
  while (rest.contains("```decay\n")) {
    auto [block, tail] = rest.split("```decay\n").second.split("```");
    rest = tail;
    ++blocks;
    Diagnostics parsing;
    DesignSource source{"LANGUAGE.md", block.str()};
    parsing.setSource(source);
    for (const DesignAst &each : parseDesign(source.text, parsing).designs) {
      Diagnostics diagnostics;
      EXPECT_TRUE(checkDesign(source, each.name.name, {}, diagnostics))
          << diagnostics.render();
      EXPECT_TRUE(diagnostics.all().empty()) << diagnostics.render();
    }
    EXPECT_FALSE(parsing.hasErrors()) << parsing.render();
  }
  EXPECT_GE(blocks, 5);
}

TEST(LanguagePage, TablesAreThoseOfTheCode) {
  std::string page = languagePage();
  for (const PointwiseOperator &card : pointwiseOperators())
    if (card.visible) {
      std::string row =
          "| `" + card.name.str() + "` | " + card.meaning.str() + " |";
      EXPECT_NE(page.find(row), std::string::npos) << row;
    }
  for (const BuiltinFunction &function : builtinFunctions()) {
    std::string row =
        "| `" + function.usage.str() + "` | " + function.meaning.str() + " |";
    EXPECT_NE(page.find(row), std::string::npos) << row;
  }
  for (const AxisSetting &axis : axisSettings())
    for (const std::string &value : axis.values)
      EXPECT_NE(page.find("`" + value + "`"), std::string::npos) << value;
}

} // namespace
