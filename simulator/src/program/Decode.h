//===- Decode.h - From text to handlers -------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A family of instructions (src/ops, a file or a few) gives a decoder for each
// of its opcodes. It looks at modifiers and operands, picks a handler and says
// where operands are through the Builder. What it does not know, it refuses.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PROGRAM_DECODE_H
#define PTXSIM_PROGRAM_DECODE_H

#include "Program.h"
#include "ptxsim/Device.h"
#include "ptxsim/Result.h"
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace ptxsim {

/// A scalar type of an opcode: "s32", "bf16x2", "pred".
struct Type {
  enum class Kind : uint8_t {
    Unsigned,
    Signed,
    Bits,
    Float,
    BFloat,
    Tf32,
    E4M3,
    E5M2,
    Pred
  };
  Kind kind = Kind::Bits;
  uint8_t bits = 32;
  /// 2 for f16x2, bf16x2, e4m3x2; 4 for s8x4.
  uint8_t packed = 1;

  bool isFloat() const { return kind == Kind::Float; }
  bool isSigned() const { return kind == Kind::Signed; }
  /// Of the whole, packed or not.
  unsigned totalBits() const { return unsigned(bits) * packed; }
  bool operator==(const Type &) const = default;
};
std::optional<Type> parseType(std::string_view word);

/// Thrown inside of decoders only; decode() makes an Error of it.
struct DecodeError {
  std::string message;
};

/// Where variables of modules lie.
struct SymbolTable {
  virtual ~SymbolTable() = default;
  /// Address of a .global or .const variable, by its space's window.
  virtual std::optional<uint64_t> address(std::string_view name) const = 0;
};

/// Words of an opcode, taken one by one. done() refuses what is left.
class Words {
public:
  explicit Words(const Instruction &instruction);
  /// Takes the first of `options` that is there anywhere; empty if none is.
  std::string_view take(std::initializer_list<std::string_view> options);
  bool take(std::string_view word) { return !take({word}).empty(); }
  /// Takes the next word that is a type.
  Type takeType();
  std::optional<Type> tryType();
  /// "v2" -> 2, "v4" -> 4, "v8"; else 1.
  unsigned takeVector();
  void done() const;

private:
  const Instruction &instruction;
  std::vector<std::string_view> left;
};

class Builder {
public:
  Builder(Program &program, const SymbolTable &symbols);

  /// A register that is written (`_`: a register that nobody reads). Its lanes
  /// hold at least `bits`.
  Ref dst(const Operand &operand, unsigned bits);
  /// A source: register, special register, immediate, symbol. An immediate is
  /// stored as the type says (an f32 for Float 32; a negative integer in two's
  /// complement of the lane).
  Ref src(const Operand &operand, const Type &type);
  /// A predicate that is written or read; `!%p` and immediates as sources.
  Ref predDst(const Operand &operand);
  Ref predSrc(const Operand &operand);
  /// Elements of {a, b}, or the operand itself.
  std::span<const Operand> elements(const Operand &operand);
  /// Base of an address: a register or a constant of 8-byte lanes; its offset
  /// goes to `offset`. The base of `[smem+16]` is a constant.
  Ref address(const Operand &operand, int64_t &offset);
  /// 32 equal lanes.
  Ref constant(uint64_t value, unsigned laneBytes);
  /// An integer that must be known while decoding.
  int64_t immediate(const Operand &operand);
  /// Label to index.
  uint32_t label(const Operand &operand);

  template <class T> T &makeData(Inst &inst) {
    auto owned = std::make_unique<T>();
    T &result = *owned;
    inst.data = owned.get();
    program.data.push_back(std::move(owned));
    return result;
  }

  /// Operands of the instruction in work. A Ref has no place before slots are
  /// given out: handlers read Inst::d and Inst::s, and no copy in Inst::data.
  void setOperands(Inst &inst, std::vector<Ref> d, std::vector<Ref> s);

  void setAlsoRead(Inst &inst, std::vector<Ref> refs);

  [[noreturn]] static void fail(std::string message);
  /// Fails unless the instruction has from `least` to `most` operands.
  static void expectOperands(const Instruction &instruction, size_t least,
                             size_t most);

  Program &program;

private:
  Ref registerRef(const Operand &operand);
  Ref special(const Operand &operand);
  uint64_t symbolAddress(const Operand &operand);

  const SymbolTable &symbols;
  std::unordered_map<std::string, Ref> registers;
  std::map<std::pair<uint64_t, unsigned>, Ref> constants;
};

/// False: another family has these types. Throws DecodeError (Builder::fail) if
/// it is this family's and wrong.
using Decoder = bool (*)(const Instruction &, Builder &, Inst &);
/// Opcode ("ld") to the decoders of the families that share it.
using DecoderTable = std::unordered_map<std::string_view, std::vector<Decoder>>;
const DecoderTable &decoders();

/// Bytes of shared memory that a kernel has without the dynamic part.
uint32_t countStaticSharedBytes(const Module &module, const Function &function);

/// Checks and decodes a kernel. The module outlives the program.
Result<std::unique_ptr<Program>> decode(const Module &module,
                                        const Function &function,
                                        const SymbolTable &symbols);

/// Sets Inst::meet of branches: the immediate post-dominator of each.
void setMeetingPoints(Program &program);
/// Gives registers that do not live at the same time the same place.
void allocateSlots(Program &program);

} // namespace ptxsim

#endif // PTXSIM_PROGRAM_DECODE_H
