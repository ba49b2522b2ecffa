//===- PackageDescription.cpp - Entries, operands and manifest -----------===//
#include "compiler/package/PackageDescription.h"

#include "dsl/check/CheckedDesign.h"

#include <nlohmann/json.hpp>

namespace decay {
namespace {

using dsl::Axes;
using dsl::CheckedDesign;
using Json = nlohmann::ordered_json;
using Operands = std::vector<OperandDescription>;

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
constexpr const char *outputShape = "B T H V";

Operands projectionOperands(const CheckedDesign &design, const char *prefix,
                            bool written) {
  Operands operands;
  for (const dsl::Projection &projection : design.projections)
    operands.push_back({prefix + projection.name, projectionShape(projection),
                        written, false});
  return operands;
}

Operands parameterOperands(const CheckedDesign &design, const char *prefix,
                           bool written, bool optional) {
  Operands operands;
  for (const dsl::Parameter &parameter : design.parameters)
    operands.push_back({prefix + parameter.name,
                        shapeOf(parameter.axes, "", "K"), written, optional});
  return operands;
}

/// The state and all carries; "absent" is zero or unwanted.
Operands stateOperands(const CheckedDesign &design, const std::string &prefix,
                       bool written) {
  Operands operands = {{prefix + "state", stateShape, written, true}};
  for (const dsl::Carry &carry : design.carries)
    operands.push_back(
        {prefix + carry.name, shapeOf(carry.axes, "N", "K"), written, true});
  return operands;
}

void append(Operands &to, Operands from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()),
            std::make_move_iterator(from.end()));
}

Operands inputs(const CheckedDesign &design) {
  Operands operands = projectionOperands(design, "", false);
  append(operands, parameterOperands(design, "", false, false));
  append(operands, stateOperands(design, "initial_", false));
  return operands;
}

EntryDescription forwardEntry(const CheckedDesign &design, const char *role) {
  EntryDescription entry{role, inputs(design), {}};
  entry.operands.push_back({"o", outputShape, true, false});
  append(entry.operands, stateOperands(design, "final_", true));
  return entry;
}

EntryDescription backwardEntry(const CheckedDesign &design) {
  EntryDescription entry{"backward", inputs(design), {}};
  entry.operands.push_back({"d_o", outputShape, false, false});
  append(entry.operands, stateOperands(design, "d_final_", false));
  append(entry.operands, projectionOperands(design, "d_", true));
  for (size_t i = 0; i < design.parameters.size(); ++i)
    entry.parameterGradients.push_back(
        static_cast<int64_t>(entry.operands.size() + i));
  append(entry.operands, parameterOperands(design, "d_", true, true));
  append(entry.operands, stateOperands(design, "d_initial_", true));
  return entry;
}

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
                                   std::string target, std::string hash) {
  PackageDescription package{
      design.name, std::move(target), std::move(hash), {}, {}};
  package.manifest = manifestOf(design, package);
  package.entries = {
      forwardEntry(design, "forward"),
      backwardEntry(design),
      forwardEntry(design, "step"),
      {"init_parameters", parameterOperands(design, "", true, false), {}}};
  return package;
}

} // namespace decay
