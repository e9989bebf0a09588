//===- FunctionParser.h - Declarations and bodies ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PTX_FUNCTIONPARSER_H
#define PTXSIM_PTX_FUNCTIONPARSER_H

#include "Lexer.h"

#include <unordered_map>
#include <vector>

namespace ptxsim {

/// Behind `.loc`.
SourceLine parseLoc(Lexer &lexer);

/// Behind the space: `.align 16 .b8 smem[1024] = {..}, other;` without the
/// semicolon. Values are for .global and .const.
std::vector<Variable> parseVariables(Lexer &lexer, Space space);
/// `(.param .u64 p, ..)`, or nothing.
std::vector<Variable> parseParameters(Lexer &lexer);
/// "global" to its space.
bool parseSpace(std::string_view word, Space &space);

/// The body of a function, from its `{` to its `}`.
class BodyParser {
public:
  /// Counts registers in `numRegisters`, over all functions of the module.
  BodyParser(Lexer &lexer, Function &function, SourceLine &source,
             size_t &numRegisters);

  void parse();

private:
  /// A `{}`. Names of inner ones hide outer ones.
  struct Scope {
    uint32_t parent = 0;
    std::unordered_map<std::string, std::string> registers, variables, labels;
  };

  void parseStatement();
  void parseRegisters();
  void declareRegister(const std::string &name, RegisterWidth width);
  void parseLocalVariables(Space space);
  bool parseDirective();
  void parseLabel(const Token &name);
  void parseInstruction(Instruction instruction);
  Operand parseOperand(unsigned depth);
  Operand parsePlainOperand(unsigned depth);
  Operand parseNumber(bool isNegative);
  Operand parseName(bool isNegated);
  Operand parseAddress(unsigned depth);
  std::vector<Operand> parseList(std::string_view close, unsigned depth);
  int64_t parseOffset();
  const std::string *
  find(std::unordered_map<std::string, std::string> Scope::*names,
       const std::string &name, uint32_t scope) const;
  std::string makeUnique(const std::string &name, bool isTaken);
  void resolveLabels();
  void resolveLabels(Operand &operand, uint32_t scope);

  Lexer &lexer;
  Function &function;
  SourceLine &source;
  size_t &numRegisters;
  std::vector<Scope> scopes;
  uint32_t scope = 0;
  /// By instruction: the scope it stands in, for labels further down.
  std::vector<uint32_t> scopeOf;
};

} // namespace ptxsim

#endif // PTXSIM_PTX_FUNCTIONPARSER_H
