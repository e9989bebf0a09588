//===- WideLanes.h - Code for machines with wide registers ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Hot loops over lanes are PTXSIM_INLINE functions that two others call: one
// for any machine and a PTXSIM_WIDE one, which hasWideLanes() allows.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PROGRAM_WIDELANES_H
#define PTXSIM_PROGRAM_WIDELANES_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ptxsim {

#if defined(__x86_64__)
#define PTXSIM_WIDE __attribute__((target("avx2,fma,bmi,bmi2,popcnt,lzcnt")))
/// Every CPU with AVX2 has lzcnt; not every compiler can ask for it.
inline bool hasWideLanes() {
  static const bool has =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("popcnt");
  return has;
}
#else
#define PTXSIM_WIDE
inline bool hasWideLanes() { return false; }
#endif

#define PTXSIM_INLINE inline __attribute__((always_inline))
// Registers are the same or apart: lane i never meets lane j.
#if defined(__clang__)
#define PTXSIM_LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define PTXSIM_LANES _Pragma("GCC ivdep")
#endif

} // namespace ptxsim

#endif // PTXSIM_PROGRAM_WIDELANES_H
