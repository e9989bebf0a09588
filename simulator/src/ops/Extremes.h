//===- Extremes.h - min and max of floats -----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_EXTREMES_H
#define PTXSIM_OPS_EXTREMES_H

#include "Formats.h"

namespace ptxsim {

/// A NaN gives way to a number; -0 is less than +0.
template <bool isMax> struct Extreme {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    using U = typename UnsignedOf<sizeof(T)>::type;
    U x = std::bit_cast<U>(a), y = std::bit_cast<U>(b);
    // Equal numbers differ in the sign of zero at most.
    T both = std::bit_cast<T>(isMax ? U(x & y) : U(x | y));
    T result = (isMax ? a > b : a < b) ? a : b;
    result = a == b ? both : result;
    return b != b ? a : result;
  }
};
template <bool isMax> struct ExtremeNan {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    T result = Extreme<isMax>()(a, b);
    return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : result;
  }
};
/// The extreme of the absolute values with the product of the signs.
template <class F> struct XorSign {
  PTXSIM_INLINE float operator()(float a, float b) const {
    float result = F()(std::fabs(a), std::fabs(b));
    uint32_t sign = std::bit_cast<uint32_t>(a) ^ std::bit_cast<uint32_t>(b);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(result) |
                                (sign & 0x8000'0000));
  }
};

} // namespace ptxsim

#endif // PTXSIM_OPS_EXTREMES_H
