//===- Declarations.cpp - Variables and parameters ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FunctionParser.h"

#include <algorithm>

using namespace ptxsim;

namespace {
constexpr uint64_t kMostBytes = uint64_t(1) << 40;
constexpr uint64_t kMostInitialised = uint64_t(1) << 28;
constexpr size_t kMostExtents = 16;
} // namespace

bool ptxsim::parseSpace(std::string_view word, Space &space) {
  static const std::pair<std::string_view, Space> known[] = {
      {".const", Space::Const},   {".global", Space::Global},
      {".local", Space::Local},   {".param", Space::Param},
      {".shared", Space::Shared}, {".generic", Space::Generic}};
  for (const auto &[name, result] : known) {
    if (word == name) {
      space = result;
      return true;
    }
  }
  return false;
}

SourceLine ptxsim::parseLoc(Lexer &lexer) {
  SourceLine source;
  source.file = uint32_t(lexer.expectInteger("a file number", 1u << 30));
  source.line = uint32_t(lexer.expectInteger("a line", 1u << 30));
  source.column = uint32_t(lexer.expectInteger("a column", 1u << 30));
  // ", function_name $L, inlined_at 1 2 3"
  while (lexer.takeIf(",")) {
    if (lexer.takeIf("function_name")) {
      lexer.expectName("a name");
      if (lexer.takeIf("+")) {
        lexer.expectInteger("an offset");
      }
    } else {
      lexer.expect("inlined_at");
      for (int i = 0; i < 3; ++i) {
        lexer.expectInteger("a number");
      }
    }
  }
  return source;
}

/// Bytes of ".b8", ".f32", ".u64", ".pred" does not count; 0: no type.
static uint32_t typeBytes(std::string_view word) {
  if (word == ".f16x2" || word == ".bf16x2") {
    return 4;
  }
  if (word == ".bf16") {
    return 2;
  }
  static const std::pair<std::string_view, uint32_t> sizes[] = {
      {"8", 1}, {"16", 2}, {"32", 4}, {"64", 8}, {"128", 16}};
  if (word.size() >= 3 && word[0] == '.' &&
      std::string_view("busf").find(word[1]) != std::string_view::npos) {
    for (const auto &[text, bytes] : sizes) {
      if (word.substr(2) == text) {
        return bytes;
      }
    }
  }
  return 0;
}

/// What stands between the space and the name.
static Variable parseType(Lexer &lexer, Space space) {
  Variable variable;
  variable.space = space;
  uint32_t count = 1, align = 0, element = 0;
  while (lexer.token().kind == Token::Kind::Word &&
         lexer.token().text.starts_with('.')) {
    Token word = lexer.take();
    Space pointed;
    if (word.is(".align")) {
      align = uint32_t(lexer.expectInteger("an alignment", 1u << 20));
      if (align == 0 || (align & (align - 1))) {
        throw SyntaxError{word.location,
                          "expects an alignment that is a power of two, but "
                          "got " +
                              std::to_string(align)};
      }
    } else if (word.is(".v2") || word.is(".v4")) {
      count = uint32_t(word.text[2] - '0');
    } else if (word.is(".ptr")) {
      variable.pointerSpace = Space::Generic;
      // The alignment that follows is that of what is pointed to.
      Space at;
      if (lexer.token().kind == Token::Kind::Word &&
          parseSpace(lexer.token().text, at)) {
        variable.pointerSpace = at;
        lexer.take();
      }
      if (lexer.takeIf(".align")) {
        lexer.expectInteger("an alignment", 1u << 20);
      }
    } else if (word.is(".attribute")) {
      lexer.expect("(");
      while (!lexer.takeIf(")")) {
        if (lexer.token().kind == Token::Kind::End) {
          lexer.fail("expects ')', but got the end of the text");
        }
        lexer.take();
      }
    } else if (uint32_t bytes = typeBytes(word.text)) {
      element = bytes;
    } else if (word.is(".texref") || word.is(".samplerref") ||
               word.is(".surfref") || parseSpace(word.text, pointed)) {
      throw SyntaxError{word.location,
                        "does not know " + word.describe() + " here"};
    } else {
      throw SyntaxError{word.location,
                        "expects a type, but got " + word.describe()};
    }
  }
  if (element == 0) {
    lexer.fail("expects a type, but got " + lexer.token().describe());
  }
  variable.elementBytes = element;
  variable.bytes = uint64_t(element) * count;
  variable.align = align ? align : element * count;
  return variable;
}

/// A number, as one element of the variable.
static void parseElement(Lexer &lexer, Variable &variable) {
  bool isNegative = lexer.takeIf("-");
  Token number = lexer.token();
  uint64_t bits = 0;
  bool isSingle =
      number.text.starts_with("0f") || number.text.starts_with("0F");
  bool isDouble =
      number.text.starts_with("0d") || number.text.starts_with("0D");
  std::string hex =
      "0x" +
      std::string(number.text.substr(std::min<size_t>(2, number.text.size())));
  if (number.kind != Token::Kind::Number ||
      !parseInteger(isSingle || isDouble ? std::string_view(hex) : number.text,
                    bits)) {
    lexer.fail("expects a number (addresses as initial values are not "
               "supported), but got " +
               number.describe());
  }
  lexer.take();
  bits = isNegative ? 0 - bits : bits;
  if (variable.initial.size() + variable.elementBytes > kMostInitialised) {
    lexer.fail("expects fewer initial values");
  }
  for (uint32_t i = 0; i < variable.elementBytes; ++i) {
    variable.initial.push_back(uint8_t(i < 8 ? bits >> (8 * i) : 0));
  }
}

/// Numbers in braces. What an inner `{}` leaves out is zero: it fills as many
/// bytes as `sizes` says of its depth.
static void parseInitial(Lexer &lexer, Variable &variable,
                         const std::vector<uint64_t> &sizes, size_t depth) {
  if (!lexer.takeIf("{")) {
    parseElement(lexer, variable);
    return;
  }
  if (depth == sizes.size()) {
    lexer.fail("expects braces that are nested less deeply");
  }
  size_t start = variable.initial.size();
  if (!lexer.token().is("}")) {
    do {
      parseInitial(lexer, variable, sizes, depth + 1);
    } while (lexer.takeIf(","));
  }
  size_t given = variable.initial.size() - start;
  if (depth > 0) {
    if (given > sizes[depth]) {
      lexer.fail("expects at most " + std::to_string(sizes[depth]) +
                 " bytes of initial values in these braces, but got " +
                 std::to_string(given));
    }
    if (start + sizes[depth] > kMostInitialised) {
      lexer.fail("expects fewer initial values");
    }
    variable.initial.resize(start + sizes[depth], 0);
  }
  lexer.expect("}");
}

/// `[4][8]`; `[]` has no size. Gives the bytes of the whole, of a row and so on
/// down to one element.
static std::vector<uint64_t> parseExtents(Lexer &lexer, Variable &variable) {
  std::vector<uint64_t> extents;
  uint64_t element = variable.bytes;
  while (lexer.takeIf("[")) {
    uint64_t extent = 0;
    if (!lexer.token().is("]")) {
      extent = lexer.expectInteger("a size", kMostBytes);
    }
    lexer.expect("]");
    extents.push_back(extent);
    if (extents.size() > kMostExtents) {
      lexer.fail("expects fewer dimensions");
    }
  }
  std::vector<uint64_t> sizes{element};
  for (size_t i = extents.size(); i-- > 0;) {
    if (extents[i] && sizes.back() > kMostBytes / extents[i]) {
      lexer.fail("expects a variable of at most 2^40 bytes");
    }
    sizes.push_back(sizes.back() * extents[i]);
  }
  std::reverse(sizes.begin(), sizes.end());
  variable.bytes = sizes[0];
  return sizes;
}

std::vector<Variable> ptxsim::parseVariables(Lexer &lexer, Space space) {
  Variable type = parseType(lexer, space);
  std::vector<Variable> variables;
  do {
    Variable variable = type;
    Token name = lexer.expectName("a name");
    variable.name = name.text;
    variable.location = name.location;
    std::vector<uint64_t> sizes = parseExtents(lexer, variable);
    if (lexer.token().is("=")) {
      if (space != Space::Global && space != Space::Const) {
        lexer.fail("expects initial values for .global and .const only");
      }
      lexer.take();
      parseInitial(lexer, variable, sizes, 0);
      if (variable.bytes == 0) {
        variable.bytes = variable.initial.size();
      }
      if (variable.initial.size() > variable.bytes) {
        lexer.fail("expects at most " + std::to_string(variable.bytes) +
                   " bytes of initial values, but got " +
                   std::to_string(variable.initial.size()));
      }
      if (variable.bytes <= kMostInitialised) {
        variable.initial.resize(variable.bytes, 0);
      }
    }
    variables.push_back(std::move(variable));
  } while (lexer.takeIf(","));
  return variables;
}

std::vector<Variable> ptxsim::parseParameters(Lexer &lexer) {
  std::vector<Variable> parameters;
  if (!lexer.takeIf("(")) {
    return parameters;
  }
  if (lexer.takeIf(")")) {
    return parameters;
  }
  do {
    Token word = lexer.expectWord("'.param'");
    if (!word.is(".param") && !word.is(".reg")) {
      throw SyntaxError{word.location,
                        "expects '.param', but got " + word.describe()};
    }
    Variable variable = parseType(lexer, Space::Param);
    Token name = lexer.expectName("a name");
    variable.name = name.text;
    variable.location = name.location;
    parseExtents(lexer, variable);
    parameters.push_back(std::move(variable));
  } while (lexer.takeIf(","));
  lexer.expect(")");
  return parameters;
}
