//===- Operands.cpp - Operands of plain instructions --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Operands.h"

using namespace ptxsim;

static void expectLanes(const Operand &operand, const Ref &ref,
                        const Type &type) {
  unsigned bits = type.totalBits();
  unsigned expected = bits <= 32 ? 4 : bits <= 64 ? 8 : 16;
  if (ref.laneBytes != expected) {
    Builder::fail("expects a register of " + std::to_string(bits) +
                  " bits, but got '" + operand.name + "'");
  }
}

Ref ptxsim::exactSrc(Builder &builder, const Operand &operand,
                     const Type &type) {
  if (operand.kind == Operand::Kind::Float && type.bits < 32) {
    Builder::fail("expects a register or the bits of a 16-bit number, but got "
                  "a floating-point literal");
  }
  Ref ref = builder.src(operand, type);
  expectLanes(operand, ref, type);
  return ref;
}

Ref ptxsim::exactDst(Builder &builder, const Operand &operand,
                     const Type &type) {
  Ref ref = builder.dst(operand, type.totalBits());
  expectLanes(operand, ref, type);
  return ref;
}

void ptxsim::setPlain(const Instruction &text, Builder &builder, Inst &inst,
                      const Type &d, std::initializer_list<Type> s) {
  Builder::expectOperands(text, s.size() + 1, s.size() + 1);
  std::vector<Ref> sources;
  for (const Type &type : s) {
    sources.push_back(
        exactSrc(builder, text.operands[sources.size() + 1], type));
  }
  builder.setOperands(inst, {exactDst(builder, text.operands[0], d)},
                      std::move(sources));
}

void ptxsim::failType(const Instruction &text) {
  Builder::fail("does not know the type of '" + text.name() + "'");
}
