//===- ManifestTest.cpp - What a model must supply to a design ------------===//

#include "runtime/kernels/Manifest.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

using namespace decay::runtime;
using nlohmann::json;

static json goodManifest() {
  return json::parse(R"json({
    "manifest": 1, "design": "hgrn2", "base": "", "summary": "S", "citation": "C",
    "hash": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "target": "cpu", "granularity": "vector", "sharing": true,
    "position": "lrpe_cosine", "compat": "authors",
    "settings": [{"name": "p", "value": "0.9", "default": "0.99", "allowed": "(0, 1)"}],
    "projections": [
      {"name": "q", "kind": "full", "rank": 0, "bias": false, "shape": "B T H K"},
      {"name": "f", "kind": "low_rank", "rank": 16, "bias": true, "shape": "B T H K"},
      {"name": "g", "kind": "per_head", "rank": 0, "bias": false, "shape": "B T H"}],
    "parameters": [
      {"name": "theta", "shape": "L H K", "weight_decay": false},
      {"name": "delta", "shape": "H K", "weight_decay": true}],
    "carries": [{"name": "z", "shape": "N H K"}],
    "state_shape": "N H W V", "state_width": 2
})json");
}

static std::string messageOf(const json &manifest) {
  Result<Manifest> parsed = Manifest::parse(manifest.dump());
  EXPECT_FALSE(parsed.ok());
  return parsed.status().message();
}

TEST(Manifest, ReadsEveryMember) {
  Result<Manifest> parsed = Manifest::parse(goodManifest().dump());
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Manifest &m = *parsed;
  EXPECT_EQ(m.design, "hgrn2");
  EXPECT_EQ(m.citation, "C");
  EXPECT_TRUE(m.sharing);
  EXPECT_EQ(m.granularity, Granularity::Vector);
  EXPECT_EQ(m.position, Position::LrpeCosine);
  EXPECT_EQ(m.compatibility, Compatibility::Authors);
  ASSERT_EQ(m.settings.size(), 1u);
  EXPECT_EQ(m.settings[0].value, "0.9");
  EXPECT_EQ(m.settings[0].defaultValue, "0.99");
  ASSERT_EQ(m.projections.size(), 3u);
  EXPECT_EQ(m.projections[1].kind, ProjectionKind::LowRank);
  EXPECT_EQ(m.projections[1].rank, 16);
  EXPECT_TRUE(m.projections[1].bias);
  EXPECT_EQ(m.projections[2].shape.text(), "B T H");
  ASSERT_EQ(m.parameters.size(), 2u);
  EXPECT_TRUE(m.parameters[0].acrossLayers());
  EXPECT_FALSE(m.parameters[0].weightDecay);
  EXPECT_FALSE(m.parameters[1].acrossLayers());
  ASSERT_EQ(m.carries.size(), 1u);
  EXPECT_EQ(m.carries[0].shape.text(), "N H K");
  EXPECT_EQ(m.stateWidth, 2);
}

TEST(Manifest, WordsGoBothWays) {
  EXPECT_EQ(toString(Position::LrpeCosine), "lrpe_cosine");
  EXPECT_EQ(toString(ProjectionKind::LowRank), "low_rank");
  EXPECT_EQ(toString(Granularity::Scalar), "scalar");
  EXPECT_EQ(toString(Compatibility::Published), "published");
}

TEST(Manifest, NamesTheMissingMember) {
  const json good = goodManifest();
  for (auto &[key, value] : good.items()) {
    json broken = good;
    broken.erase(key);
    EXPECT_EQ(messageOf(broken), "manifest: '" + key + "' is missing");
  }
  json broken = good;
  broken["projections"][1].erase("kind");
  EXPECT_EQ(messageOf(broken), "manifest: 'projections[1].kind' is missing");
}

TEST(Manifest, NamesTheMemberOfAWrongKind) {
  const json good = goodManifest();
  for (auto &[key, value] : good.items()) {
    json broken = good;
    broken[key] = nullptr;
    EXPECT_NE(
        messageOf(broken).find("manifest: '" + key + "' is null, expected"),
        std::string::npos);
  }
}

namespace {
struct Mistake {
  const char *pointer; ///< JSON pointer of the member
  json value;
  const char *message;
};
} // namespace

TEST(Manifest, SaysWhatIsWrong) {
  const Mistake mistakes[] = {
      {"/manifest", 2, "'manifest' is 2, expected 1 to 1"},
      {"/hash", "xyz", "'hash' is not 64 hexadecimal digits"},
      {"/granularity", "matrix",
       "'granularity' is 'matrix', expected one of vector, scalar"},
      {"/position", "alibi", "expected one of none, rope, lrpe_cosine, tpe"},
      {"/projections/0/kind", "wide",
       "expected one of full, low_rank, per_head"},
      {"/projections/0/shape", "B T X",
       "'projections[0].shape' the shape 'B T X' is not"},
      {"/projections/1/rank", -1, "'projections[1].rank' is -1, expected 0 to"},
      {"/projections/1/rank", UINT64_MAX,
       "is 18446744073709551615, expected 0 to"},
      {"/projections/1/rank", 1.5, "is number, expected an integer"},
      {"/projections/1/name", "q", "'projections[1].name' 'q' stands twice"},
      {"/projections/0", "q",
       "'projections[0].' is string, expected an object"},
      {"/parameters/0/name", "a b", "'a b' is no name"},
      {"/parameters/0/name", std::string(65, 'a'), "is no name"},
      {"/design", "", "'' is no name"},
      {"/state_width", 3, "'state_width' is 3, expected 1 to 2"},
      {"/carries", json::array_t(257),
       "has 257 members, at most 256 are allowed"},
  };
  for (const Mistake &mistake : mistakes) {
    json broken = goodManifest();
    broken[json::json_pointer(mistake.pointer)] = mistake.value;
    EXPECT_NE(messageOf(broken).find(mistake.message), std::string::npos)
        << mistake.pointer << ": " << messageOf(broken);
  }
}

TEST(Manifest, RefusesWhatIsNotJsonOrTooMuch) {
  auto refusal = [](const std::string &text) {
    return Manifest::parse(text).status().message();
  };
  EXPECT_NE(refusal("{ \"manifest\": ").find("manifest:1:15"),
            std::string::npos);
  EXPECT_FALSE(refusal("").empty());
  EXPECT_NE(refusal("[]").find("is array, expected an object"),
            std::string::npos);
  EXPECT_FALSE(refusal(std::string(100000, '[')).empty());
  EXPECT_FALSE(refusal(std::string(2 << 20, ' ')).empty());
}

TEST(Manifest, TakesNoHarmFromDamage) {
  const std::string good = goodManifest().dump();
  std::mt19937 generator(7);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = good;
    for (unsigned change = 0; change <= generator() % 3; ++change)
      damaged[generator() % damaged.size()] = static_cast<char>(generator());
    if (generator() % 4 == 0)
      damaged.resize(generator() % damaged.size());
    Result<Manifest> parsed = Manifest::parse(damaged);
    refused += !parsed.ok();
    if (!parsed.ok())
      EXPECT_EQ(parsed.status().message().rfind("manifest", 0), 0u)
          << parsed.status().message();
  }
  EXPECT_GT(refused, 1000);
}
