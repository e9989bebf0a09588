//===- Formats.h - Numbers of 16 bits ---------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f16 and bf16 to f32 and back, without branches, so that loops over lanes
// become vector instructions. Rounding.h has the other formats and modes.
//
// [9.7.3], [9.7.4]: arithmetic gives one NaN for every NaN: 0x7fffffff, 0x7fff.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_FORMATS_H
#define PTXSIM_OPS_FORMATS_H

#include "Lanewise.h"

#include <cmath>
#include <limits>

namespace ptxsim {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

constexpr uint32_t kNanBits = 0x7FFF'FFFF;

PTXSIM_INLINE float toFloat(Half h) {
  // The exponent in its new place, then 2^(127 - 15): exact, subnormals too.
  uint32_t magnitude = h.bits & 0x7FFF;
  float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  uint32_t bits = std::bit_cast<uint32_t>(scaled);
  bits |= magnitude >= 0x7C00 ? 0x7F80'0000u : 0;
  return std::bit_cast<float>(bits | uint32_t(h.bits & 0x8000) << 16);
}
PTXSIM_INLINE float toFloat(BFloat b) {
  return std::bit_cast<float>(uint32_t(b.bits) << 16);
}
PTXSIM_INLINE float toFloat(float f) { return f; }
PTXSIM_INLINE double toFloat(double d) { return d; }

/// To the nearest, ties to even.
template <class T> T nearest(float value);
template <> PTXSIM_INLINE float nearest<float>(float value) { return value; }
template <> PTXSIM_INLINE Half nearest<Half>(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & 0x7FFF'FFFF;
  // 0.5 has its last bit at 2^-24, as have subnormal halves.
  float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  uint32_t subnormal = std::bit_cast<uint32_t>(shifted) - 0x3F00'0000u;
  uint32_t normal =
      (magnitude + 0xFFF + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  uint32_t result = magnitude < 0x3880'0000 ? subnormal : normal;
  result = magnitude >= 0x4780'0000 ? 0x7C00 : result;
  result |= bits >> 16 & 0x8000;
  return {uint16_t(magnitude > 0x7F80'0000 ? 0x7FFF : result)};
}
template <> PTXSIM_INLINE BFloat nearest<BFloat>(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  return {uint16_t((bits & 0x7FFF'FFFF) > 0x7F80'0000 ? 0x7FFF : rounded)};
}

/// The one NaN of f32. NaNs of f64 keep what they carry.
PTXSIM_INLINE float canonical(float value) {
  return value != value ? std::bit_cast<float>(kNanBits) : value;
}
PTXSIM_INLINE double canonical(double value) { return value; }
/// .ftz: subnormal numbers become zeros of their sign.
PTXSIM_INLINE float flush(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits & 0x7F80'0000) == 0 ? bits & 0x8000'0000
                                                        : bits);
}
PTXSIM_INLINE Half flush(Half h) {
  return {uint16_t((h.bits & 0x7C00) == 0 ? h.bits & 0x8000 : h.bits)};
}
/// .sat: to [0, 1]; a NaN becomes 0.
template <class T> PTXSIM_INLINE T clampToUnit(T value) {
  return value > T(0) ? (value < T(1) ? value : T(1)) : T(0);
}

} // namespace ptxsim

#endif // PTXSIM_OPS_FORMATS_H
