//===- Ast.h - PTX text as data --------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What parseModule() makes of PTX text. Plain data that owns everything it
// holds; names are those of the text. Nothing here knows what an instruction
// means: opcodes and modifiers are kept as words, and types are read from them
// and never from a register's declaration (LLVM declares f32 values as .b32).
//
// Section numbers of the form [9.7.1] are those of the PTX ISA manual, 9.x.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_AST_H
#define PTXSIM_AST_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ptxsim {

/// Line and column of the PTX text, from 1.
struct Location {
  uint32_t line = 0, column = 0;
};

/// What the last `.loc` before an instruction says; file 0: nothing.
struct SourceLine {
  uint32_t file = 0; // key of Module::files
  uint32_t line = 0, column = 0;
};

enum class Space : uint8_t { Generic, Const, Global, Local, Param, Shared };

/// One operand as it is written.
struct Operand {
  enum class Kind : uint8_t {
    Register,  // %r1, a declared name (also of a predicate)
    Special,   // %tid.x, %laneid, %clock64, WARP_SZ
    Integer,   // 7, -7, 0x1F, 0b101, 017, constant expressions of them
    Float,     // 0f3F800000, 0d3FF0000000000000, 1.5
    Symbol,    // a variable, a function or a label, with an offset: smem+16
    Address,   // [x], [x+16], [smem], [tensorMap, {c0, c1}]
    Vector,    // {a, b}; elements
    Pair,      // d|p; two elements
    Sink,      // _
    Arguments, // (a, b) of a call; elements
  };
  Kind kind = Kind::Sink;
  Location location;
  /// Register, Special (with its part: "%tid.x"), Symbol. Registers declared in
  /// an inner scope have a name of their own ("%r1@2", see
  /// Function::registers).
  std::string name;
  /// Integer: two's complement. Float: the bits, as f32 if `isSingle`, else
  /// f64.
  uint64_t bits = 0;
  bool isSingle = false;
  /// `!%p` as a source.
  bool isNegated = false;
  /// Symbol and Address: bytes added.
  int64_t offset = 0;
  /// Address: [0] the base (Register, Symbol or Integer), [1] if given what
  /// follows the comma (a Vector of coordinates or a Register).
  std::vector<Operand> elements;
};

struct Instruction {
  /// The word before the first dot: "ld".
  std::string opcode;
  /// The others, as written and without dots: {"global", "v4", "f32"};
  /// "shared::cta" is one.
  std::vector<std::string> modifiers;
  /// `@%p` or `@!%p`; empty if there is none.
  std::string guard;
  bool guardIsNegated = false;
  std::vector<Operand> operands;
  Location location;
  SourceLine source;

  /// "ld.global.v4.f32"
  std::string name() const;
  bool has(std::string_view modifier) const;
};

/// Width of a declared register or of an element of a variable. Predicates have
/// their own.
enum class RegisterWidth : uint8_t { Pred, B8, B16, B32, B64, B128 };

/// A variable of some space: `.shared .align 16 .b8 smem[1024];`, a parameter.
struct Variable {
  std::string name;
  Space space = Space::Global;
  Location location;
  uint32_t align = 1;
  /// Bytes of one element, and of all. 0: `.extern .shared .b8 smem[];`.
  uint32_t elementBytes = 1;
  uint64_t bytes = 0;
  /// Given values in memory order, `bytes` long; empty if there are none.
  std::vector<uint8_t> initial;
  bool isExternal = false;
  /// `.param .u64 .ptr .global .align 16 p`: what the pointer points to.
  std::optional<Space> pointerSpace;
};

struct Function {
  std::string name;
  Location location;
  bool isEntry = false;
  /// Only a declaration.
  bool isExternal = false;
  std::vector<Variable> parameters, returns;
  /// Every register, inner scopes included.
  std::map<std::string, RegisterWidth, std::less<>> registers;
  /// Variables declared in the body (.shared, .local, .param of calls). A name
  /// of an inner scope that hides another is made its own, as for registers.
  std::vector<Variable> variables;
  std::vector<Instruction> body;
  /// Index into `body` of the instruction behind the label; body.size() at the
  /// end.
  std::map<std::string, uint32_t, std::less<>> labels;
  /// `ts: .branchtargets a, b;`
  std::map<std::string, std::vector<std::string>, std::less<>> branchTargets;
  /// Directives; 0: not given. Absent dimensions are 1.
  uint32_t requiredThreads[3] = {0, 0, 0}; // .reqntid
  uint32_t maxThreads[3] = {0, 0, 0};      // .maxntid
  uint32_t minCtasPerSm = 0;               // .minnctapersm
  uint32_t maxRegisters = 0;               // .maxnreg
  uint32_t requiredCluster[3] = {0, 0, 0}; // .reqnctapercluster
  bool isExplicitCluster = false;          // .explicitcluster
};

struct Module {
  uint32_t versionMajor = 0, versionMinor = 0;
  /// "sm_90a" and its number 90.
  std::string target;
  uint32_t chip = 0;
  uint32_t addressBits = 64;
  /// `.file 1 "kernel.cu"`
  std::map<uint32_t, std::string> files;
  /// Module scope.
  std::vector<Variable> variables;
  std::vector<Function> functions;

  const Function *findFunction(std::string_view name) const;
};

} // namespace ptxsim

#endif // PTXSIM_AST_H
