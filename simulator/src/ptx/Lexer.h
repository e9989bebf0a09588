//===- Lexer.h - Tokens of PTX ----------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PTX_LEXER_H
#define PTXSIM_PTX_LEXER_H

#include "ptxsim/Ast.h"

#include <string>
#include <string_view>

namespace ptxsim {

/// Thrown inside of the front end only; parseModule makes an Error of it.
struct SyntaxError {
  Location location;
  std::string message;
};

struct Token {
  enum class Kind : uint8_t {
    Word,   // ld.global.f32, %tid.x, .reg, shared::cta, $L__BB0_1
    Number, // as written: 0x1F, 0f3F800000, 8.3, 16U
    String, // without its quotes
    Mark,   // one character
    End,
  };
  Kind kind = Kind::End;
  std::string_view text;
  Location location;

  bool is(std::string_view other) const {
    return kind != Kind::String && text == other;
  }
  /// As a message names it.
  std::string describe() const;
};

class Lexer {
public:
  explicit Lexer(std::string_view text) : text(text) { advance(); }

  /// The token at hand; the one behind it on request.
  const Token &token() const { return current; }
  /// Goes on and gives the token that was at hand.
  Token take();
  /// Takes the token if it is this one.
  bool takeIf(std::string_view word);
  /// Takes the token, which must be this one.
  Token expect(std::string_view word);
  Token expectWord(const char *what);
  /// A word without dots, as names that a program gives are.
  Token expectName(const char *what);
  /// A number without a fraction, up to `most`.
  uint64_t expectInteger(const char *what, uint64_t most = ~uint64_t(0));

  /// Bytes of the text.
  size_t size() const { return text.size(); }

  [[noreturn]] void fail(std::string message) const {
    throw SyntaxError{current.location, std::move(message)};
  }

private:
  void advance();
  void skipBlanks();
  void step();

  std::string_view text;
  size_t at = 0;
  Location location{1, 1};
  Token current;
};

/// The value of an integer as PTX writes it; false if it is none.
bool parseInteger(std::string_view text, uint64_t &value);

} // namespace ptxsim

#endif // PTXSIM_PTX_LEXER_H
