//===- Operands.h - Operands of plain instructions --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What decoders of `op.type d, a, b;` share. Handlers made by Lanewise.h trust
// that each operand has the lanes of its type: these functions see to it.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_OPERANDS_H
#define PTXSIM_OPS_OPERANDS_H

#include "program/Decode.h"

#include <initializer_list>

namespace ptxsim {

inline constexpr Type kU16{Type::Kind::Unsigned, 16, 1};
inline constexpr Type kU32{Type::Kind::Unsigned, 32, 1};
inline constexpr Type kB32{Type::Kind::Bits, 32, 1};
inline constexpr Type kB64{Type::Kind::Bits, 64, 1};

/// A source or destination whose lanes are those of the type (4 bytes up to 32
/// bits, 8 for 64); refuses wider registers.
Ref exactSrc(Builder &builder, const Operand &operand, const Type &type);
Ref exactDst(Builder &builder, const Operand &operand, const Type &type);

/// One destination, then one source per type: no more, no fewer.
void setPlain(const Instruction &text, Builder &builder, Inst &inst,
              const Type &d, std::initializer_list<Type> s);

/// Signed, unsigned or plain bits, one element of 16 to 64 bits.
inline bool isInteger(const Type &type) {
  return type.packed == 1 && type.bits >= 16 && type.bits <= 64 &&
         (type.kind == Type::Kind::Signed ||
          type.kind == Type::Kind::Unsigned || type.kind == Type::Kind::Bits);
}

[[noreturn]] void failType(const Instruction &text);

/// f(T()) with the C++ type of the width.
template <class F>
void withUnsigned(const Instruction &text, const Type &type, F f) {
  switch (type.bits) {
  case 16:
    return f(uint16_t());
  case 32:
    return f(uint32_t());
  case 64:
    return f(uint64_t());
  default:
    failType(text);
  }
}
template <class F>
void withInteger(const Instruction &text, const Type &type, F f) {
  if (type.kind != Type::Kind::Signed) {
    return withUnsigned(text, type, f);
  }
  switch (type.bits) {
  case 16:
    return f(int16_t());
  case 32:
    return f(int32_t());
  case 64:
    return f(int64_t());
  default:
    failType(text);
  }
}

} // namespace ptxsim

#endif // PTXSIM_OPS_OPERANDS_H
