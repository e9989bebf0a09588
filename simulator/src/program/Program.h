//===- Program.h - A kernel that is ready to run ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decoded instructions: a handler and where its operands are. Everything that
// can be known before the launch is known here.
//
// Lanes. The 32 lanes of a register lie side by side: 4 bytes each for
// registers of up to 32 bits (narrower values are zero-extended), 8 bytes for
// 64, 16 for 128. Immediates and addresses of variables are constants with 32
// equal lanes, so that handlers need no special case. Predicates are masks.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PROGRAM_PROGRAM_H
#define PTXSIM_PROGRAM_PROGRAM_H

#include "ptxsim/Ast.h"
#include "ptxsim/Stats.h"
#include <bit>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ptxsim {

struct Warp;
struct Inst;

constexpr unsigned kLanes = 32;
/// Bit l: lane l.
using Mask = uint32_t;
constexpr Mask kAllLanes = ~Mask(0);

/// f(lane) for the lanes of a mask, from the lowest on.
template <class F> void forEachLane(Mask lanes, F f) {
  for (Mask left = lanes; left; left &= left - 1) {
    f(unsigned(std::countr_zero(left)));
  }
}

/// Those lanes of a mask that isWanted(lane) says.
template <class F> Mask selectLanes(Mask lanes, F isWanted) {
  Mask wanted = 0;
  forEachLane(lanes, [&](unsigned l) { wanted |= Mask(isWanted(l)) << l; });
  return wanted;
}

/// What becomes of a warp behind an instruction.
enum class Step : uint8_t {
  Next,  // go on
  Jump,  // the handler has set where to
  Wait,  // blocked: the same instruction runs again when something has changed
  Block, // blocked: goes on behind it when it is woken
  Yield, // go on, but let others run first
  Poll,  // the same, and nothing will change until others have done something
};

using Handler = Step (*)(Warp &, const Inst &);

constexpr uint32_t kNoRegister = ~uint32_t(0);

/// An operand of a decoded instruction.
struct Ref {
  enum class File : uint8_t { None, Lanes, Constant, Predicate, True };
  File file = File::None;
  uint8_t laneBytes = 4;
  /// `!%p`.
  bool isNegated = false;
  /// Lanes, Constant: bytes from the start of the file. Predicate: its number.
  uint32_t offset = 0;
  /// The register's number, for checks.
  uint32_t reg = kNoRegister;

  explicit operator bool() const { return file != File::None; }
};

/// Decoded parts that a family needs beside operands; owned by the program.
struct InstData {
  virtual ~InstData() = default;
};

struct Inst {
  Handler run = nullptr;
  Ref guard;
  /// Destinations and sources, in the order that the family's decoder gave.
  std::span<const Ref> d, s;
  /// Registers that are read or written besides, so that they keep their place:
  /// whether they hold anything is up to the handler.
  std::span<const Ref> alsoRead;
  /// Small facts for the handler.
  int64_t imm = 0;
  uint32_t flags = 0;
  const InstData *data = nullptr;
  InstClass kind = InstClass::Integer;
  /// Control flow: whether lanes go elsewhere, where to (one place; brx has a
  /// table), and where they meet again.
  enum class Flow : uint8_t { Next, Branch, End } flow = Flow::Next;
  std::vector<uint32_t> targets;
  uint32_t meet = 0;
  /// Every lane of the warp must take part (`.aligned`, mma, ldmatrix).
  bool needsAllLanes = false;
  /// None of them may have ended either: each holds a part of a matrix.
  bool needsWholeWarp = false;
  /// wgmma: fills its destinations some time before wgmma.wait_group.
  bool isProduct = false, awaitsProducts = false;
  /// mov of one value.
  bool isCopy = false;
  /// Products of matrices: multiply-adds of one warp, and of what type.
  uint64_t macs = 0;
  std::string_view macType;
  const Instruction *text = nullptr;

  uint32_t line() const { return text->location.line; }
};

/// A variable's place in the memory of its space.
struct Placed {
  const Variable *variable;
  uint64_t offset;
};

struct Program {
  const Module *module = nullptr;
  const Function *function = nullptr;
  std::vector<Inst> code;

  /// Bytes of a warp's registers, number of its predicates and of all
  /// registers.
  uint32_t registerBytes = 0, numPredicates = 0, numRegisters = 0;
  std::vector<std::byte> constants;
  /// Whether it has wgmma.
  bool hasProducts = false;
  /// By register: whether any instruction writes it.
  std::vector<bool> isWritten;
  /// Names of registers, by number.
  std::vector<std::string> registerNames;

  /// Static shared memory, then dynamic (extern) at `dynamicShared`.
  std::vector<Placed> shared, local, parameters;
  uint32_t staticSharedBytes = 0, localBytes = 0, parameterBytes = 0;

  /// Special registers that are read, filled when a warp starts.
  std::vector<std::pair<std::string, Ref>> specials;

  uint32_t indexOf(const Inst &inst) const {
    return uint32_t(&inst - code.data());
  }

  std::deque<std::vector<Ref>> refs;
  std::vector<std::unique_ptr<InstData>> data;
};

} // namespace ptxsim

#endif // PTXSIM_PROGRAM_PROGRAM_H
