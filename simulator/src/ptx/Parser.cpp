//===- Parser.cpp - Module scope ----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Parser.h"

#include "FunctionParser.h"

#include <algorithm>
#include <unordered_map>

using namespace ptxsim;

std::string Instruction::name() const {
  std::string text = opcode;
  for (const std::string &word : modifiers) {
    text += "." + word;
  }
  return text;
}

bool Instruction::has(std::string_view modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) !=
         modifiers.end();
}

const Function *Module::findFunction(std::string_view name) const {
  for (const Function &function : functions) {
    if (function.name == name) {
      return &function;
    }
  }
  return nullptr;
}

namespace {

/// Of .global and .const variables, all together.
constexpr uint64_t kMostVariableBytes = uint64_t(1) << 30;

class ModuleParser {
public:
  explicit ModuleParser(std::string_view text) : lexer(text) {}

  Module parse();

private:
  void parseVersion();
  void parseTarget();
  void parseSection();
  void parseFunction(bool isEntry, bool isExternal);
  void parseModuleVariables(Space space, bool isExternal);
  void parseDirectives(Function &function);
  void parseShape(uint32_t (&shape)[3]);

  Lexer lexer;
  Module module;
  SourceLine source;
  /// By name: index into Module::functions.
  std::unordered_map<std::string, size_t> functions;
  size_t numRegisters = 0;
  uint64_t variableBytes = 0;
};

} // namespace

void ModuleParser::parseVersion() {
  Token token = lexer.token();
  size_t dot = token.text.find('.');
  uint64_t major = 0, minor = 0;
  if (token.kind != Token::Kind::Number || dot == std::string_view::npos ||
      !parseInteger(token.text.substr(0, dot), major) ||
      !parseInteger(token.text.substr(dot + 1), minor) || major > 99 ||
      minor > 99) {
    lexer.fail("expects a version such as 8.3, but got " + token.describe());
  }
  lexer.take();
  module.versionMajor = uint32_t(major);
  module.versionMinor = uint32_t(minor);
}

void ModuleParser::parseTarget() {
  Token chip = lexer.expectWord("a target such as sm_80");
  std::string_view digits = chip.text;
  bool isChip = digits.starts_with("sm_");
  digits.remove_prefix(isChip ? 3 : 0);
  while (!digits.empty() && (digits.back() == 'a' || digits.back() == 'f')) {
    digits.remove_suffix(1);
  }
  uint64_t number;
  if (!isChip || !parseInteger(digits, number) || number > 999) {
    throw SyntaxError{chip.location,
                      "expects a target such as sm_80, but got " +
                          chip.describe()};
  }
  module.target = chip.text;
  module.chip = uint32_t(number);
  while (lexer.takeIf(",")) {
    lexer.expectWord("an option of the target");
  }
}

/// Debug information is not looked at.
void ModuleParser::parseSection() {
  lexer.expectWord("a name");
  lexer.expect("{");
  for (unsigned depth = 1; depth > 0;) {
    Token token = lexer.take();
    if (token.kind == Token::Kind::End) {
      lexer.fail("expects '}', but got the end of the text");
    }
    depth += token.is("{");
    depth -= token.is("}");
  }
}

void ModuleParser::parseShape(uint32_t (&shape)[3]) {
  std::fill(std::begin(shape), std::end(shape), 1);
  unsigned i = 0;
  do {
    if (i == 3) {
      lexer.fail("expects up to three numbers");
    }
    shape[i++] = uint32_t(lexer.expectInteger("a number", 1u << 20));
  } while (lexer.takeIf(","));
}

void ModuleParser::parseDirectives(Function &function) {
  while (lexer.token().kind == Token::Kind::Word) {
    Token word = lexer.take();
    uint32_t ignored[3];
    if (word.is(".reqntid")) {
      parseShape(function.requiredThreads);
    } else if (word.is(".maxntid")) {
      parseShape(function.maxThreads);
    } else if (word.is(".minnctapersm") || word.is(".maxnctapersm")) {
      function.minCtasPerSm =
          uint32_t(lexer.expectInteger("a number", 1u << 20));
    } else if (word.is(".maxnreg")) {
      function.maxRegisters =
          uint32_t(lexer.expectInteger("a number", 1u << 20));
    } else if (word.is(".reqnctapercluster")) {
      parseShape(function.requiredCluster);
    } else if (word.is(".maxclusterrank")) {
      parseShape(ignored);
    } else if (word.is(".explicitcluster")) {
      function.isExplicitCluster = true;
    } else if (word.is(".pragma")) {
      do {
        lexer.take();
      } while (lexer.takeIf(","));
      lexer.expect(";");
    } else if (!word.is(".noreturn") && !word.is(".blocksareclusters")) {
      throw SyntaxError{word.location,
                        "does not know the directive " + word.describe()};
    }
  }
}

void ModuleParser::parseFunction(bool isEntry, bool isExternal) {
  Function function;
  function.isEntry = isEntry;
  if (!isEntry) {
    // `(.param .b32 r)` in front of the name.
    function.returns = parseParameters(lexer);
  }
  Token name = lexer.expectName("the name of a function");
  function.name = name.text;
  function.location = name.location;
  function.parameters = parseParameters(lexer);
  parseDirectives(function);
  if (lexer.takeIf(";")) {
    function.isExternal = true;
  } else {
    function.isExternal = isExternal;
    source = SourceLine();
    BodyParser(lexer, function, source, numRegisters).parse();
  }
  // A declaration may stand before the definition.
  auto [known, isNew] =
      functions.try_emplace(function.name, module.functions.size());
  if (isNew) {
    module.functions.push_back(std::move(function));
  } else if (module.functions[known->second].isExternal) {
    module.functions[known->second] = std::move(function);
  } else if (!function.isExternal) {
    throw SyntaxError{name.location, "function " + name.describe() +
                                         " is defined a second time"};
  }
}

void ModuleParser::parseModuleVariables(Space space, bool isExternal) {
  for (Variable &variable : parseVariables(lexer, space)) {
    variable.isExternal = isExternal;
    if (space == Space::Global || space == Space::Const) {
      variableBytes += variable.bytes;
    }
    if (variableBytes > kMostVariableBytes) {
      throw SyntaxError{variable.location,
                        "expects at most " +
                            std::to_string(kMostVariableBytes) +
                            " bytes of variables in a module"};
    }
    module.variables.push_back(std::move(variable));
  }
  lexer.expect(";");
}

Module ModuleParser::parse() {
  while (lexer.token().kind != Token::Kind::End) {
    bool isExternal = false;
    Token word = lexer.expectWord("a directive");
    while (word.is(".visible") || word.is(".weak") || word.is(".common") ||
           word.is(".extern")) {
      isExternal |= word.is(".extern");
      word = lexer.expectWord("a directive");
    }
    Space space;
    if (word.is(".version")) {
      parseVersion();
    } else if (word.is(".target")) {
      parseTarget();
    } else if (word.is(".address_size")) {
      module.addressBits = uint32_t(lexer.expectInteger("32 or 64", 64));
      if (module.addressBits != 64) {
        throw SyntaxError{word.location, "expects 64-bit addresses"};
      }
    } else if (word.is(".file")) {
      uint32_t number =
          uint32_t(lexer.expectInteger("a file number", 1u << 30));
      if (lexer.token().kind != Token::Kind::String) {
        lexer.fail("expects a file name, but got " + lexer.token().describe());
      }
      module.files[number] = lexer.take().text;
      while (lexer.takeIf(",")) {
        lexer.expectInteger("a number");
      }
    } else if (word.is(".section")) {
      parseSection();
    } else if (word.is(".pragma")) {
      lexer.take();
      lexer.expect(";");
    } else if (word.is(".loc")) {
      parseLoc(lexer);
    } else if (word.is(".entry") || word.is(".func")) {
      parseFunction(word.is(".entry"), isExternal);
    } else if (parseSpace(word.text, space) && space != Space::Generic) {
      parseModuleVariables(space, isExternal);
    } else {
      throw SyntaxError{word.location,
                        "does not know the directive " + word.describe()};
    }
  }
  return std::move(module);
}

Result<Module> ptxsim::parseModule(std::string_view text) {
  try {
    return ModuleParser(text).parse();
  } catch (const SyntaxError &error) {
    return Error{"line " + std::to_string(error.location.line) + ", column " +
                 std::to_string(error.location.column) + ": " + error.message};
  }
}
