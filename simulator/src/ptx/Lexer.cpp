//===- Lexer.cpp - Tokens of PTX ----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lexer.h"

using namespace ptxsim;

static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || c == '%';
}
static bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::string Token::describe() const {
  if (kind == Kind::End) {
    return "the end of the text";
  }
  // Long and unprintable text stays readable.
  std::string shown;
  for (char c : text.substr(0, 40)) {
    shown += c >= ' ' && c <= '~' ? c : '?';
  }
  return "'" + shown + (text.size() > 40 ? "..." : "") + "'";
}

void Lexer::step() {
  if (text[at] == '\n') {
    ++location.line;
    location.column = 1;
  } else {
    ++location.column;
  }
  ++at;
}

void Lexer::skipBlanks() {
  while (at < text.size()) {
    char c = text[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      step();
    } else if (text.substr(at, 2) == "//") {
      while (at < text.size() && text[at] != '\n') {
        step();
      }
    } else if (text.substr(at, 2) == "/*") {
      Location start = location;
      size_t end = text.find("*/", at + 2);
      if (end == std::string_view::npos) {
        throw SyntaxError{start, "expects the end of this comment"};
      }
      while (at < end + 2) {
        step();
      }
    } else {
      return;
    }
  }
}

void Lexer::advance() {
  skipBlanks();
  current.location = location;
  size_t start = at;
  if (at == text.size()) {
    current.kind = Token::Kind::End;
    current.text = {};
    return;
  }
  char c = text[at];
  if (c == '"') {
    step();
    while (at < text.size() && text[at] != '"' && text[at] != '\n') {
      step();
    }
    if (at == text.size() || text[at] != '"') {
      throw SyntaxError{current.location, "expects the end of this string"};
    }
    step();
    current.kind = Token::Kind::String;
    current.text = text.substr(start + 1, at - start - 2);
    return;
  }
  bool startsWord = isLetter(c) || (c == '.' && at + 1 < text.size() &&
                                    isLetter(text[at + 1]));
  if (startsWord || isDigit(c)) {
    while (at < text.size()) {
      char d = text[at];
      if (isLetter(d) || isDigit(d) || d == '.') {
        step();
      } else if (startsWord && text.substr(at, 2) == "::" &&
                 at + 2 < text.size() &&
                 (isLetter(text[at + 2]) || isDigit(text[at + 2]))) {
        step();
        step();
      } else if ((d == '+' || d == '-') && isDigit(c) &&
                 (text[at - 1] == 'e' || text[at - 1] == 'E') &&
                 text.substr(start, 2) != "0x" &&
                 text.substr(start, 2) != "0X" &&
                 text.substr(start, at - start).find('.') !=
                     std::string_view::npos) {
        // 1.5e-3; without the point the sign is an operator.
        step();
      } else {
        break;
      }
    }
    current.kind = startsWord ? Token::Kind::Word : Token::Kind::Number;
    current.text = text.substr(start, at - start);
    return;
  }
  step();
  current.kind = Token::Kind::Mark;
  current.text = text.substr(start, 1);
}

Token Lexer::take() {
  Token taken = current;
  advance();
  return taken;
}

bool Lexer::takeIf(std::string_view word) {
  if (!current.is(word)) {
    return false;
  }
  advance();
  return true;
}

Token Lexer::expect(std::string_view word) {
  if (!current.is(word)) {
    fail("expects '" + std::string(word) + "', but got " + current.describe());
  }
  return take();
}

Token Lexer::expectWord(const char *what) {
  if (current.kind != Token::Kind::Word) {
    fail(std::string("expects ") + what + ", but got " + current.describe());
  }
  return take();
}

Token Lexer::expectName(const char *what) {
  if (current.text.find_first_of(".:") != std::string_view::npos) {
    fail(std::string("expects ") + what + ", but got " + current.describe());
  }
  return expectWord(what);
}

uint64_t Lexer::expectInteger(const char *what, uint64_t most) {
  uint64_t value;
  if (current.kind != Token::Kind::Number ||
      !parseInteger(current.text, value) || value > most) {
    fail(std::string("expects ") + what +
         (most == ~uint64_t(0) ? "" : " of at most " + std::to_string(most)) +
         ", but got " + current.describe());
  }
  take();
  return value;
}

bool ptxsim::parseInteger(std::string_view text, uint64_t &value) {
  if (!text.empty() && (text.back() == 'U' || text.back() == 'u')) {
    text.remove_suffix(1);
  }
  unsigned base = 10;
  if (text.size() > 1 && text[0] == '0') {
    char mark = text[1];
    base = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
    text.remove_prefix(base == 8 ? 1 : 2);
  }
  if (text.empty()) {
    return false;
  }
  value = 0;
  for (char c : text) {
    unsigned digit = isDigit(c)             ? unsigned(c - '0')
                     : c >= 'a' && c <= 'f' ? unsigned(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? unsigned(c - 'A' + 10)
                                            : 99;
    if (digit >= base || value > (~uint64_t(0) - digit) / base) {
      return false;
    }
    value = value * base + digit;
  }
  return true;
}
