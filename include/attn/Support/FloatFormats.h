//===- FloatFormats.h - Bits of small floating-point formats ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conversion between double and the bits of f16, bf16, f8E5M2 and f8E4M3FN.
// Encoding rounds once, to nearest with ties to even, straight from double (by
// way of float it would round twice). No state; safe from any thread.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_FLOATFORMATS_H
#define ATTN_SUPPORT_FLOATFORMATS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace attn {

/// A format with a sign bit, `exponentBits` and `mantissaBits`. `finite`: there
/// is no infinity and only all ones is NaN (f8E4M3FN).
struct FloatFormat {
  int exponentBits;
  int mantissaBits;
  bool finite;

  int bias() const { return (1 << (exponentBits - 1)) - 1; }
};

inline constexpr FloatFormat kHalf{5, 10, false};
inline constexpr FloatFormat kBFloat{8, 7, false};
inline constexpr FloatFormat kFloat8E5M2{5, 2, false};
inline constexpr FloatFormat kFloat8E4M3FN{4, 3, true};

/// Bits of the value of `format` nearest to `value`. Too large values become
/// infinity, or NaN where there is none.
uint32_t encodeFloat(double value, FloatFormat format);
/// The value of `bits`; exact.
double decodeFloat(uint32_t bits, FloatFormat format);

/// f16 bits to float without branches, for loops.
inline float halfToFloat(uint16_t bits) {
  // Shift exponent and mantissa into place; one multiplication by 2^112
  // corrects the bias and makes subnormals right. Infinity and NaN come out as
  // 65536 or more and take their exponent back.
  uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fff) << 13;
  float scaled;
  std::memcpy(&scaled, &magnitude, 4);
  scaled *= 0x1p112f;
  uint32_t word;
  std::memcpy(&word, &scaled, 4);
  word |= scaled >= 65536.0f ? 0x7f800000u : 0u;
  word |= static_cast<uint32_t>(bits & 0x8000) << 16;
  float result;
  std::memcpy(&result, &word, 4);
  return result;
}

inline float bfloatToFloat(uint16_t bits) {
  uint32_t word = static_cast<uint32_t>(bits) << 16;
  float result;
  std::memcpy(&result, &word, 4);
  return result;
}

} // namespace attn

#endif // ATTN_SUPPORT_FLOATFORMATS_H
