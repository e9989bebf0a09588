//===- WgmmaNumbers.cpp - Formats, fragments, findings of wgmma -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <algorithm>
#include <cmath>

using namespace ptxsim;
using namespace ptxsim::test;

//===--- Numbers ----------------------------------------------------------===//

unsigned ptxsim::test::wgmmaBits(const std::string &type) {
  return type == "f16" || type == "bf16"                    ? 16
         : type == "tf32" || type == "f32" || type == "s32" ? 32
                                                            : 8;
}

namespace {

struct Form {
  int mantissa, exponent;
  /// The exponent field of infinity and NaN; past the last one without.
  int top;
};

Form formOf(const std::string &type) {
  return type == "f16"    ? Form{10, 5, 31}
         : type == "bf16" ? Form{7, 8, 255}
         : type == "tf32" ? Form{10, 8, 255}
         : type == "f32"  ? Form{23, 8, 255}
         : type == "e4m3" ? Form{3, 4, 16}
                          : Form{2, 5, 31};
}

bool isInteger(const std::string &type) {
  return type[0] == 's' || type[0] == 'u';
}

} // namespace

double ptxsim::test::wgmmaDecode(const std::string &type, uint32_t bits) {
  if (isInteger(type)) {
    return type == "s8"    ? double(int8_t(bits))
           : type == "s32" ? double(int32_t(bits))
                           : double(bits);
  }
  Form form = formOf(type);
  // Of 32 bits the upper 19 are a tf32.
  uint32_t code = type == "tf32" ? bits >> 13 : bits;
  int exponent = int(code >> form.mantissa & ((1u << form.exponent) - 1));
  uint32_t mantissa = code & ((1u << form.mantissa) - 1);
  bool isE4m3Nan = type == "e4m3" && (code & 0x7F) == 0x7F;
  int bias = (1 << (form.exponent - 1)) - 1;
  double size = isE4m3Nan              ? NAN
                : exponent == form.top ? (mantissa != 0 ? NAN : INFINITY)
                : exponent == 0 ? std::ldexp(mantissa, 1 - bias - form.mantissa)
                                : std::ldexp(mantissa + (1u << form.mantissa),
                                             exponent - bias - form.mantissa);
  return code >> (form.mantissa + form.exponent) & 1 ? -size : size;
}

uint32_t ptxsim::test::wgmmaEncode(const std::string &type, int value) {
  if (isInteger(type)) {
    return uint32_t(value) & (type == "s32" ? 0xFFFFFFFF : 0xFF);
  }
  if (value == 0) {
    return 0;
  }
  Form form = formOf(type);
  int exponent = std::ilogb(value), bias = (1 << (form.exponent - 1)) - 1;
  double mantissa = std::ldexp(std::abs(value), form.mantissa - exponent);
  uint32_t code = uint32_t(exponent + bias - 1) << form.mantissa;
  code += uint32_t(mantissa); // with the leading one
  code |= uint32_t(value < 0) << (form.mantissa + form.exponent);
  return type == "tf32" ? code << 13 : code;
}

//===--- Layouts ----------------------------------------------------------===//

Place ptxsim::test::placeOfSum(unsigned thread, unsigned i) {
  unsigned warp = thread / 32 % 4, group = thread % 32 / 4, t = thread % 4;
  unsigned inBlock = i % 4; // of 16 rows and 8 columns
  return {16 * warp + (inBlock < 2 ? group : group + 8),
          i / 4 * 8 + 2 * t + inBlock % 2};
}

Place ptxsim::test::placeOfA(unsigned thread, unsigned i, unsigned bits) {
  unsigned warp = thread / 32 % 4, group = thread % 32 / 4, t = thread % 4;
  unsigned perRegister = 32 / bits;
  unsigned number = i / perRegister, inRegister = i % perRegister;
  bool isLower = number == 1 || number == 3, isRight = number >= 2;
  return {16 * warp + (isLower ? group + 8 : group),
          t * perRegister + inRegister + (isRight ? 4 * perRegister : 0)};
}

//===--- Findings ---------------------------------------------------------===//

/// Once findings can be warnings, the field says which are.
template <class AnyFinding> static bool saysWarning(const AnyFinding &finding) {
  if constexpr (requires { finding.isWarning; }) {
    return finding.isWarning;
  } else {
    return false;
  }
}

bool ptxsim::test::isWarning(const Finding &finding) {
  return saysWarning(finding);
}

std::string Outcome::describe() const {
  std::string text = error;
  for (const Finding &finding : findings) {
    text += "\n  line " + std::to_string(finding.line) + ": " +
            (isWarning(finding) ? "warning: " : "") + finding.check + ": " +
            finding.message;
  }
  return text;
}

bool Outcome::has(const std::vector<uint32_t> &lines,
                  const std::vector<std::string> &checks) const {
  return std::any_of(
      findings.begin(), findings.end(), [&](const Finding &finding) {
        return !isWarning(finding) &&
               std::count(lines.begin(), lines.end(), finding.line) > 0 &&
               std::count(checks.begin(), checks.end(), finding.check) > 0;
      });
}

bool Outcome::hasWarning(uint32_t line) const {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding &finding) {
                       return isWarning(finding) && finding.line == line;
                     });
}
