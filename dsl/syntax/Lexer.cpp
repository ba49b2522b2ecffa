//===- Lexer.cpp - From characters to words
//--------------------------------===//
#include "dsl/syntax/Lexer.h"
#include "dsl/syntax/Utf8.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

namespace decay::dsl {
namespace {

/// Symbols of more than one spelling, and characters that people try.
struct OtherSpelling {
  uint32_t code;
  const char *symbol;
};
constexpr OtherSpelling otherSpellings[] = {
    {0x2212, "-"}, {0x2013, "-"}, {0xD7, "*"},   {0xB7, "*"},
    {0x22C5, "*"}, {0x2217, "*"}, {0x2215, "/"}, {0xF7, "/"},
};
constexpr OtherSpelling hints[] = {
    {'^', "write pow(x, y), or x * x"},
    {'%', ""},
    {';', "end the line instead"},
    {'{', "write ("},
    {'}', "write )"},
    {'\'', "write a text in double quotes"},
    {':', ""},
    {'!', ""},
    {'&', ""},
    {0x221A, "write sqrt(x)"},
    {0x201C, "write \""},
    {0x201D, "write \""},
    {0x2264, ""},
    {0xBD, "write 0.5"},
    {0xB2, "write x * x"},
};

class Lexer {
public:
  Lexer(llvm::StringRef text, Diagnostics &diagnostics)
      : rest(text), diagnostics(diagnostics) {}

  std::vector<Token> run();

private:
  void lexOne();
  void lexName();
  void lexNumber();
  void lexString();
  void lexSymbol(Character character);
  void trackBracket(llvm::StringRef symbol);
  bool isNameStart(Character character) const;
  void push(Token::Kind kind, std::string text, llvm::StringRef spelled,
            double value = 0);
  void advance(unsigned bytes, unsigned columns) {
    rest = rest.drop_front(bytes);
    place.column += columns;
  }

  llvm::StringRef rest;
  Diagnostics &diagnostics;
  SourcePlace place{1, 1};
  std::vector<Token> tokens;
  std::vector<Token> open; ///< brackets
};

std::vector<Token> Lexer::run() {
  if (rest.size() > maximumInputBytes) {
    diagnostics.report(
        DiagnosticKind::InputTooLarge, place,
        {std::to_string(rest.size()), std::to_string(maximumInputBytes)});
    rest = {};
  }
  rest.consume_front("\xEF\xBB\xBF");
  while (!rest.empty())
    lexOne();
  for (const Token &bracket : open)
    diagnostics.report(DiagnosticKind::UnclosedBracket, bracket.place,
                       {bracket.text, bracket.isSymbol("(") ? ")" : "]"});
  push(Token::Kind::LineEnd, "", "");
  push(Token::Kind::FileEnd, "", "");
  return std::move(tokens);
}

void Lexer::push(Token::Kind kind, std::string text, llvm::StringRef spelled,
                 double value) {
  tokens.push_back({kind, std::move(text), spelled.str(), value, place});
}

bool Lexer::isNameStart(Character character) const {
  return (character.code < 0x80 &&
          (llvm::isAlpha(character.code) || character.code == '_')) ||
         !greekName(character.code).empty();
}

void Lexer::lexOne() {
  Character character = decodeCharacter(rest);
  if (character.length == 0) {
    std::string byte =
        "0x" + llvm::utohexstr(static_cast<uint8_t>(rest.front()));
    diagnostics.report(DiagnosticKind::InvalidUtf8, place, {byte});
    return advance(1, 1);
  }
  if (character.code == '\n') {
    if (open.empty())
      push(Token::Kind::LineEnd, "", "");
    rest = rest.drop_front();
    place = {place.line + 1, 1};
    return;
  }
  if (character.code == ' ' || character.code == '\t' ||
      character.code == '\r' || character.code == 0xA0)
    return advance(character.length, 1);
  if (character.code == '#') {
    rest = rest.drop_front(std::min(rest.find('\n'), rest.size()));
    return;
  }
  if (isNameStart(character))
    return lexName();
  bool isPoint =
      character.code == '.' && rest.size() > 1 && llvm::isDigit(rest[1]);
  if (isPoint || (character.code < 0x80 && llvm::isDigit(character.code)))
    return lexNumber();
  if (character.code == '"')
    return lexString();
  lexSymbol(character);
}

void Lexer::lexName() {
  std::string canonical;
  unsigned bytes = 0, columns = 0;
  while (bytes < rest.size()) {
    Character character = decodeCharacter(rest.drop_front(bytes));
    bool isDigit = character.code < 0x80 && llvm::isDigit(character.code);
    if (character.length == 0 || (!isDigit && !isNameStart(character)))
      break;
    if (character.code < 0x80)
      canonical += static_cast<char>(character.code);
    else
      canonical += greekName(character.code);
    bytes += character.length;
    ++columns;
  }
  if (bytes > maximumNameBytes || canonical.size() > maximumNameBytes)
    diagnostics.report(
        DiagnosticKind::IdentifierTooLong, place,
        {std::to_string(std::max<size_t>(bytes, canonical.size())),
         std::to_string(maximumNameBytes)});
  else
    push(Token::Kind::Name, canonical, rest.take_front(bytes));
  advance(bytes, columns);
}

void Lexer::lexNumber() {
  size_t end = 0;
  auto take = [&](auto accept) {
    while (end < rest.size() && accept(rest[end]))
      ++end;
  };
  auto isDigit = [](char c) { return llvm::isDigit(c); };
  take(isDigit);
  if (end < rest.size() && rest[end] == '.') {
    ++end;
    take(isDigit);
  }
  bool hasExponent =
      end < rest.size() && (rest[end] == 'e' || rest[end] == 'E');
  size_t sign =
      end + 1 < rest.size() && (rest[end + 1] == '-' || rest[end + 1] == '+')
          ? 2
          : 1;
  if (hasExponent && end + sign < rest.size() &&
      llvm::isDigit(rest[end + sign])) {
    end += sign;
    take(isDigit);
  }
  size_t good = end;
  take([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
  llvm::StringRef spelled = rest.take_front(end);
  double value = 0;
  // Digits beyond any number's need would make the conversion slow.
  constexpr size_t maximumDigits = 64;
  std::string hint;
  if (good != end && llvm::isAlpha(rest[good]) && end < 40)
    hint = "if a product is meant, write " + rest.take_front(good).str() +
           " * " + rest.slice(good, end).str();
  if (good != end || end > maximumDigits || spelled.getAsDouble(value))
    diagnostics.report(DiagnosticKind::MalformedNumber, place,
                       {spelled.take_front(40).str(), hint});
  else if (!(std::fabs(value) <= std::numeric_limits<float>::max()))
    diagnostics.report(DiagnosticKind::NumberTooLarge, place, {spelled.str()});
  push(Token::Kind::Number, spelled.str(), spelled,
       std::isfinite(value) ? value : 0);
  advance(end, end);
}

void Lexer::lexString() {
  llvm::StringRef line =
      rest.take_front(std::min(rest.find('\n'), rest.size()));
  size_t end = line.find('"', 1);
  if (end == llvm::StringRef::npos) {
    diagnostics.report(DiagnosticKind::UnterminatedString, place);
    return advance(line.size(), 0);
  }
  llvm::StringRef inside = line.slice(1, end);
  unsigned columns = 2;
  for (llvm::StringRef text = inside; !text.empty(); ++columns) {
    Character character = decodeCharacter(text);
    SourcePlace bad{place.line, place.column + columns - 1};
    std::string hex =
        llvm::utohexstr(static_cast<uint8_t>(text.front()), false, 2);
    if (character.length == 0)
      diagnostics.report(DiagnosticKind::InvalidUtf8, bad, {"0x" + hex});
    else if (character.code < 0x20 || character.code == 0x7F)
      diagnostics.report(DiagnosticKind::UnknownCharacter, bad,
                         {"U+00" + hex, "delete it"});
    text = text.drop_front(std::max(1u, character.length));
  }
  push(Token::Kind::String, inside.str(), line.take_front(end + 1));
  advance(end + 1, columns);
}

void Lexer::trackBracket(llvm::StringRef symbol) {
  if (symbol == "(" || symbol == "[") {
    open.push_back(tokens.back());
  } else if (symbol == ")" || symbol == "]") {
    if (!open.empty())
      open.pop_back();
    else
      diagnostics.report(DiagnosticKind::UnmatchedBracket, place,
                         {symbol.str()});
  }
}

void Lexer::lexSymbol(Character character) {
  llvm::StringRef spelled = rest.take_front(character.length);
  llvm::StringRef symbol = spelled;
  for (const OtherSpelling &other : otherSpellings)
    if (other.code == character.code)
      symbol = other.symbol;
  bool isKnown =
      symbol.size() == 1 && llvm::StringRef("+-*/()[]=,<>").contains(symbol[0]);
  if (isKnown) {
    push(Token::Kind::Symbol, symbol.str(), spelled);
    trackBracket(symbol);
  } else {
    std::string hint;
    for (const OtherSpelling &each : hints)
      if (each.code == character.code)
        hint = each.symbol;
    llvm::StringRef rest = spelled;
    std::string shown = takeCharacter(rest);
    if (shown == "?" && spelled != "?")
      shown = "U+" + llvm::utohexstr(character.code, false, 4);
    diagnostics.report(DiagnosticKind::UnknownCharacter, place,
                       {"'" + shown + "'", hint});
  }
  advance(character.length, 1);
}

} // namespace

std::string Token::describe() const {
  switch (kind) {
  case Kind::LineEnd:
    return "the end of the line";
  case Kind::FileEnd:
    return "the end of the file";
  case Kind::String:
    return "a text";
  default:
    return "'" + spelled + "'";
  }
}

std::vector<Token> tokenize(llvm::StringRef text, Diagnostics &diagnostics) {
  return Lexer(text, diagnostics).run();
}

} // namespace decay::dsl
