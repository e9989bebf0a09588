//===- Special.h - Functions that f32 and halves share ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_SPECIAL_H
#define PTXSIM_OPS_SPECIAL_H

#include "Formats.h"

namespace ptxsim {

/// 2^x with one rounding from f64, where the series is off by less than 2^-32:
/// almost always the nearest number. No branches.
struct Exp2Approx {
  PTXSIM_INLINE float operator()(float a) const {
    // Beyond these, the result is 0 or infinite. A NaN passes.
    double x = a;
    x = x < -200.0 ? -200.0 : x;
    x = x > 200.0 ? 200.0 : x;
    // The sum has its unit in the last bit: rounds to an integer n.
    constexpr double kUnit = 0x1.8p52;
    double shifted = x + kUnit;
    double f = x - (shifted - kUnit);
    // Taylor's series of exp(f ln 2) for |f| <= 1/2.
    double p = 1.3215486790144307e-06;
    p = p * f + 1.5252733804059840e-05;
    p = p * f + 1.5403530393381608e-04;
    p = p * f + 1.3333558146428443e-03;
    p = p * f + 9.6181291076284770e-03;
    p = p * f + 5.5504108664821580e-02;
    p = p * f + 2.4022650695910072e-01;
    p = p * f + 6.9314718055994530e-01;
    p = p * f + 1.0;
    uint64_t scale = (std::bit_cast<uint64_t>(shifted) + 1023) << 52;
    return float(p * std::bit_cast<double>(scale));
  }
};
struct TanhApprox {
  float operator()(float a) const { return float(std::tanh(double(a))); }
};

/// Counters::ex2 of the lanes that run.
void countExp2(Warp &warp, const Inst &inst);

} // namespace ptxsim

#endif // PTXSIM_OPS_SPECIAL_H
