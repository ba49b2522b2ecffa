//===- ExpressionParser.h - From words to one formula ----------*- C++ -*-===//
//
// The part of the parser for formulas, and the stream of tokens both share.
//
//===----------------------------------------------------------------------===//
#ifndef DECAY_DSL_SYNTAX_EXPRESSIONPARSER_H
#define DECAY_DSL_SYNTAX_EXPRESSIONPARSER_H

#include "dsl/syntax/Ast.h"
#include "dsl/syntax/Lexer.h"

namespace decay::dsl {

/// A place in the list of tokens, which ends with LineEnd and FileEnd.
class TokenStream {
public:
  explicit TokenStream(std::vector<Token> tokens) : tokens(std::move(tokens)) {}

  /// The token `offset` places ahead; beyond the end, the last one.
  const Token &peek(int offset = 0) const {
    return tokens[std::min(position + offset, tokens.size() - 1)];
  }
  const Token &next() {
    const Token &token = peek();
    position = std::min(position + 1, tokens.size() - 1);
    return token;
  }
  Word nextWord() {
    const Token &token = next();
    return {token.text, token.spelled, token.place};
  }
  /// To after the end of the line at hand.
  void skipLine() {
    while (peek().kind != Token::Kind::FileEnd &&
           next().kind != Token::Kind::LineEnd)
      ;
  }

private:
  std::vector<Token> tokens;
  size_t position = 0;
};

class ExpressionParser {
public:
  ExpressionParser(TokenStream &stream, Diagnostics &diagnostics)
      : stream(stream), diagnostics(diagnostics) {}

  /// A formula; null after a fault, which is reported.
  ExpressionPtr parse();
  /// Counts a line among the nodes. False when there are too many.
  bool countLine(SourcePlace place) { return count(place); }
  /// The file holds more nodes than are allowed: parsing on is pointless.
  bool isExhausted() const { return exhausted; }
  /// A fix where a factor follows another, else empty.
  std::string productHint() const;

private:
  ExpressionPtr parseSum();
  ExpressionPtr parseProduct();
  ExpressionPtr parseFactor();
  ExpressionPtr parsePrimary();
  ExpressionPtr parseCall(const Token &name);
  ExpressionPtr parseBinary(ExpressionPtr left, llvm::StringRef name,
                            ExpressionPtr (ExpressionParser::*parseRight)());
  ExpressionPtr finish(Expression expression);
  bool count(SourcePlace place);
  ExpressionPtr fail(DiagnosticKind kind,
                     std::initializer_list<std::string> arguments);

  TokenStream &stream;
  Diagnostics &diagnostics;
  unsigned depth = 0;
  unsigned nodes = 0;
  bool exhausted = false;
};

} // namespace decay::dsl

#endif // DECAY_DSL_SYNTAX_EXPRESSIONPARSER_H
