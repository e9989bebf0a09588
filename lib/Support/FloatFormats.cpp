//===- FloatFormats.cpp - Bits of small floating-point formats ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/FloatFormats.h"

#include <algorithm>

using namespace attn;

/// Bits of the first code that is no finite number, without the sign.
static uint32_t firstSpecial(FloatFormat format) {
  uint32_t allOnes = (1u << (format.exponentBits + format.mantissaBits)) - 1;
  if (format.finite) {
    return allOnes;
  }
  return allOnes & ~((1u << format.mantissaBits) - 1);
}

uint32_t attn::encodeFloat(double value, FloatFormat format) {
  uint32_t sign = std::signbit(value)
                      ? 1u << (format.exponentBits + format.mantissaBits)
                      : 0u;
  uint32_t special = firstSpecial(format);
  if (std::isnan(value)) {
    uint32_t quiet = format.finite ? 0 : 1u << (format.mantissaBits - 1);
    return sign | special | quiet;
  }
  double magnitude = std::fabs(value);
  if (magnitude == 0) {
    return sign;
  }
  if (std::isinf(magnitude)) {
    return sign | special;
  }
  int minExponent = 1 - format.bias();
  int exponent = std::max(std::ilogb(magnitude), minExponent);
  // Exact: a division by a power of two. nearbyint rounds half to even, and a
  // carry into the next binade runs over into the exponent by itself.
  double units =
      std::nearbyint(std::ldexp(magnitude, format.mantissaBits - exponent));
  double code =
      std::ldexp(double(exponent - minExponent), format.mantissaBits) + units;
  if (code >= special) {
    return sign | special;
  }
  return sign | static_cast<uint32_t>(code);
}

double attn::decodeFloat(uint32_t bits, FloatFormat format) {
  uint32_t signBit = 1u << (format.exponentBits + format.mantissaBits);
  uint32_t magnitude = bits & (signBit - 1);
  double sign = (bits & signBit) ? -1.0 : 1.0;
  uint32_t special = firstSpecial(format);
  if (magnitude >= special) {
    bool infinite = !format.finite && magnitude == special;
    return infinite ? sign * HUGE_VAL : std::nan("");
  }
  int exponent = magnitude >> format.mantissaBits;
  uint32_t mantissa = magnitude & ((1u << format.mantissaBits) - 1);
  if (exponent > 0) {
    mantissa |= 1u << format.mantissaBits;
  } else {
    exponent = 1;
  }
  return sign * std::ldexp(double(mantissa),
                           exponent - format.bias() - format.mantissaBits);
}
