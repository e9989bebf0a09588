//===- IntegersTest.cpp - Integer instructions against formulas ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cases.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

__extension__ using Int128 = __int128;

/// Holds every 64-bit integer of both kinds.
Int128 number(uint64_t value, char kind, unsigned bits) {
  return kind == 's' ? Int128(asSigned(value, bits)) : Int128(cut(value, bits));
}

std::string typeName(char kind, unsigned bits) {
  return std::string(1, kind) + std::to_string(bits);
}

/// op.type d, a, b over the mathematical integers, cut at the end.
void expectBinary(const std::string &op, char kind, unsigned bits,
                  unsigned outBits,
                  const std::function<Int128(Int128, Int128)> &formula) {
  expectCase({op + "." + typeName(kind, bits) + " %d0, %a0, %a1;",
              {bits, bits},
              {outBits},
              [=](const Lane &a) -> Lane {
                Int128 result =
                    formula(number(a[0], kind, bits), number(a[1], kind, bits));
                return {cut(uint64_t(result), outBits)};
              }});
}

struct IntType {
  char kind;
  unsigned bits;
};
constexpr IntType kTypes[] = {{'u', 16}, {'s', 16}, {'u', 32},
                              {'s', 32}, {'u', 64}, {'s', 64}};

Int128 clamp(Int128 value, Int128 least, Int128 most) {
  return value < least ? least : value > most ? most : value;
}

/// Division of magnitudes, then signs.
Int128 divide(Int128 a, Int128 b) {
  Int128 quotient = (a < 0 ? -a : a) / (b < 0 ? -b : b);
  return (a < 0) != (b < 0) ? -quotient : quotient;
}

} // namespace

TEST(Integers, AddSub) {
  for (auto [kind, bits] : kTypes) {
    expectBinary("add", kind, bits, bits,
                 [](Int128 a, Int128 b) { return a + b; });
    expectBinary("sub", kind, bits, bits,
                 [](Int128 a, Int128 b) { return a - b; });
  }
  auto sat = [](Int128 v) { return clamp(v, INT32_MIN, INT32_MAX); };
  expectBinary("add.sat", 's', 32, 32,
               [=](Int128 a, Int128 b) { return sat(a + b); });
  expectBinary("sub.sat", 's', 32, 32,
               [=](Int128 a, Int128 b) { return sat(a - b); });
}

TEST(Integers, Mul) {
  for (auto [kind, bits] : kTypes) {
    unsigned n = bits;
    // The low bits of a product do not depend on signs.
    expectBinary("mul.lo", kind, bits, bits, [](Int128 a, Int128 b) {
      return Int128(uint64_t(a) * uint64_t(b));
    });
    // Schoolbook by 32 bits, then the signs taken off again.
    expectBinary("mul.hi", kind, bits, bits, [=](Int128 a, Int128 b) -> Int128 {
      if (n < 64) {
        return (a * b) >> n;
      }
      uint64_t x = uint64_t(a), y = uint64_t(b);
      uint64_t x0 = uint32_t(x), x1 = x >> 32, y0 = uint32_t(y), y1 = y >> 32;
      uint64_t middle = x1 * y0 + (x0 * y0 >> 32);
      uint64_t carry = (middle & 0xFFFF'FFFF) + x0 * y1;
      uint64_t high = x1 * y1 + (middle >> 32) + (carry >> 32);
      return Int128(high - (a < 0 ? y : 0) - (b < 0 ? x : 0));
    });
    if (bits < 64) {
      expectBinary("mul.wide", kind, bits, 2 * bits,
                   [](Int128 a, Int128 b) { return a * b; });
    }
  }
}

TEST(Integers, Mad) {
  for (auto [kind, bits] : kTypes) {
    char k = kind;
    unsigned n = bits;
    std::string type = typeName(kind, bits);
    std::vector<unsigned> three{bits, bits, bits};
    expectCase(
        {"mad.lo." + type + " %d0, %a0, %a1, %a2;",
         three,
         {bits},
         [=](const Lane &a) -> Lane { return {cut(a[0] * a[1] + a[2], n)}; }});
    if (bits == 64) {
      continue;
    }
    expectCase({"mad.hi." + type + " %d0, %a0, %a1, %a2;",
                three,
                {bits},
                [=](const Lane &a) -> Lane {
                  Int128 p = number(a[0], k, n) * number(a[1], k, n);
                  return {cut(uint64_t(p >> n) + a[2], n)};
                }});
    expectCase({"mad.wide." + type + " %d0, %a0, %a1, %a2;",
                {bits, bits, 2 * bits},
                {2 * bits},
                [=](const Lane &a) -> Lane {
                  Int128 p = number(a[0], k, n) * number(a[1], k, n);
                  return {cut(uint64_t(p) + a[2], 2 * n)};
                }});
  }
  expectCase({"mad.hi.sat.s32 %d0, %a0, %a1, %a2;",
              {32, 32, 32},
              {32},
              [](const Lane &a) -> Lane {
                Int128 p = number(a[0], 's', 32) * number(a[1], 's', 32);
                Int128 sum = (p >> 32) + number(a[2], 's', 32);
                return {cut(uint64_t(clamp(sum, INT32_MIN, INT32_MAX)), 32)};
              }});
}

TEST(Integers, Mul24) {
  for (char kind : {'u', 's'}) {
    std::string type = typeName(kind, 32);
    for (bool isHigh : {false, true}) {
      auto product = [=](const Lane &a) {
        Int128 p = number(a[0], kind, 24) * number(a[1], kind, 24);
        return isHigh ? p >> 16 : p;
      };
      std::string part = isHigh ? ".hi." : ".lo.";
      expectCase({"mul24" + part + type + " %d0, %a0, %a1;",
                  {32, 32},
                  {32},
                  [=](const Lane &a) -> Lane {
                    return {cut(uint64_t(product(a)), 32)};
                  }});
      expectCase({"mad24" + part + type + " %d0, %a0, %a1, %a2;",
                  {32, 32, 32},
                  {32},
                  [=](const Lane &a) -> Lane {
                    return {cut(uint64_t(product(a)) + a[2], 32)};
                  }});
    }
  }
}

TEST(Integers, DivRem) {
  for (auto [kind, bits] : kTypes) {
    char k = kind;
    unsigned n = bits;
    std::string type = typeName(kind, bits);
    // A division by zero has no defined value.
    auto isDefined = [](const Lane &a) { return a[1] != 0; };
    expectCase({"div." + type + " %d0, %a0, %a1;",
                {bits, bits},
                {bits},
                [=](const Lane &a) -> Lane {
                  return {isDefined(a)
                              ? cut(uint64_t(divide(number(a[0], k, n),
                                                    number(a[1], k, n))),
                                    n)
                              : cut(~uint64_t(0), n)};
                }});
    expectCase({"rem." + type + " %d0, %a0, %a1;",
                {bits, bits},
                {bits},
                [=](const Lane &a) -> Lane {
                  Int128 x = number(a[0], k, n), y = number(a[1], k, n);
                  return {isDefined(a) ? cut(uint64_t(x - divide(x, y) * y), n)
                                       : a[0]};
                }});
  }
}

TEST(Integers, MinMaxSad) {
  for (auto [kind, bits] : kTypes) {
    char k = kind;
    unsigned n = bits;
    expectBinary("min", kind, bits, bits,
                 [](Int128 a, Int128 b) { return a < b ? a : b; });
    expectBinary("max", kind, bits, bits,
                 [](Int128 a, Int128 b) { return a < b ? b : a; });
    expectCase({"sad." + typeName(kind, bits) + " %d0, %a0, %a1, %a2;",
                {bits, bits, bits},
                {bits},
                [=](const Lane &a) -> Lane {
                  Int128 d = number(a[0], k, n) - number(a[1], k, n);
                  return {cut(uint64_t(d < 0 ? -d : d) + a[2], n)};
                }});
  }
  expectBinary("min.relu", 's', 32, 32, [](Int128 a, Int128 b) {
    return clamp(a < b ? a : b, 0, INT32_MAX);
  });
  expectBinary("max.relu", 's', 32, 32, [](Int128 a, Int128 b) {
    return clamp(a < b ? b : a, 0, INT32_MAX);
  });
}

TEST(Integers, AbsNeg) {
  for (unsigned bits : {16u, 32u, 64u}) {
    std::string type = typeName('s', bits);
    expectCase({"abs." + type + " %d0, %a0;",
                {bits},
                {bits},
                [=](const Lane &a) -> Lane {
                  bool isNegative = a[0] >> (bits - 1);
                  return {cut(isNegative ? ~a[0] + 1 : a[0], bits)};
                }});
    expectCase({"neg." + type + " %d0, %a0;",
                {bits},
                {bits},
                [=](const Lane &a) -> Lane { return {cut(~a[0] + 1, bits)}; }});
  }
}

TEST(Integers, Pairs) {
  auto halves = [](const Lane &a, char kind, auto formula) -> Lane {
    uint64_t result = 0;
    for (unsigned shift : {0u, 16u}) {
      Int128 value = formula(number(a[0] >> shift, kind, 16),
                             number(a[1] >> shift, kind, 16));
      result |= cut(uint64_t(value), 16) << shift;
    }
    return {result};
  };
  auto add = [](Int128 a, Int128 b) { return a + b; };
  auto least = [](Int128 a, Int128 b) { return a < b ? a : b; };
  auto most = [](Int128 a, Int128 b) { return a < b ? b : a; };
  for (char kind : {'u', 's'}) {
    std::string type = std::string(1, kind) + "16x2 %d0, %a0, %a1;";
    expectCase({"add." + type, {32, 32}, {32}, [=](const Lane &a) {
                  return halves(a, kind, add);
                }});
    expectCase({"min." + type, {32, 32}, {32}, [=](const Lane &a) {
                  return halves(a, kind, least);
                }});
    expectCase({"max." + type, {32, 32}, {32}, [=](const Lane &a) {
                  return halves(a, kind, most);
                }});
  }
  auto relu = [=](Int128 a, Int128 b) { return clamp(least(a, b), 0, 32767); };
  expectCase(
      {"min.relu.s16x2 %d0, %a0, %a1;", {32, 32}, {32}, [=](const Lane &a) {
         return halves(a, 's', relu);
       }});
}

TEST(Integers, DotProducts) {
  for (char ka : {'u', 's'}) {
    for (char kb : {'u', 's'}) {
      std::string types = typeName(ka, 32) + "." + typeName(kb, 32);
      expectCase({"dp4a." + types + " %d0, %a0, %a1, %a2;",
                  {32, 32, 32},
                  {32},
                  [=](const Lane &a) -> Lane {
                    Int128 sum = Int128(a[2]);
                    for (unsigned i = 0; i < 4; ++i) {
                      sum += number(a[0] >> 8 * i, ka, 8) *
                             number(a[1] >> 8 * i, kb, 8);
                    }
                    return {cut(uint64_t(sum), 32)};
                  }});
      for (bool isHigh : {false, true}) {
        std::string part = isHigh ? "hi." : "lo.";
        expectCase({"dp2a." + part + types + " %d0, %a0, %a1, %a2;",
                    {32, 32, 32},
                    {32},
                    [=](const Lane &a) -> Lane {
                      Int128 sum = Int128(a[2]);
                      for (unsigned i = 0; i < 2; ++i) {
                        sum += number(a[0] >> 16 * i, ka, 16) *
                               number(a[1] >> 8 * (i + 2 * isHigh), kb, 8);
                      }
                      return {cut(uint64_t(sum), 32)};
                    }});
      }
    }
  }
}

TEST(Integers, Carries) {
  // 128-bit sums and differences in words of 32 and 64 bits.
  __extension__ using Wide = unsigned __int128;
  auto wide = [](uint64_t low, uint64_t high) {
    return Wide(high) << 64 | low;
  };
  auto split = [](Wide v) -> Lane { return {uint64_t(v), uint64_t(v >> 64)}; };
  std::vector<unsigned> four{64, 64, 64, 64}, two{64, 64};
  expectCase({"add.cc.u64 %d0, %a0, %a2;\n addc.u64 %d1, %a1, %a3;", four, two,
              [=](const Lane &a) {
                return split(wide(a[0], a[1]) + wide(a[2], a[3]));
              }});
  expectCase({"sub.cc.u64 %d0, %a0, %a2;\n subc.u64 %d1, %a1, %a3;", four, two,
              [=](const Lane &a) {
                return split(wide(a[0], a[1]) - wide(a[2], a[3]));
              }});
  std::string words = ".reg .b32 %x<4>, %y<4>, %z<4>;\n"
                      "mov.b64 {%x0, %x1}, %a0; mov.b64 {%x2, %x3}, %a1;\n"
                      "mov.b64 {%y0, %y1}, %a2; mov.b64 {%y2, %y3}, %a3;\n";
  std::string join = "mov.b64 %d0, {%z0, %z1}; mov.b64 %d1, {%z2, %z3};\n";
  expectCase({words +
                  "add.cc.u32 %z0, %x0, %y0; addc.cc.u32 %z1, %x1, %y1;\n"
                  "addc.cc.u32 %z2, %x2, %y2; addc.u32 %z3, %x3, %y3;\n" +
                  join,
              four, two, [=](const Lane &a) {
                return split(wide(a[0], a[1]) + wide(a[2], a[3]));
              }});
  expectCase({words +
                  "sub.cc.s32 %z0, %x0, %y0; subc.cc.s32 %z1, %x1, %y1;\n"
                  "subc.cc.s32 %z2, %x2, %y2; subc.s32 %z3, %x3, %y3;\n" +
                  join,
              four, two, [=](const Lane &a) {
                return split(wide(a[0], a[1]) - wide(a[2], a[3]));
              }});
  // 64-bit product onto a 128-bit sum.
  expectCase({"mad.lo.cc.u64 %d0, %a0, %a1, %a2;\n"
              "madc.hi.u64 %d1, %a0, %a1, %a3;",
              four, two, [=](const Lane &a) {
                return split(Wide(a[0]) * a[1] + wide(a[2], a[3]));
              }});
  expectCase({"mad.lo.cc.u32 %d0, %a0, %a1, %a2;\n"
              "madc.hi.cc.u32 %d1, %a0, %a1, %a3;\n"
              "addc.u32 %d2, 0, 0;",
              {32, 32, 32, 32},
              {32, 32, 32},
              [=](const Lane &a) -> Lane {
                Wide v = Wide(a[0]) * a[1] + (a[3] << 32) + a[2];
                return {cut(uint64_t(v), 32), cut(uint64_t(v >> 32), 32),
                        uint64_t(v >> 64)};
              }});
}

TEST(Integers, Refuses) {
  expectRefused("add.f8 %d0, %a0, %a1;", {32, 32}, {32},
                "expects a type in 'add.f8'");
  expectRefused("add.sat.u32 %d0, %a0, %a1;", {32, 32}, {32},
                "does not know the type of 'add.sat.u32'");
  expectRefused("mul.u32 %d0, %a0, %a1;", {32, 32}, {32},
                "expects lo, hi or wide in 'mul.u32'");
  expectRefused("mul.wide.u64 %d0, %a0, %a1;", {64, 64}, {64},
                "does not know the type of 'mul.wide.u64'");
  expectRefused("add.u32 %d0, %a0, %a1;", {64, 32}, {32},
                "expects a register of 32 bits, but got '%a0'");
  expectRefused("add.u32 %d0, %a0, %a1;", {32, 32}, {64},
                "expects a register of 32 bits, but got '%d0'");
  expectRefused("add.u32 %d0, %a0;", {32, 32}, {32},
                "expects 3 operands of 'add.u32', but got 2");
  expectRefused("add.rn.u32 %d0, %a0, %a1;", {32, 32}, {32},
                "does not know '.rn' in 'add.rn.u32'");
}
