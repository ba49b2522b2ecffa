//===- Expand.cpp - Variants applied, settings chosen
//----------------------===//
#include "dsl/check/Expand.h"
#include "dsl/library/Library.h"
#include "dsl/syntax/Words.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <set>

namespace decay::dsl {
namespace {

using Kind = DiagnosticKind;

/// A name, and the words in front of its line: of each at most one line counts.
using LineKey = std::pair<std::string, std::set<std::string>>;

LineKey lineKey(const Statement &statement) {
  LineKey key{keyOf(statement), {}};
  for (const Word &guard : statement.guards)
    key.second.insert(guard.name);
  return key;
}

ExpressionPtr relocate(const ExpressionPtr &expression, SourcePlace place) {
  if (!expression)
    return nullptr;
  auto copy = std::make_shared<Expression>(*expression);
  copy->place = place;
  for (ExpressionPtr &operand : copy->operands)
    operand = relocate(operand, place);
  return copy;
}

/// The line as if written at `place`: lines of a library base are not in the
/// user's file, and messages about them belong where the base is named.
Statement relocate(Statement statement, SourcePlace place) {
  statement.place = statement.subject.place = statement.scan.place = place;
  for (Word &word : statement.guards)
    word.place = place;
  for (Word &word : statement.values)
    word.place = place;
  statement.formula = relocate(statement.formula, place);
  statement.start = relocate(statement.start, place);
  return statement;
}

/// A variant of a variant of a variant, ...
constexpr size_t maximumVariants = 16;

class Flattener {
public:
  Flattener(const FileAst &file, Diagnostics &diagnostics)
      : file(file), diagnostics(diagnostics) {}

  std::optional<FlatDesign> run(const DesignAst &design);

private:
  std::optional<FlatDesign> base(const DesignAst &design);
  void checkDoubles(const DesignAst &design);
  void apply(const DesignAst &design, FlatDesign &flat);
  void leaveOut(const Statement &statement, const DesignAst &design,
                FlatDesign &flat);

  const FileAst &file;
  Diagnostics &diagnostics;
  std::vector<std::string> chain;
};

std::optional<FlatDesign> Flattener::base(const DesignAst &design) {
  const DesignAst *own = design.base.name == design.name.name
                             ? nullptr
                             : findDesign(file, design.base.name);
  if (own) {
    if (llvm::is_contained(chain, design.base.name)) {
      diagnostics.report(Kind::VariantCycle, design.base.place,
                         {design.name.spelled});
      return std::nullopt;
    }
    return run(*own);
  }
  const FileAst *library = findLibraryFile(design.base.name);
  if (!library || library == &file) {
    std::vector<std::string> names = libraryDesignNames();
    for (const DesignAst &each : file.designs)
      if (each.name.name != design.name.name)
        names.push_back(each.name.name);
    diagnostics.report(
        Kind::UnknownDesign, design.base.place,
        {design.base.spelled, nearestWord(design.base.name, names)});
    return std::nullopt;
  }
  std::optional<FlatDesign> flat =
      Flattener(*library, diagnostics)
          .run(*findDesign(*library, design.base.name));
  if (flat)
    for (Statement &statement : flat->statements)
      statement = relocate(std::move(statement), design.base.place);
  return flat;
}

std::optional<FlatDesign> Flattener::run(const DesignAst &design) {
  chain.push_back(design.name.name);
  if (chain.size() > maximumVariants) {
    diagnostics.report(Kind::VariantsTooDeep, design.base.place,
                       {std::to_string(maximumVariants)});
    return std::nullopt;
  }
  FlatDesign flat;
  if (!design.base.name.empty()) {
    std::optional<FlatDesign> inherited = base(design);
    if (!inherited)
      return std::nullopt;
    flat = std::move(*inherited);
  }
  flat.name = design.name;
  flat.base = design.base.name;
  checkDoubles(design);
  apply(design, flat);
  return flat;
}

void Flattener::checkDoubles(const DesignAst &design) {
  std::map<LineKey, const Statement *> seen;
  for (const Statement &each : design.statements) {
    if (each.kind == Statement::Kind::Without)
      continue;
    auto [known, isNew] = seen.emplace(lineKey(each), &each);
    if (isNew)
      continue;
    std::string line = std::to_string(known->second->place.line);
    if (each.isLog != known->second->isLog && each.subject.name == "lambda")
      diagnostics.report(Kind::DecayTwice, each.subject.place, {line});
    else
      diagnostics.report(Kind::DefinedTwice, each.subject.place,
                         {each.subject.spelled, line});
  }
}

void Flattener::leaveOut(const Statement &statement, const DesignAst &design,
                         FlatDesign &flat) {
  for (const Word &name : statement.values) {
    if (design.base.name.empty()) {
      diagnostics.report(Kind::WithoutOutsideVariant, statement.place,
                         {design.name.spelled, name.spelled});
      continue;
    }
    size_t before = flat.statements.size();
    std::vector<Spelling> learned;
    for (const Statement &each : flat.statements)
      if (each.kind == Statement::Kind::Learn)
        learned.push_back({each.subject.name, each.subject.spelled});
    llvm::erase_if(flat.statements, [&](const Statement &each) {
      return each.kind == Statement::Kind::Learn &&
             each.subject.name == name.name;
    });
    if (flat.statements.size() == before) {
      std::string near = nearestSpelling(name.name, learned);
      if (near.empty() && learned.size() == 1)
        near = learned.front().spelled;
      diagnostics.report(Kind::WithoutUnknown, name.place,
                         {name.spelled, design.base.spelled, near});
    }
    flat.leftOut[name.name] = name;
  }
}

void Flattener::apply(const DesignAst &design, FlatDesign &flat) {
  for (const Statement &statement : design.statements)
    if (statement.kind == Statement::Kind::Without)
      leaveOut(statement, design, flat);
  std::map<LineKey, size_t> inherited;
  for (size_t i = 0; i < flat.statements.size(); ++i)
    inherited.emplace(lineKey(flat.statements[i]), i);
  for (const Statement &statement : design.statements) {
    if (statement.kind == Statement::Kind::Without)
      continue;
    if (statement.kind == Statement::Kind::Summary)
      flat.summary = statement.text;
    if (statement.kind == Statement::Kind::Cite)
      flat.citation = statement.text;
    flat.leftOut.erase(statement.subject.name);
    auto known = inherited.find(lineKey(statement));
    if (known == inherited.end()) {
      flat.statements.push_back(statement);
      continue;
    }
    Statement &replaced = flat.statements[known->second];
    NumberRange range = replaced.range;
    replaced = statement;
    if (!statement.range.given)
      replaced.range = range;
  }
}

/// The values that a design allows for one of the common settings, default
/// first.
std::vector<std::string> allowedValues(const FlatDesign &design,
                                       const AxisSetting &setting) {
  std::vector<std::string> values = setting.values;
  if (setting.name == "sharing") {
    bool isDefined = llvm::any_of(design.statements, [](const Statement &each) {
      return each.subject.name == "k" &&
             llvm::any_of(each.guards, [](const Word &guard) {
               return guard.name == "sharing";
             });
    });
    values = isDefined ? setting.values : std::vector<std::string>{"off"};
  }
  for (const Statement &statement : design.statements)
    if (statement.kind == Statement::Kind::Axis &&
        statement.subject.name == setting.name) {
      std::vector<std::string> listed;
      for (const Word &value : statement.values)
        listed.push_back(value.name);
      // `sharing on` or `compat authors` alone chooses the default only.
      bool choosesDefault = listed.size() == 1 && (setting.name == "sharing" ||
                                                   setting.name == "compat");
      if (choosesDefault)
        for (const std::string &value : values)
          if (value != listed.front())
            listed.push_back(value);
      values = listed;
    }
  return values;
}

bool isInside(const NumberRange &range, double value) {
  return (range.lowOpen ? value > range.low : value >= range.low) &&
         (range.highOpen ? value < range.high : value <= range.high);
}

std::string describeAllowed(const NumberRange &range) {
  return range.given ? describeRange(range) : "(-inf, inf)";
}

/// `on` and `off` have the usual other spellings on a command line.
std::string canonicalSwitch(const std::string &value) {
  if (value.empty() || value == "true" || value == "yes" || value == "1")
    return "on";
  if (value == "false" || value == "no" || value == "0")
    return "off";
  return value;
}

/// The user's choices over the defaults.
class Chooser {
public:
  Chooser(const FlatDesign &design, Choice &choice, Diagnostics &diagnostics)
      : design(design), choice(choice), diagnostics(diagnostics) {}

  void choose(const std::string &name, const std::string &value);

private:
  void chooseWord(Setting &setting, const AxisSetting &axis, std::string value);
  void chooseNumber(Setting &setting, const std::string &value);

  const FlatDesign &design;
  Choice &choice;
  Diagnostics &diagnostics;
};

void Chooser::choose(const std::string &name, const std::string &value) {
  auto setting = llvm::find_if(
      choice.settings, [&](const Setting &each) { return each.name == name; });
  if (setting == choice.settings.end()) {
    std::vector<std::string> names;
    for (const Setting &each : choice.settings)
      names.push_back(each.name);
    diagnostics.report(Kind::UnknownSetting, design.name.place,
                       {name, listOf(names), nearestWord(name, names)});
  } else if (const AxisSetting *axis = findAxisSetting(name)) {
    chooseWord(*setting, *axis, value);
  } else {
    chooseNumber(*setting, value);
  }
}

void Chooser::chooseWord(Setting &setting, const AxisSetting &axis,
                         std::string value) {
  if (axis.name == "sharing")
    value = canonicalSwitch(value);
  std::vector<std::string> allowed = allowedValues(design, axis);
  if (!llvm::is_contained(allowed, value)) {
    if (axis.name == "sharing" && value == "on")
      diagnostics.report(Kind::SharingUndefined, design.name.place,
                         {design.name.spelled});
    else
      diagnostics.report(Kind::SettingValueNotAllowed, design.name.place,
                         {setting.name, value, design.name.spelled,
                          listOf(allowed),
                          allowed.size() == 1 ? allowed.front()
                                              : nearestWord(value, allowed)});
    return;
  }
  setting.value = choice.words[setting.name] = value;
}

void Chooser::chooseNumber(Setting &setting, const std::string &value) {
  const Statement *line = nullptr;
  for (const Statement &each : design.statements)
    if (each.kind == Statement::Kind::Set && each.subject.name == setting.name)
      line = &each;
  assert(line && "a setting of numbers without its line");
  double number = 0;
  llvm::StringRef text = llvm::StringRef(value).trim();
  bool isPlain =
      !text.empty() && text.size() <= 64 &&
      text.find_first_not_of("0123456789+-.eE") == llvm::StringRef::npos;
  if (!isPlain || text.getAsDouble(number))
    diagnostics.report(
        Kind::SettingNotANumber, line->subject.place,
        {setting.name, value.substr(0, 64), describeAllowed(line->range)});
  else if (!isInside(line->range, number) ||
           !(std::fabs(number) <= std::numeric_limits<float>::max()))
    diagnostics.report(
        Kind::SettingOutOfRange, line->subject.place,
        {setting.name, spellNumber(number), describeAllowed(line->range)});
  setting.value = spellNumber(number);
  choice.numbers[setting.name] = number;
}

bool holds(const Statement &statement, const Choice &choice) {
  return llvm::all_of(statement.guards, [&](const Word &guard) {
    const GuardWord *row = findGuardWord(guard.name);
    return choice.is(row->setting, row->value);
  });
}

} // namespace

std::string keyOf(const Statement &statement) {
  llvm::StringRef name = statement.subject.name;
  bool isOwn = statement.kind == Statement::Kind::Project &&
               (name == "q" || name == "k" || name == "v");
  return (isOwn ? "project " : "") + name.str();
}

const DesignAst *findDesign(const FileAst &file, llvm::StringRef name) {
  for (const DesignAst &design : file.designs)
    if (design.name.name == name)
      return &design;
  return nullptr;
}

std::optional<FlatDesign> flatten(const FileAst &file, const DesignAst &design,
                                  Diagnostics &diagnostics) {
  return Flattener(file, diagnostics).run(design);
}

Choice defaultChoice(const FlatDesign &design) {
  Choice choice;
  for (const AxisSetting &axis : axisSettings()) {
    std::vector<std::string> allowed = allowedValues(design, axis);
    choice.words[axis.name.str()] = allowed.front();
    choice.settings.push_back({axis.name.str(), allowed.front(),
                               allowed.front(), listOf(allowed, ", ")});
  }
  for (const Statement &line : design.statements)
    if (line.kind == Statement::Kind::Set) {
      std::string value = spellNumber(line.number);
      choice.numbers[line.subject.name] = line.number;
      choice.settings.push_back(
          {line.subject.name, value, value, describeAllowed(line.range)});
    }
  return choice;
}

Choice chooseSettings(const FlatDesign &design, const SettingChoices &choices,
                      Diagnostics &diagnostics) {
  Choice choice = defaultChoice(design);
  for (const Statement &line : design.statements)
    if (line.kind == Statement::Kind::Set && !isInside(line.range, line.number))
      diagnostics.report(Kind::SettingOutOfRange, line.subject.place,
                         {line.subject.spelled, spellNumber(line.number),
                          describeAllowed(line.range)});
  Chooser chooser(design, choice, diagnostics);
  for (const auto &[name, value] : choices)
    chooser.choose(name, value);
  return choice;
}

std::vector<const Statement *> activeStatements(const FlatDesign &design,
                                                const Choice &choice,
                                                Diagnostics &diagnostics) {
  std::vector<const Statement *> active;
  std::map<std::string, size_t> places;
  for (const Statement &statement : design.statements) {
    if (!holds(statement, choice))
      continue;
    auto [known, isNew] = places.emplace(keyOf(statement), active.size());
    if (isNew) {
      active.push_back(&statement);
      continue;
    }
    const Statement *&rival = active[known->second];
    if (rival->guards.size() == statement.guards.size())
      diagnostics.report(
          Kind::GuardsTie, statement.place,
          {statement.subject.spelled, std::to_string(rival->place.line)});
    else if (rival->guards.size() < statement.guards.size())
      rival = &statement;
  }
  return active;
}

} // namespace decay::dsl
