//===- PackageDescription.cpp - A manifest from a design -----------------===//
#include "compiler/package/PackageDescription.h"

#include "dsl/check/CheckedDesign.h"

#include <nlohmann/json.hpp>

namespace decay {
namespace {

using dsl::Axes;
using dsl::CheckedDesign;
using Json = nlohmann::ordered_json;

constexpr const char *kindNames[] = {"full", "low_rank", "per_head"};
constexpr const char *granularityNames[] = {"vector", "scalar"};
constexpr const char *positionNames[] = {"none", "rope", "lrpe_cosine", "tpe"};
constexpr const char *compatibilityNames[] = {"published", "authors"};

template <typename Enum, size_t n>
const char *nameOf(Enum value, const char *const (&names)[n]) {
  assert(static_cast<size_t>(value) < n);
  return names[static_cast<size_t>(value)];
}

std::string shapeOf(const Axes &axes, const char *prefix, const char *channel) {
  std::string shape = prefix;
  auto add = [&](const char *axis) {
    shape += (shape.empty() ? "" : " ") + std::string(axis);
  };
  if (axes.layer)
    add("L");
  if (axes.token)
    add("B T");
  if (axes.head)
    add("H");
  if (axes.channel)
    add(channel);
  return shape;
}

std::string projectionShape(const dsl::Projection &projection) {
  return shapeOf(projection.axes, "", projection.name == "v" ? "V" : "K");
}

constexpr const char *stateShape = "N H W V";
std::string manifestOf(const CheckedDesign &design,
                       const PackageDescription &package) {
  Json manifest = {
      {"manifest", 1},
      {"design", design.name},
      {"base", design.base},
      {"summary", design.summary},
      {"citation", design.citation},
      {"hash", package.hash},
      {"target", package.target},
      {"precision", package.precision},
      {"granularity", nameOf(design.granularity, granularityNames)},
      {"sharing", design.sharing},
      {"position", nameOf(design.position, positionNames)},
      {"compat", nameOf(design.compatibility, compatibilityNames)}};
  Json &settings = manifest["settings"] = Json::array();
  for (const dsl::Setting &setting : design.settings)
    settings.push_back({{"name", setting.name},
                        {"value", setting.value},
                        {"default", setting.defaultValue},
                        {"allowed", setting.allowed}});
  Json &projections = manifest["projections"] = Json::array();
  for (const dsl::Projection &projection : design.projections)
    projections.push_back({{"name", projection.name},
                           {"kind", nameOf(projection.kind, kindNames)},
                           {"rank", projection.rank},
                           {"bias", projection.bias},
                           {"shape", projectionShape(projection)}});
  Json &parameters = manifest["parameters"] = Json::array();
  for (const dsl::Parameter &parameter : design.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"shape", shapeOf(parameter.axes, "", "K")},
                          {"weight_decay", parameter.weightDecay}});
  Json &carries = manifest["carries"] = Json::array();
  for (const dsl::Carry &carry : design.carries)
    carries.push_back(
        {{"name", carry.name}, {"shape", shapeOf(carry.axes, "N", "K")}});
  manifest["state_shape"] = stateShape;
  manifest["state_width"] =
      design.position == dsl::Position::LrpeCosine ? 2 : 1;
  // Source text may hold bytes that are no UTF-8; they must not throw here.
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace

PackageDescription describePackage(const CheckedDesign &design,
                                   std::string target, std::string precision,
                                   std::string hash) {
  PackageDescription package{
      design.name, std::move(target), std::move(precision), std::move(hash), {},
      {}};
  package.manifest = manifestOf(design, package);
  return package;
}

} // namespace decay
