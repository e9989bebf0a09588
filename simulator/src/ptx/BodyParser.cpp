//===- BodyParser.cpp - Statements of a function ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FunctionParser.h"

#include <bit>
#include <cstdlib>

using namespace ptxsim;

namespace {
/// Far more than any kernel; a text may not ask for any memory or time.
constexpr size_t kMostRegisters = 1 << 20;
constexpr size_t kMostScopes = 1 << 16;
constexpr unsigned kMostOpenScopes = 64;
constexpr unsigned kMostDepth = 8;
/// A register that is used takes some bytes of the text. Of others a module may
/// declare so many.
constexpr size_t kMostUnused = 1 << 16;
} // namespace

BodyParser::BodyParser(Lexer &lexer, Function &function, SourceLine &source,
                       size_t &numRegisters)
    : lexer(lexer), function(function), source(source),
      numRegisters(numRegisters) {
  scopes.emplace_back();
}

void BodyParser::parse() {
  lexer.expect("{");
  unsigned depth = 1;
  while (depth > 0) {
    if (lexer.token().kind == Token::Kind::End) {
      lexer.fail("expects '}', but got the end of the text");
    }
    if (lexer.takeIf("{")) {
      if (scopes.size() == kMostScopes) {
        lexer.fail("expects fewer scopes");
      }
      if (depth++ == kMostOpenScopes) {
        lexer.fail("expects braces that are nested less deeply");
      }
      scopes.emplace_back();
      scopes.back().parent = scope;
      scope = uint32_t(scopes.size()) - 1;
    } else if (lexer.takeIf("}")) {
      --depth;
      scope = scopes[scope].parent;
    } else {
      parseStatement();
    }
  }
  resolveLabels();
}

const std::string *
BodyParser::find(std::unordered_map<std::string, std::string> Scope::*names,
                 const std::string &name, uint32_t from) const {
  for (uint32_t s = from;; s = scopes[s].parent) {
    const auto &map = scopes[s].*names;
    if (auto it = map.find(name); it != map.end()) {
      return &it->second;
    }
    if (s == 0) {
      return nullptr;
    }
  }
}

std::string BodyParser::makeUnique(const std::string &name, bool isTaken) {
  return isTaken ? name + "@" + std::to_string(scope) : name;
}

void BodyParser::parseStatement() {
  if (lexer.takeIf(";")) {
    return;
  }
  Instruction instruction;
  instruction.location = lexer.token().location;
  if (lexer.takeIf("@")) {
    instruction.guardIsNegated = lexer.takeIf("!");
    Token name = lexer.expectWord("a predicate");
    const std::string *guard =
        find(&Scope::registers, std::string(name.text), scope);
    if (!guard) {
      throw SyntaxError{name.location,
                        "expects a declared predicate, but got " +
                            name.describe()};
    }
    instruction.guard = *guard;
  } else if (lexer.token().kind == Token::Kind::Word &&
             lexer.token().text.starts_with('.')) {
    if (parseDirective()) {
      return;
    }
    lexer.fail("does not know the directive " + lexer.token().describe());
  }
  Token name = lexer.expectWord("an instruction");
  if (instruction.guard.empty() && lexer.takeIf(":")) {
    parseLabel(name);
    return;
  }
  // "ld.global.f32"
  std::string_view text = name.text;
  size_t dot = text.find('.');
  instruction.opcode = text.substr(0, dot);
  while (dot != std::string_view::npos) {
    size_t next = text.find('.', dot + 1);
    std::string_view word = text.substr(dot + 1, next - dot - 1);
    if (word.empty()) {
      throw SyntaxError{name.location,
                        "expects an instruction, but got " + name.describe()};
    }
    instruction.modifiers.emplace_back(word);
    dot = next;
  }
  parseInstruction(std::move(instruction));
}

bool BodyParser::parseDirective() {
  Token word = lexer.token();
  Space space;
  if (word.is(".reg")) {
    lexer.take();
    parseRegisters();
  } else if (word.is(".loc")) {
    lexer.take();
    source = parseLoc(lexer);
  } else if (word.is(".pragma")) {
    lexer.take();
    do {
      lexer.take();
    } while (lexer.takeIf(","));
    lexer.expect(";");
  } else if (word.is(".file")) {
    lexer.fail("expects .file outside of functions");
  } else if (parseSpace(word.text, space)) {
    lexer.take();
    parseLocalVariables(space);
  } else {
    return false;
  }
  return true;
}

void BodyParser::declareRegister(const std::string &name, RegisterWidth width) {
  std::string unique = makeUnique(name, function.registers.count(name) > 0);
  scopes[scope].registers[name] = unique;
  function.registers[unique] = width;
  if (++numRegisters > kMostUnused + lexer.size()) {
    lexer.fail("expects at most " + std::to_string(kMostUnused + lexer.size()) +
               " registers in a module of this length");
  }
}

void BodyParser::parseRegisters() {
  Token type = lexer.expectWord("a type");
  static const std::pair<std::string_view, RegisterWidth> widths[] = {
      {".pred", RegisterWidth::Pred},  {".b8", RegisterWidth::B8},
      {".u8", RegisterWidth::B8},      {".s8", RegisterWidth::B8},
      {".b16", RegisterWidth::B16},    {".u16", RegisterWidth::B16},
      {".s16", RegisterWidth::B16},    {".f16", RegisterWidth::B16},
      {".bf16", RegisterWidth::B16},   {".b32", RegisterWidth::B32},
      {".u32", RegisterWidth::B32},    {".s32", RegisterWidth::B32},
      {".f32", RegisterWidth::B32},    {".f16x2", RegisterWidth::B32},
      {".bf16x2", RegisterWidth::B32}, {".b64", RegisterWidth::B64},
      {".u64", RegisterWidth::B64},    {".s64", RegisterWidth::B64},
      {".f64", RegisterWidth::B64},    {".b128", RegisterWidth::B128}};
  const auto *entry = std::begin(widths);
  while (entry != std::end(widths) && entry->first != type.text) {
    ++entry;
  }
  if (entry == std::end(widths)) {
    throw SyntaxError{type.location, "expects a type of registers, but got " +
                                         type.describe()};
  }
  do {
    std::string name(lexer.expectName("a name").text);
    if (!lexer.takeIf("<")) {
      declareRegister(name, entry->second);
      continue;
    }
    uint64_t count =
        lexer.expectInteger("a number of registers", kMostRegisters);
    lexer.expect(">");
    for (uint64_t i = 0; i < count; ++i) {
      declareRegister(name + std::to_string(i), entry->second);
    }
  } while (lexer.takeIf(","));
  lexer.expect(";");
}

void BodyParser::parseLocalVariables(Space space) {
  if (space != Space::Shared && space != Space::Local &&
      space != Space::Param) {
    lexer.fail("expects a variable of .shared, .local or .param inside of a "
               "function");
  }
  for (Variable &variable : parseVariables(lexer, space)) {
    bool isTaken = find(&Scope::variables, variable.name, scope) != nullptr;
    std::string unique = makeUnique(variable.name, isTaken);
    scopes[scope].variables[variable.name] = unique;
    variable.name = unique;
    function.variables.push_back(std::move(variable));
  }
  lexer.expect(";");
}

void BodyParser::parseLabel(const Token &name) {
  std::string text(name.text);
  if (text.find_first_of(".:") != std::string::npos) {
    throw SyntaxError{name.location,
                      "expects a label, but got " + name.describe()};
  }
  if (lexer.token().is(".branchtargets")) {
    lexer.take();
    std::vector<std::string> &targets = function.branchTargets[text];
    do {
      targets.emplace_back(lexer.expectWord("a label").text);
    } while (lexer.takeIf(","));
    lexer.expect(";");
    return;
  }
  if (lexer.token().is(".callprototype")) {
    lexer.fail("does not support indirect calls");
  }
  std::string unique = makeUnique(text, function.labels.count(text) > 0);
  if (scopes[scope].labels.count(text) || function.labels.count(unique)) {
    throw SyntaxError{name.location,
                      "label " + name.describe() + " is defined a second time"};
  }
  scopes[scope].labels[text] = unique;
  function.labels[unique] = uint32_t(function.body.size());
}

void BodyParser::parseInstruction(Instruction instruction) {
  instruction.source = source;
  if (!lexer.token().is(";")) {
    do {
      instruction.operands.push_back(parseOperand(0));
    } while (lexer.takeIf(","));
  }
  lexer.expect(";");
  function.body.push_back(std::move(instruction));
  scopeOf.push_back(scope);
}

std::vector<Operand> BodyParser::parseList(std::string_view close,
                                           unsigned depth) {
  std::vector<Operand> list;
  if (lexer.takeIf(close)) {
    return list;
  }
  do {
    list.push_back(parseOperand(depth + 1));
  } while (lexer.takeIf(","));
  lexer.expect(close);
  return list;
}

Operand BodyParser::parseOperand(unsigned depth) {
  Operand first = parsePlainOperand(depth);
  if (!lexer.takeIf("|")) {
    return first;
  }
  Operand pair;
  pair.kind = Operand::Kind::Pair;
  pair.location = first.location;
  pair.elements.push_back(std::move(first));
  pair.elements.push_back(parsePlainOperand(depth));
  return pair;
}

Operand BodyParser::parsePlainOperand(unsigned depth) {
  if (depth > kMostDepth) {
    lexer.fail("expects an operand that is nested less deeply");
  }
  Token token = lexer.token();
  if (lexer.takeIf("{") || lexer.takeIf("(")) {
    Operand operand;
    bool isVector = token.is("{");
    operand.kind = isVector ? Operand::Kind::Vector : Operand::Kind::Arguments;
    operand.location = token.location;
    operand.elements = parseList(isVector ? "}" : ")", depth);
    return operand;
  }
  if (token.is("[")) {
    return parseAddress(depth);
  }
  if (lexer.takeIf("!")) {
    return parseName(/*isNegated=*/true);
  }
  if (lexer.takeIf("-")) {
    return parseNumber(/*isNegative=*/true);
  }
  if (token.kind == Token::Kind::Number) {
    return parseNumber(/*isNegative=*/false);
  }
  return parseName(/*isNegated=*/false);
}

Operand BodyParser::parseNumber(bool isNegative) {
  Token token = lexer.token();
  Operand operand;
  operand.location = token.location;
  std::string_view text = token.text;
  auto isMarked = [&](char low, char high) {
    return text.size() > 2 && text[0] == '0' &&
           (text[1] == low || text[1] == high);
  };
  bool isHexFloat = isMarked('f', 'F') || isMarked('d', 'D');
  if (token.kind != Token::Kind::Number) {
    lexer.fail("expects a number, but got " + token.describe());
  }
  if (isHexFloat) {
    operand.kind = Operand::Kind::Float;
    operand.isSingle = isMarked('f', 'F');
    std::string hex = "0x" + std::string(text.substr(2));
    size_t digits = operand.isSingle ? 8 : 16;
    if (text.size() != digits + 2 || !parseInteger(hex, operand.bits)) {
      lexer.fail("expects " + std::to_string(digits) +
                 " hexadecimal digits, but got " + token.describe());
    }
    if (isNegative) {
      operand.bits ^= uint64_t(1) << (operand.isSingle ? 31 : 63);
    }
  } else if (parseInteger(text, operand.bits)) {
    operand.kind = Operand::Kind::Integer;
    if (isNegative) {
      operand.bits = 0 - operand.bits;
    }
  } else {
    operand.kind = Operand::Kind::Float;
    std::string copy(text);
    char *end = nullptr;
    double value = std::strtod(copy.c_str(), &end);
    if (text.find_first_of("xX") != std::string_view::npos ||
        end != copy.c_str() + copy.size()) {
      lexer.fail("expects a number, but got " + token.describe());
    }
    operand.bits = std::bit_cast<uint64_t>(isNegative ? -value : value);
  }
  lexer.take();
  return operand;
}

int64_t BodyParser::parseOffset() {
  // Sums wrap, as addresses do.
  uint64_t sum = 0;
  while (lexer.token().is("+") || lexer.token().is("-")) {
    bool isNegative = lexer.take().is("-");
    // LLVM prints [%rd1+-8].
    if (lexer.takeIf("-")) {
      isNegative = !isNegative;
    }
    uint64_t value = lexer.expectInteger("an offset", uint64_t(1) << 62);
    sum += isNegative ? 0 - value : value;
  }
  return int64_t(sum);
}

Operand BodyParser::parseName(bool isNegated) {
  Token token = lexer.expectWord("an operand");
  Operand operand;
  operand.location = token.location;
  operand.isNegated = isNegated;
  std::string name(token.text);
  if (name == "_") {
    operand.kind = Operand::Kind::Sink;
    return operand;
  }
  if (const std::string *unique = find(&Scope::registers, name, scope)) {
    operand.kind = Operand::Kind::Register;
    operand.name = *unique;
    return operand;
  }
  if (name[0] == '%' || name == "WARP_SZ") {
    operand.kind = Operand::Kind::Special;
    operand.name = std::move(name);
    return operand;
  }
  operand.kind = Operand::Kind::Symbol;
  const std::string *variable = find(&Scope::variables, name, scope);
  operand.name = variable ? *variable : name;
  operand.offset = parseOffset();
  return operand;
}

Operand BodyParser::parseAddress(unsigned depth) {
  Operand operand;
  operand.kind = Operand::Kind::Address;
  operand.location = lexer.expect("[").location;
  Operand base = parsePlainOperand(depth + 1);
  uint64_t offset = base.kind == Operand::Kind::Symbol ? base.offset : 0;
  base.offset = 0;
  operand.offset = int64_t(offset + uint64_t(parseOffset()));
  operand.elements.push_back(std::move(base));
  if (lexer.takeIf(",")) {
    operand.elements.push_back(parseOperand(depth + 1));
  }
  lexer.expect("]");
  return operand;
}

void BodyParser::resolveLabels() {
  for (size_t i = 0; i < function.body.size(); ++i) {
    for (Operand &operand : function.body[i].operands) {
      resolveLabels(operand, scopeOf[i]);
    }
  }
}

void BodyParser::resolveLabels(Operand &operand, uint32_t from) {
  for (Operand &element : operand.elements) {
    resolveLabels(element, from);
  }
  if (operand.kind == Operand::Kind::Symbol) {
    if (const std::string *label = find(&Scope::labels, operand.name, from)) {
      operand.name = *label;
    }
  }
}
