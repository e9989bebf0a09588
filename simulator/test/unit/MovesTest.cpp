//===- MovesTest.cpp - Moves, selections and comparisons ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cases.h"
#include "Reference.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

std::vector<uint64_t> floatCorners(const Format &f) {
  uint64_t one = uint64_t((1 << (f.exponent - 1)) - 1) << f.mantissa;
  std::vector<uint64_t> codes;
  for (uint64_t code :
       {uint64_t(0), uint64_t(1), (uint64_t(1) << f.mantissa) - 1,
        uint64_t(1) << f.mantissa, one, one + 1, f.largest, f.largest + 1,
        f.nan, f.largest + 2}) {
    codes.push_back(code);
    codes.push_back(code | f.signBit());
  }
  return codes;
}

/// By the sign of the difference; 2 if there is none.
int order(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? 2 : a < b ? -1 : a > b ? 1 : 0;
}
bool holds(const std::string &cmp, int order) {
  bool isUnordered = order == 2;
  if (cmp == "num" || cmp == "nan") {
    return isUnordered == (cmp == "nan");
  }
  if (isUnordered) {
    return cmp.size() == 3;
  }
  std::string stem = cmp.substr(0, 2);
  return stem == "eq"                   ? order == 0
         : stem == "ne"                 ? order != 0
         : stem == "lt" || stem == "lo" ? order < 0
         : stem == "le" || stem == "ls" ? order <= 0
         : stem == "gt" || stem == "hi" ? order > 0
                                        : order >= 0;
}
bool join(const std::string &op, bool a, bool b) {
  return op == ".and"   ? a && b
         : op == ".or"  ? a || b
         : op == ".xor" ? a != b
                        : a;
}

const std::vector<std::string> kFloatCmps{"eq",  "ne",  "lt",  "le",  "gt",
                                          "ge",  "equ", "neu", "ltu", "leu",
                                          "gtu", "geu", "num", "nan"};

} // namespace

TEST(Moves, Plain) {
  auto same = [](const Lane &a) -> Lane { return a; };
  for (const char *type : {"b16", "u16", "s16"}) {
    expectCase({std::string("mov.") + type + " %d0, %a0;", {16}, {16}, same});
  }
  for (const char *type : {"b32", "u32", "s32", "f32"}) {
    expectCase({std::string("mov.") + type + " %d0, %a0;", {32}, {32}, same});
  }
  for (const char *type : {"b64", "u64", "s64", "f64"}) {
    expectCase({std::string("mov.") + type + " %d0, %a0;", {64}, {64}, same});
  }
  expectCase({"mov.pred %d0, %a0;", {1}, {1}, same});
}

TEST(Moves, Immediates) {
  LaneProgram program("mov.b32 %d0, 0f3F800000; mov.b64 %d1, -2;\n"
                      "mov.f64 %d2, 0d4000000000000000; mov.b16 %d3, 0x3C00;\n"
                      "mov.u32 %d4, %laneid; mov.u32 %d5, %tid.x;",
                      {}, {32, 64, 64, 16, 32, 32});
  Values d = program.run({}, ~0u, 64, 64);
  ASSERT_EQ(d.size(), 6u);
  for (size_t t = 0; t < 64; ++t) {
    EXPECT_EQ(d[0][t], 0x3F80'0000u);
    EXPECT_EQ(d[1][t], ~uint64_t(0) - 1);
    EXPECT_EQ(d[2][t], 0x4000'0000'0000'0000u);
    EXPECT_EQ(d[3][t], 0x3C00u);
    EXPECT_EQ(d[4][t], t % 32);
    EXPECT_EQ(d[5][t], t);
  }
}

TEST(Moves, PackAndUnpack) {
  expectCase(
      {"mov.b32 %d0, {%a0, %a1};", {16, 16}, {32}, [](const Lane &a) -> Lane {
         return {a[0] + (a[1] << 16)};
       }});
  expectCase(
      {"mov.b32 {%d0, %d1}, %a0;", {32}, {16, 16}, [](const Lane &a) -> Lane {
         return {a[0] % 65536, a[0] / 65536};
       }});
  expectCase(
      {"mov.b64 %d0, {%a0, %a1};", {32, 32}, {64}, [](const Lane &a) -> Lane {
         return {a[0] + (a[1] << 32)};
       }});
  expectCase(
      {"mov.b64 {%d0, %d1}, %a0;", {64}, {32, 32}, [](const Lane &a) -> Lane {
         return {cut(a[0], 32), a[0] >> 32};
       }});
  expectCase({"mov.b64 {_, %d0}, %a0;", {64}, {32}, [](const Lane &a) -> Lane {
                return {a[0] >> 32};
              }});
  expectCase({"mov.b64 %d0, {%a0, %a1, %a2, %a3};",
              {16, 16, 16, 16},
              {64},
              [](const Lane &a) -> Lane {
                return {a[0] + (a[1] << 16) + (a[2] << 32) + (a[3] << 48)};
              }});
  expectCase({"mov.b64 {%d0, %d1, %d2, %d3}, %a0;",
              {64},
              {16, 16, 16, 16},
              [](const Lane &a) -> Lane {
                return {cut(a[0], 16), cut(a[0] >> 16, 16), cut(a[0] >> 32, 16),
                        a[0] >> 48};
              }});
  // Registers of the packed word may be parts of it: 128 bits and back.
  expectCase({".reg .b128 %q, %r; mov.b128 %q, {%a0, %a1};\n"
              "mov.b128 %r, %q; mov.b128 {%d1, %d0}, %r;",
              {64, 64},
              {64, 64},
              [](const Lane &a) -> Lane { return {a[1], a[0]}; }});
  expectCase({".reg .b16 %h; mov.b32 {%h, _}, %a0; mov.b32 %d0, {%h, %h};",
              {32},
              {32},
              [](const Lane &a) -> Lane { return {cut(a[0], 16) * 0x10001}; }});
}

TEST(Moves, Select) {
  for (unsigned n : {16u, 32u, 64u}) {
    expectCase({"selp.b" + std::to_string(n) + " %d0, %a0, %a1, %a2;",
                {n, n, 1},
                {n},
                [](const Lane &a) -> Lane { return {a[2] ? a[0] : a[1]}; }});
    expectCase({"slct.b" + std::to_string(n) + ".s32 %d0, %a0, %a1, %a2;",
                {n, n, 32},
                {n},
                [](const Lane &a) -> Lane {
                  return {a[2] < 0x8000'0000 ? a[0] : a[1]};
                }});
  }
  for (bool isFtz : {false, true}) {
    expectCase({std::string("slct") + (isFtz ? ".ftz" : "") +
                    ".b32.f32 %d0, %a0, %a1, %a2;",
                {32, 32, 32},
                {32},
                [=](const Lane &a) -> Lane {
                  uint64_t c = isFtz ? flushed(kF32, a[2]) : a[2];
                  return {toDouble(kF32, c) >= 0 ? a[0] : a[1]};
                }},
               combine({{1, 2}, {3, 4}, floatCorners(kF32)}));
  }
}

TEST(Moves, Addresses) {
  // To generic and back; what is stored through one is loaded by the other.
  LaneProgram program(
      ".reg .b64 %g, %s; .reg .b32 %v; .reg .pred %p, %q, %r;\n"
      "mad.wide.u32 %s, %lane, 4, %smem;\n cvta.shared.u64 %g, %s;\n"
      "st.u32 [%g], %a0; ld.shared.u32 %d0, [%s];\n"
      "cvta.to.shared.u64 %d1, %g; sub.u64 %d1, %d1, %smem;\n"
      "isspacep.shared %d2, %g; isspacep.global %d3, %g;",
      {32}, {32, 64, 1, 1});
  std::vector<uint64_t> a(32);
  for (size_t t = 0; t < 32; ++t) {
    a[t] = 1000 + t;
  }
  Values d = program.run({a});
  ASSERT_EQ(d.size(), 4u);
  EXPECT_TRUE(program.findings().empty());
  for (size_t t = 0; t < 32; ++t) {
    EXPECT_EQ(d[0][t], 1000 + t);
    EXPECT_EQ(d[1][t], 4 * t);
    EXPECT_EQ(d[2][t], 1u);
    EXPECT_EQ(d[3][t], 0u);
  }
}

TEST(Compare, Integers) {
  for (char kind : {'u', 's', 'b'}) {
    for (unsigned n : {16u, 32u, 64u}) {
      std::vector<std::string> cmps{"eq", "ne"};
      if (kind != 'b') {
        cmps.insert(cmps.end(), {"lt", "le", "gt", "ge"});
      }
      if (kind == 'u') {
        cmps.insert(cmps.end(), {"lo", "ls", "hi", "hs"});
      }
      for (const std::string &cmp : cmps) {
        std::string type = std::string(1, kind) + std::to_string(n);
        expectCase({"setp." + cmp + "." + type + " %d0, %a0, %a1;",
                    {n, n},
                    {1},
                    [=](const Lane &a) -> Lane {
                      int o = a[0] == a[1] ? 0 : a[0] < a[1] ? -1 : 1;
                      if (kind == 's') {
                        int64_t x = asSigned(a[0], n), y = asSigned(a[1], n);
                        o = x == y ? 0 : x < y ? -1 : 1;
                      }
                      return {holds(cmp, o)};
                    }});
      }
    }
  }
}

TEST(Compare, Floats) {
  struct Row {
    const char *type;
    const Format &format;
    bool hasFtz;
  };
  for (const Row &row : {Row{"f32", kF32, true}, Row{"f64", kF64, false},
                         Row{"f16", kF16, true}, Row{"bf16", kBF16, false}}) {
    const Format &f = row.format;
    unsigned n = unsigned(f.width());
    std::vector<uint64_t> codes = floatCorners(f);
    for (const std::string &cmp : kFloatCmps) {
      for (bool isFtz : {false, true}) {
        if (isFtz && !row.hasFtz) {
          continue;
        }
        auto value = [&f, isFtz](uint64_t code) {
          code = isFtz ? flushed(f, code) : code;
          return f.width() == 64 ? std::bit_cast<double>(code)
                                 : toDouble(f, code);
        };
        expectCase({"setp." + cmp + (isFtz ? ".ftz." : ".") + row.type +
                        " %d0, %a0, %a1;",
                    {n, n},
                    {1},
                    [=](const Lane &a) -> Lane {
                      return {holds(cmp, order(value(a[0]), value(a[1])))};
                    }},
                   combine({codes, codes}));
      }
    }
  }
}

TEST(Compare, Joined) {
  std::vector<uint64_t> codes = floatCorners(kF32);
  for (const std::string cmp : {"lt", "neu", "nan"}) {
    for (const std::string op : {".and", ".or", ".xor", ""}) {
      std::string text = "setp." + cmp + op + ".f32 %d0|%d1, %a0, %a1";
      for (bool isNegated : {false, true}) {
        std::string third = op.empty() ? "" : isNegated ? ", !%a2" : ", %a2";
        expectCase({text + third + ";",
                    {32, 32, 1},
                    {1, 1},
                    [=](const Lane &a) -> Lane {
                      bool r = holds(cmp, order(toDouble(kF32, a[0]),
                                                toDouble(kF32, a[1])));
                      bool c = (a[2] != 0) != isNegated;
                      return {join(op, r, c), join(op, !r, c)};
                    }},
                   combine({codes, codes, {0, 1}}));
      }
    }
  }
}

TEST(Compare, Packed) {
  for (bool isBFloat : {false, true}) {
    const Format &f = isBFloat ? kBF16 : kF16;
    std::vector<uint64_t> words;
    for (uint64_t low : floatCorners(f)) {
      words.push_back(low | floatCorners(f)[(words.size() * 7 + 3) % 20] << 16);
    }
    for (const std::string &cmp : kFloatCmps) {
      expectCase({"setp." + cmp + (isBFloat ? ".bf16x2" : ".f16x2") +
                      " %d0|%d1, %a0, %a1;",
                  {32, 32},
                  {1, 1},
                  [=](const Lane &a) -> Lane {
                    Lane result;
                    for (unsigned shift : {0u, 16u}) {
                      double x = toDouble(f, a[0] >> shift & 0xFFFF);
                      double y = toDouble(f, a[1] >> shift & 0xFFFF);
                      result.push_back(holds(cmp, order(x, y)));
                    }
                    return result;
                  }},
                 combine({words, words}));
    }
  }
}

TEST(Compare, Set) {
  std::vector<uint64_t> codes = floatCorners(kF32);
  auto lt = [](const Lane &a) {
    return order(toDouble(kF32, a[0]), toDouble(kF32, a[1])) == -1;
  };
  expectCase(
      {"set.lt.u32.f32 %d0, %a0, %a1;",
       {32, 32},
       {32},
       [=](const Lane &a) -> Lane { return {lt(a) ? 0xFFFF'FFFFu : 0u}; }},
      combine({codes, codes}));
  expectCase(
      {"set.lt.f32.f32 %d0, %a0, %a1;",
       {32, 32},
       {32},
       [=](const Lane &a) -> Lane { return {lt(a) ? 0x3F80'0000u : 0u}; }},
      combine({codes, codes}));
  expectCase({"set.gt.xor.f32.s32 %d0, %a0, %a1, %a2;",
              {32, 32, 1},
              {32},
              [](const Lane &a) -> Lane {
                bool r = int32_t(a[0]) > int32_t(a[1]);
                return {r != (a[2] != 0) ? 0x3F80'0000u : 0u};
              }});
  std::vector<uint64_t> words;
  for (uint64_t low : floatCorners(kF16)) {
    words.push_back(low | floatCorners(kF16)[(words.size() * 7 + 3) % 20]
                              << 16);
  }
  for (bool toFloat : {false, true}) {
    expectCase(
        {std::string("set.ge.") + (toFloat ? "f16x2" : "u32") +
             ".f16x2 %d0, %a0, %a1;",
         {32, 32},
         {32},
         [=](const Lane &a) -> Lane {
           uint64_t result = 0;
           for (unsigned shift : {0u, 16u}) {
             int o = order(toDouble(kF16, a[0] >> shift & 0xFFFF),
                           toDouble(kF16, a[1] >> shift & 0xFFFF));
             result |=
                 uint64_t(o == 0 || o == 1 ? (toFloat ? 0x3C00 : 0xFFFF) : 0)
                 << shift;
           }
           return {result};
         }},
        combine({words, words}));
  }
}

TEST(Compare, Refuses) {
  expectRefused("setp.ltu.s32 %d0, %a0, %a1;", {32, 32}, {1},
                "expects a comparison of its type in 'setp.ltu.s32'");
  expectRefused("setp.lo.s32 %d0, %a0, %a1;", {32, 32}, {1},
                "expects a comparison of its type in 'setp.lo.s32'");
  expectRefused("setp.f32 %d0, %a0, %a1;", {32, 32}, {1},
                "expects a comparison of its type in 'setp.f32'");
  expectRefused("setp.lt.and.f32 %d0, %a0, %a1;", {32, 32}, {1},
                "expects 4 operands of 'setp.lt.and.f32', but got 3");
  expectRefused("setp.lt.ftz.f64 %d0, %a0, %a1;", {64, 64}, {1},
                "does not know the type of 'setp.lt.ftz.f64'");
  expectRefused("mov.b32 {%d0, %d1}, %a0;", {32}, {64, 64},
                "expects a register of 16 bits, but got '%d0'");
  expectRefused("cvta.u64 %d0, %a0;", {64}, {64},
                "expects a space and u64 in 'cvta.u64'");
}
