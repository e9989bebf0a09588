//===- FastConversions.h - The conversions used most ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_FASTCONVERSIONS_H
#define PTXSIM_OPS_FASTCONVERSIONS_H

#include "Rounding.h"
#include "program/Program.h"

namespace ptxsim {

/// What the words of a cvt say.
struct ConvertData : InstData {
  Type from, to;
  /// Null for integers.
  const FloatFormat *fromFormat = nullptr, *toFormat = nullptr;
  Rounding rounding = Rounding::Nearest;
  bool hasRounding = false;
  /// .rni and its like: to a whole number.
  bool isWhole = false;
  bool isFtz = false, isSat = false, isFinite = false, isRelu = false;
};

/// A handler whose loop becomes vector instructions, or null if there is none
/// for these types and modifiers. Registers are as wide as their types.
Handler fastConversion(const ConvertData &convert);
/// Of two f32 to a pair of halves or of 8-bit numbers, and of these to halves.
Handler fastPackedConversion(const ConvertData &convert);

} // namespace ptxsim

#endif // PTXSIM_OPS_FASTCONVERSIONS_H
