//===- Rounding.h - Exact numbers to formats --------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every number of every type as sign * magnitude * 2^exponent, and from there
// to any format in any rounding: one rounding, subnormal numbers included.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_ROUNDING_H
#define PTXSIM_OPS_ROUNDING_H

#include "program/Decode.h"

#include <cstdint>

namespace ptxsim {

struct Exact {
  enum class Kind : uint8_t { Finite, Infinite, NotANumber };
  Kind kind = Kind::Finite;
  bool isNegative = false;
  uint64_t magnitude = 0;
  int exponent = 0;
};

struct FloatFormat {
  unsigned mantissaBits, exponentBits;
  int bias;
  /// e4m3: all but the last code are numbers.
  bool hasInfinity;
  /// Low bits of the type that the format leaves empty (tf32).
  unsigned padding;
  uint64_t nan;
};

enum class Rounding : uint8_t {
  Nearest, // ties to even
  Zero,
  Down,
  Up,
  Away, // to the nearest, ties away from zero
};

/// Null if the type is no float.
const FloatFormat *formatOf(const Type &type);

Exact fromInteger(uint64_t bits, const Type &type);
Exact fromFloat(uint64_t bits, const FloatFormat &format);

/// The bits in the format. With `isFinite` (.satfinite), what is too large, and
/// infinity, becomes the largest number.
uint64_t toFloatBits(const Exact &value, const FloatFormat &format,
                     Rounding rounding, bool isFinite);

/// The magnitude rounded to a whole number; the exponent is 0 after it unless
/// the magnitude is beyond 64 bits.
Exact roundToInteger(const Exact &value, Rounding rounding);

/// Held to the range of the integer type. A NaN becomes 0, or 2^63 if
/// `isLong` (f64 or 64-bit integers take part).
uint64_t toIntegerBits(const Exact &value, const Type &type, Rounding rounding,
                       bool isLong);

} // namespace ptxsim

#endif // PTXSIM_OPS_ROUNDING_H
