//===- Numbers.h - Formats of numbers and probes' inputs --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The inputs of a probe are made from a line of its header, the same on every
// host. TYPE is u8 .. u64, s8 .. s64, f16, bf16, f32 or f64:
//
//     values TYPE v v v            numbers, or bits as 0x7fc00000
//     ramp TYPE COUNT [start=] [step=]           start + i * step, which wraps
//     random TYPE COUNT [seed=]                  random bits
//     whole TYPE COUNT from= to= [seed=]         random whole numbers
//     spread TYPE COUNT from= to=                evenly over the range
//     corners TYPE COUNT [slow=N]  0, limits, NaN ..: 16 of them in turn, each
//                                  one 16^N times
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_NUMBERS_H
#define PTXSIM_TEST_GOLDEN_NUMBERS_H

#include "ptxsim/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim::golden {

struct NumberType {
  std::string name;
  unsigned bits = 32;
  /// 0 for integers.
  unsigned exponentBits = 0;
  bool isSigned = false;

  bool isFloat() const { return exponentBits != 0; }
  unsigned mantissaBits() const { return bits - 1 - exponentBits; }
  uint64_t mask() const {
    return bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  }
  uint64_t signBit() const { return uint64_t(1) << (bits - 1); }
  /// The bits of infinity.
  uint64_t infinity() const {
    return ((uint64_t(1) << exponentBits) - 1) << mantissaBits();
  }
  bool isNan(uint64_t code) const {
    return isFloat() && (code & ~signBit() & mask()) > infinity();
  }
  bool isInfinite(uint64_t code) const {
    return isFloat() && (code & ~signBit() & mask()) == infinity();
  }
  /// Exact but for integers of more than 53 bits.
  double toDouble(uint64_t code) const;
  /// Rounded to nearest even; integers wrap.
  uint64_t fromDouble(double value) const;
  /// Numbers in their order, one apart; both zeros are 0. No NaN.
  int64_t rank(uint64_t code) const;
};

Result<NumberType> numberType(std::string_view name);

/// Splits at blanks.
std::vector<std::string> splitWords(std::string_view line);
/// A decimal number, 0x.. or 2^-10.5; the whole word.
Result<double> parseNumber(const std::string &word);
Result<uint64_t> parseCount(const std::string &word);

/// Appends what an `in:` line says.
Result<bool> appendInput(const std::string &line, std::vector<uint8_t> &input);

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_NUMBERS_H
