//===- Rounding.cpp - Exact numbers to formats --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Rounding.h"

#include <algorithm>
#include <bit>

using namespace ptxsim;

const FloatFormat *ptxsim::formatOf(const Type &type) {
  static const FloatFormat f16{10, 5, 15, true, 0, 0x7FFF};
  static const FloatFormat f32{23, 8, 127, true, 0, 0x7FFF'FFFF};
  static const FloatFormat f64{52, 11, 1023, true, 0, 0x7FF8'0000'0000'0000};
  static const FloatFormat bf16{7, 8, 127, true, 0, 0x7FFF};
  static const FloatFormat tf32{10, 8, 127, true, 13, 0x7FFF'FFFF};
  static const FloatFormat e4m3{3, 4, 7, false, 0, 0x7F};
  static const FloatFormat e5m2{2, 5, 15, true, 0, 0x7F};
  switch (type.kind) {
  case Type::Kind::Float:
    return type.bits == 16   ? &f16
           : type.bits == 32 ? &f32
           : type.bits == 64 ? &f64
                             : nullptr;
  case Type::Kind::BFloat:
    return &bf16;
  case Type::Kind::Tf32:
    return &tf32;
  case Type::Kind::E4M3:
    return &e4m3;
  case Type::Kind::E5M2:
    return &e5m2;
  default:
    return nullptr;
  }
}

static uint64_t lowBits(unsigned n) {
  return n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
}

Exact ptxsim::fromInteger(uint64_t bits, const Type &type) {
  Exact value;
  value.magnitude = bits & lowBits(type.bits);
  if (type.isSigned() && value.magnitude >> (type.bits - 1)) {
    value.isNegative = true;
    value.magnitude = (0 - value.magnitude) & lowBits(type.bits);
  }
  return value;
}

Exact ptxsim::fromFloat(uint64_t bits, const FloatFormat &format) {
  bits >>= format.padding;
  Exact value;
  unsigned m = format.mantissaBits, e = format.exponentBits;
  value.isNegative = bits >> (m + e) & 1;
  uint64_t mantissa = bits & lowBits(m), exponent = bits >> m & lowBits(e);
  if (exponent == lowBits(e)) {
    if (format.hasInfinity) {
      value.kind = mantissa ? Exact::Kind::NotANumber : Exact::Kind::Infinite;
    } else if (mantissa == lowBits(m)) {
      value.kind = Exact::Kind::NotANumber;
    }
  }
  value.magnitude = exponent ? mantissa | uint64_t(1) << m : mantissa;
  value.exponent =
      std::max(int(exponent), 1) - format.bias - int(format.mantissaBits);
  return value;
}

/// magnitude / 2^shift.
static uint64_t shiftRight(const Exact &value, unsigned shift,
                           Rounding rounding) {
  uint64_t kept = shift < 64 ? value.magnitude >> shift : 0;
  uint64_t rest =
      shift < 64 ? value.magnitude & lowBits(shift) : value.magnitude;
  if (rest == 0) {
    return kept;
  }
  // Whether the rest is less than, equal to or more than one half.
  uint64_t half = shift <= 64 ? uint64_t(1) << (shift - 1) : ~uint64_t(0);
  bool isMore = shift <= 64 && rest > half;
  bool isTie = shift <= 64 && rest == half;
  bool isUp = false;
  switch (rounding) {
  case Rounding::Nearest:
    isUp = isMore || (isTie && kept & 1);
    break;
  case Rounding::Away:
    isUp = isMore || isTie;
    break;
  case Rounding::Zero:
    break;
  case Rounding::Down:
    isUp = value.isNegative;
    break;
  case Rounding::Up:
    isUp = !value.isNegative;
    break;
  }
  return kept + isUp;
}

uint64_t ptxsim::toFloatBits(const Exact &value, const FloatFormat &format,
                             Rounding rounding, bool isFinite) {
  unsigned m = format.mantissaBits, e = format.exponentBits;
  if (value.kind == Exact::Kind::NotANumber) {
    return format.nan;
  }
  uint64_t sign = uint64_t(value.isNegative) << (m + e);
  uint64_t infinity = lowBits(e) << m;
  uint64_t largest =
      format.hasInfinity ? infinity - 1 : infinity | (lowBits(m) - 1);
  uint64_t overflow = infinity;
  if (isFinite || !format.hasInfinity) {
    overflow = largest;
  } else if (value.kind == Exact::Kind::Finite &&
             (rounding == Rounding::Zero ||
              (rounding == Rounding::Down && !value.isNegative) ||
              (rounding == Rounding::Up && value.isNegative))) {
    overflow = largest;
  }
  if (value.kind == Exact::Kind::Infinite) {
    return (sign | overflow) << format.padding;
  }
  if (value.magnitude == 0) {
    return sign << format.padding;
  }
  int top = 63 - std::countl_zero(value.magnitude) + value.exponent;
  int least = 1 - format.bias;
  // The weight of the last bit that is kept.
  int unit = std::max(top, least) - int(m);
  int shift = unit - value.exponent;
  uint64_t kept = shift <= 0 ? value.magnitude << -shift
                             : shiftRight(value, unsigned(shift), rounding);
  // The hidden bit adds one to the exponent, and so does a carry into it.
  uint64_t bits = kept;
  if (top > least) {
    if (top - least >= int(lowBits(e))) {
      return (sign | overflow) << format.padding;
    }
    bits += uint64_t(top - least) << m;
  }
  return (sign | (bits > largest ? overflow : bits)) << format.padding;
}

Exact ptxsim::roundToInteger(const Exact &value, Rounding rounding) {
  Exact result = value;
  if (value.kind == Exact::Kind::Finite && value.exponent < 0) {
    result.magnitude = shiftRight(value, unsigned(-value.exponent), rounding);
    result.exponent = 0;
  }
  return result;
}

uint64_t ptxsim::toIntegerBits(const Exact &value, const Type &type,
                               Rounding rounding, bool isLong) {
  if (value.kind == Exact::Kind::NotANumber) {
    return isLong ? uint64_t(1) << (type.bits - 1) : 0;
  }
  uint64_t most = lowBits(type.isSigned() ? type.bits - 1u : type.bits);
  uint64_t least = type.isSigned() ? most + 1 : 0; // of the negative side
  Exact whole = roundToInteger(value, rounding);
  uint64_t limit = value.isNegative ? least : most;
  uint64_t magnitude = limit;
  if (value.kind == Exact::Kind::Finite) {
    bool fits = whole.magnitude == 0 ||
                std::countl_zero(whole.magnitude) >= whole.exponent;
    magnitude =
        fits ? std::min(whole.magnitude << whole.exponent % 64, limit) : limit;
  }
  return value.isNegative ? 0 - magnitude : magnitude;
}
