//===- Reference.h - Slow and plain number formats --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rounding by looking at the neighbours: the codes of a format are ordered as
// its numbers are, so that a binary search finds the two between which an exact
// value lies, and the mode chooses. Nothing is shared with the simulator.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_REFERENCE_H
#define PTXSIM_TEST_REFERENCE_H

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ptxsim::test {

#if defined(__x86_64__)
/// 113 bits.
__extension__ using Quad = __float128;
#else
using Quad = long double;
#endif

struct Format {
  int mantissa, exponent;
  /// The code of the largest number.
  uint64_t largest;
  /// What arithmetic gives for every NaN.
  uint64_t nan;
  int width() const { return 1 + mantissa + exponent; }
  uint64_t signBit() const { return uint64_t(1) << (mantissa + exponent); }
  /// As the sign, the exponent and the mantissa say; codes beyond `largest` go
  /// on as if there were no infinity.
  Quad decode(uint64_t code) const {
    uint64_t magnitude = code & (signBit() - 1);
    int bias = (1 << (exponent - 1)) - 1;
    uint64_t e = magnitude >> mantissa;
    uint64_t m = magnitude & ((uint64_t(1) << mantissa) - 1);
    Quad value = Quad(m);
    int power = 1 - bias - mantissa;
    if (e != 0) {
      value = Quad(m + (uint64_t(1) << mantissa));
      power = int(e) - bias - mantissa;
    }
    // By powers of powers: 2, 4, 16, ...
    Quad factor = power < 0 ? Quad(0.5) : Quad(2);
    for (unsigned n = unsigned(power < 0 ? -power : power); n; n >>= 1) {
      value = n & 1 ? value * factor : value;
      factor *= factor;
    }
    return code & signBit() ? -value : value;
  }
};

inline constexpr Format kF16{10, 5, 0x7BFF, 0x7FFF};
inline constexpr Format kBF16{7, 8, 0x7F7F, 0x7FFF};
inline constexpr Format kF32{23, 8, 0x7F7F'FFFF, 0x7FFF'FFFF};
inline constexpr Format kF64{52, 11, 0x7FEF'FFFF'FFFF'FFFF,
                             0x7FF8'0000'0000'0000};
inline constexpr Format kTF32{10, 8, 0x3FBFF, 0x3FFFF};
inline constexpr Format kE4M3{3, 4, 0x7E, 0x7F};
inline constexpr Format kE5M2{2, 5, 0x7B, 0x7F};

enum class Mode { Nearest, Zero, Down, Up, Away };

inline int signOf(Quad value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

/// `compare(c)`: the sign of the exact value less c. The value is finite and
/// not zero. With `saturates`, what is too large becomes the largest number.
template <class Compare>
uint64_t roundExact(const Format &format, Mode mode, bool saturates,
                    Compare compare) {
  bool isNegative = compare(Quad(0)) < 0;
  auto compareMagnitude = [&](Quad c) {
    return isNegative ? -compare(-c) : compare(c);
  };
  // The largest code that is not above the value, one beyond the end included.
  uint64_t low = 0, high = format.largest + 2;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    (compareMagnitude(format.decode(middle)) >= 0 ? low : high) = middle;
  }
  uint64_t code = low;
  if (code <= format.largest) {
    Quad below = format.decode(low), above = format.decode(low + 1);
    bool isExact = compareMagnitude(below) == 0;
    int half = compareMagnitude(below + (above - below) / 2);
    bool goesUp = false;
    switch (mode) {
    case Mode::Nearest:
      goesUp = half > 0 || (half == 0 && low % 2 == 1);
      break;
    case Mode::Away:
      goesUp = half >= 0;
      break;
    case Mode::Zero:
      break;
    case Mode::Down:
      goesUp = isNegative;
      break;
    case Mode::Up:
      goesUp = !isNegative;
      break;
    }
    code += goesUp && !isExact;
  }
  if (code > format.largest) {
    bool isToLargest = saturates || mode == Mode::Zero ||
                       (mode == Mode::Down && !isNegative) ||
                       (mode == Mode::Up && isNegative);
    // The code behind the largest number is infinity in formats that have it.
    code = isToLargest ? format.largest : format.largest + 1;
  }
  return code | (isNegative ? format.signBit() : 0);
}

inline uint64_t roundQuad(const Format &format, Mode mode, bool saturates,
                          Quad value) {
  return roundExact(format, mode, saturates,
                    [&](Quad c) { return signOf(value - c); });
}

inline bool isNan(const Format &format, uint64_t code) {
  uint64_t magnitude = code & (format.signBit() - 1);
  // e4m3 has no infinity.
  return magnitude > format.largest + (format.largest == 0x7E ? 0 : 1);
}
inline bool isInfinite(const Format &format, uint64_t code) {
  return format.largest != 0x7E &&
         (code & (format.signBit() - 1)) == format.largest + 1;
}
inline bool isSubnormalOrZero(const Format &format, uint64_t code) {
  return (code & (format.signBit() - 1)) >> format.mantissa == 0;
}
inline uint64_t flushed(const Format &format, uint64_t code) {
  return isSubnormalOrZero(format, code) ? code & format.signBit() : code;
}

/// To hold specials, which roundExact leaves to its caller. Every format but
/// f64 fits.
inline double toDouble(const Format &format, uint64_t code) {
  if (isNan(format, code)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  double sign = code & format.signBit() ? -1.0 : 1.0;
  if (isInfinite(format, code)) {
    return sign * std::numeric_limits<double>::infinity();
  }
  double value = double(format.decode(code));
  return value == 0 ? sign * 0.0 : value;
}
/// NaN, infinities and zeros of a double as codes.
inline uint64_t specialCode(const Format &format, double value) {
  if (std::isnan(value)) {
    return format.nan;
  }
  uint64_t sign = std::signbit(value) ? format.signBit() : 0;
  return sign | (std::isinf(value) ? format.largest + 1 : 0);
}

} // namespace ptxsim::test

#endif // PTXSIM_TEST_REFERENCE_H
