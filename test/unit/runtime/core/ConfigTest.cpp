//===- ConfigTest.cpp -----------------------------------------------------===//

#include "runtime/core/Config.h"

#include <gtest/gtest.h>

using namespace decay::runtime;

namespace {
constexpr std::string_view text = "[train]\n"
                                  "steps = 100\n"
                                  "rate = 3e-4\n"
                                  "name = \"small\"\n"
                                  "resume = true\n"
                                  "files = [\"a\", \"b\"]\n";

Config config() {
  auto parsed = Config::parse(text, "t.toml");
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return std::move(*parsed);
}
} // namespace

TEST(Config, ReadsAndKeepsDefaults) {
  Config c = config();
  int64_t steps = 1, seed = 42;
  double rate = 0;
  std::string name;
  bool resume = false;
  std::vector<std::string> files;
  EXPECT_TRUE(c.read("train.steps", steps, 1).ok());
  EXPECT_TRUE(c.read("train.seed", seed).ok());
  EXPECT_TRUE(c.read("train.rate", rate, 0).ok());
  EXPECT_TRUE(c.read("train.name", name).ok());
  EXPECT_TRUE(c.read("train.resume", resume).ok());
  EXPECT_TRUE(c.read("train.files", files).ok());
  EXPECT_TRUE(c.finish().ok());
  EXPECT_EQ(steps, 100);
  EXPECT_EQ(seed, 42);
  EXPECT_EQ(rate, 3e-4);
  EXPECT_EQ(name, "small");
  EXPECT_TRUE(resume);
  EXPECT_EQ(files, (std::vector<std::string>{"a", "b"}));
}

TEST(Config, CommandLineReplaces) {
  Config c = config();
  EXPECT_TRUE(c.set("train.steps=7").ok());
  EXPECT_TRUE(c.set("train.name=large model").ok());
  EXPECT_TRUE(c.set("data.path=runs/x y").ok());
  EXPECT_TRUE(c.set("data.list=[1, 2.5]").ok());
  int64_t steps = 0;
  std::string name, path;
  std::vector<double> list;
  EXPECT_TRUE(c.read("train.steps", steps).ok());
  EXPECT_TRUE(c.read("train.name", name).ok());
  EXPECT_TRUE(c.read("data.path", path).ok());
  EXPECT_TRUE(c.read("data.list", list).ok());
  EXPECT_EQ(steps, 7);
  EXPECT_EQ(name, "large model");
  EXPECT_EQ(path, "runs/x y");
  EXPECT_EQ(list, (std::vector<double>{1, 2.5}));
  EXPECT_FALSE(c.set("steps").ok());
  EXPECT_FALSE(c.set("a b=1").ok());
}

TEST(Config, PointsAtWrongValues) {
  Config c = config();
  int64_t steps = 0;
  EXPECT_EQ(c.read("train.steps", steps, 1, 50).message(),
            "t.toml:2:9: error: 'train.steps': expected an integer from 1 to "
            "50, found 100\n"
            "  2 | steps = 100\n"
            "    |         ^");
  EXPECT_FALSE(c.read("train.rate", steps).ok());
  EXPECT_FALSE(c.read("train.name", steps).ok());
  double rate = 0;
  EXPECT_FALSE(c.read("train.rate", rate, 0.1, 1).ok());
  EXPECT_TRUE(c.set("train.rate=nan").ok());
  EXPECT_FALSE(c.read("train.rate", rate).ok());
  EXPECT_TRUE(c.set("train.steps=many").ok());
  EXPECT_EQ(c.read("train.steps", steps).message(),
            "command line:1:13: error: 'train.steps': expected an integer, "
            "found \"many\"\n"
            "  1 | train.steps=many\n"
            "    |             ^");
}

TEST(Config, NamesUnknownSettings) {
  Config c = *Config::parse("[train]\nstep = 3\n", "t.toml");
  int64_t steps = 0;
  EXPECT_TRUE(c.read("train.steps", steps).ok());
  EXPECT_EQ(c.finish().message(),
            "t.toml:2:8: error: unknown setting 'train.step'; did you mean "
            "'train.steps'?\n"
            "  2 | step = 3\n"
            "    |        ^");
}

TEST(Config, RefusesBrokenToml) {
  auto parsed = Config::parse("a = 1\nb = [1, \n", "t.toml");
  ASSERT_FALSE(parsed.ok());
  EXPECT_TRUE(parsed.status().message().starts_with("t.toml:2:10: error: "))
      << parsed.status().message();
  EXPECT_FALSE(Config::parse("a = 1\na = 2\n", "t.toml").ok());
  EXPECT_FALSE(Config::parse("a = [1, \"x\"]\n", "t.toml").ok());
  EXPECT_FALSE(Config::parse("a = 1979-05-27\n", "t.toml").ok());
}

TEST(Config, OtherAlphabetsStandInStringsAndComments) {
  auto parsed = Config::parse(
      "name = \"λ~ 7e\\n\" # é~\nt = ['ü', '~c3']\n\"κ.\" = 1\n", "t.toml");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  std::string name;
  std::vector<std::string> list;
  int64_t one = 0;
  EXPECT_TRUE(parsed->read("name", name).ok());
  EXPECT_TRUE(parsed->read("t", list).ok());
  EXPECT_TRUE(parsed->read("κ.", one).ok());
  EXPECT_EQ(name, "λ~ 7e\n");
  EXPECT_EQ(list, (std::vector<std::string>{"ü", "~c3"}));
  EXPECT_EQ(one, 1);
  Config c = config();
  EXPECT_TRUE(c.set("train.name=λ model").ok());
  EXPECT_TRUE(c.read("train.name", name).ok());
  EXPECT_EQ(name, "λ model");
}

TEST(Config, PlacesCountBytesAfterOtherAlphabets) {
  Config c = *Config::parse("t = { s = \"λ~\", n = \"x\" }\n", "t.toml");
  int64_t n = 0;
  EXPECT_EQ(c.read("t.n", n).message().find("t.toml:1:22: error: "), 0u)
      << c.read("t.n", n).message();
  EXPECT_EQ(Config::parse("a = 1\nλ = 2\n", "t.toml").status().message(),
            "t.toml:2:1: error: only strings on one line and comments may hold "
            "letters other than ASCII's; put quotes around it\n"
            "  2 | λ = 2\n"
            "    | ^");
  EXPECT_FALSE(Config::parse("a = \"\\é\"\n", "t.toml").ok());
  EXPECT_FALSE(Config::parse("a = 1\"é\"\n", "t.toml").ok());
  EXPECT_FALSE(Config::parse(std::string(2 << 20, '#'), "t.toml").ok());
}

TEST(Config, CanonicalTextForgetsOrder) {
  Config a = *Config::parse("x = 1\n[t]\ny = 2.5\nz = \"q\"\n", "a");
  Config b = *Config::parse("t.z = \"q\"\nt.y = 2.5\nx = 1\n", "b");
  EXPECT_EQ(a.canonical(), b.canonical());
  EXPECT_EQ(a.canonical(), "t.y = 2.5\nt.z = \"q\"\nx = 1\n");
}
