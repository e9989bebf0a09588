//===- BitArithmetic.cpp - Floating-point formats by integer arithmetic ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/BitArithmetic.h"

using namespace attn;

Value attn::truncateToFloat8(Bits &e, Value value, FloatType type) {
  const llvm::fltSemantics &format = type.getFloatSemantics();
  int mantissa = int(type.getFPMantissaWidth()) - 1;
  int minExponent = llvm::APFloat::semanticsMinExponent(format);
  unsigned shift = 23 - mantissa;
  // Exponents as an f32 stores them: of the smallest normal number, which the
  // type stores as 1.
  uint32_t smallest = uint32_t(127 + minExponent) << 23;
  Value bits = e.toInt(value);
  Value magnitude = e.mask(bits, 0x7fffffff);
  Value sign = e.mask(e.right(bits, 24), 0x80);
  Value odd = e.mask(e.right(magnitude, shift), 1);
  uint32_t half = (1u << (shift - 1)) - 1, rebias = smallest - (1u << 23);
  Value normal =
      e.right(e.add(e.add(magnitude, odd), e.i(half - rebias)), shift);
  // Adding a number whose last digit is the type's smallest one rounds to
  // multiples of that and leaves them in the low bits.
  float large = std::ldexp(1.0f, minExponent - mantissa + 23);
  Value small = arith::AddFOp::create(e.b, e.toFloat(magnitude), e.f(large));
  small = e.add(e.toInt(small), e.i(-llvm::bit_cast<uint32_t>(large)));
  using P = arith::CmpIPredicate;
  Value r = e.select(e.cmp(P::ult, magnitude, smallest), small, normal);
  // Half a step past the largest number is a tie, and goes to the even one of
  // the two: where there is no infinity that is the largest number itself.
  bool isFinite = isa<Float8E4M3FNType>(type);
  float largest = llvm::APFloat::getLargest(format).convertToFloat();
  float step = std::ldexp(1.0f, std::ilogb(largest) - mantissa);
  uint32_t tie = llvm::bit_cast<uint32_t>(largest + step / 2);
  uint32_t infinity = 0x7f >> mantissa << mantissa;
  r = isFinite ? e.select(e.cmp(P::ugt, magnitude, tie), e.i(0x7f), r)
               : e.select(e.cmp(P::uge, magnitude, tie), e.i(infinity), r);
  r = e.select(e.cmp(P::ugt, magnitude, 0x7f800000),
               e.i(isFinite ? 0x7f : infinity | 1u << (mantissa - 1)), r);
  r = arith::TruncIOp::create(e.b, e.like(e.b.getI8Type()), e.either(r, sign));
  return arith::BitcastOp::create(e.b, e.like(type), r);
}
