//===- WgmmaTest.cpp - Products of matrices by a warpgroup ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every form of wgmma.mma_async against whole matrices; where the operands lie
// in shared memory is the matter of WgmmaLayoutTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

std::vector<Product> everyType() {
  std::vector<Product> list;
  auto add = [&](std::string sums, std::string a, std::string b,
                 std::string saturates = {}) {
    Product p;
    p.sums = std::move(sums);
    p.a = std::move(a);
    p.b = std::move(b);
    p.saturates = std::move(saturates);
    list.push_back(p);
  };
  add("f32", "f16", "f16");
  add("f16", "f16", "f16");
  add("f32", "bf16", "bf16");
  add("f32", "tf32", "tf32");
  for (std::string a : {"e4m3", "e5m2"}) {
    for (std::string b : {"e4m3", "e5m2"}) {
      add("f32", a, b);
      add("f16", a, b);
    }
  }
  for (std::string a : {"s8", "u8"}) {
    for (std::string b : {"s8", "u8"}) {
      add("s32", a, b);
      add("s32", a, b, ".satfinite");
    }
  }
  return list;
}

class WgmmaTypeTest : public testing::TestWithParam<Product> {};

} // namespace

INSTANTIATE_TEST_SUITE_P(Types, WgmmaTypeTest, testing::ValuesIn(everyType()),
                         [](const auto &info) {
                           const Product &p = info.param;
                           return p.sums + "_" + p.a + "_" + p.b +
                                  (p.saturates.empty() ? "" : "_satfinite");
                         });

TEST_P(WgmmaTypeTest, IsExactOnSmallIntegers) {
  for (bool aInRegisters : {false, true}) {
    for (unsigned n : {8, 24, 64, 128, 256}) {
      Product p = GetParam();
      p.n = n;
      p.steps = n == 64 ? 3 : 1;
      p.aInRegisters = aInRegisters;
      expectProduct(p, n);
    }
  }
}

TEST_P(WgmmaTypeTest, IsNearOnAllNumbers) {
  for (uint32_t seed : {1, 2, 3}) {
    Product p = GetParam();
    p.n = 32;
    p.steps = seed;
    p.aInRegisters = seed == 2;
    p.smallIntegers = false;
    expectProduct(p, seed);
  }
}

TEST_P(WgmmaTypeTest, TwoWarpgroupsHaveTheirOwn) {
  for (bool aInRegisters : {false, true}) {
    Product p = GetParam();
    p.n = 16;
    p.steps = 2;
    p.warpgroups = 2;
    p.aInRegisters = aInRegisters;
    expectProduct(p);
  }
}

TEST_P(WgmmaTypeTest, ScaleDDropsWhatWasThere) {
  for (std::string scale : {"0", "1", "%accumulate", "!%accumulate"}) {
    for (bool accumulates : {false, true}) {
      Product p = GetParam();
      p.scale = scale;
      p.accumulates = accumulates;
      p.steps = 2;
      expectProduct(p);
    }
  }
}

TEST_P(WgmmaTypeTest, WithoutSumsRegistersMayBeUndefined) {
  Product p = GetParam();
  p.scale = "0";
  WgmmaJob job(p);
  for (unsigned i = 0; i < p.numSums(); ++i) {
    job.source.drop("load" + std::to_string(i));
  }
  for (const Options &options : everyCompletion()) {
    Outcome outcome = job.run(options);
    EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
    EXPECT_EQ(job.difference(outcome), "");
  }
}

TEST_P(WgmmaTypeTest, EitherOperandMayBeNegated) {
  if (GetParam().isInteger()) {
    // There is no such operand: five operands more are refused below.
    return;
  }
  for (bool aInRegisters : {false, true}) {
    for (int scaleA : {1, -1}) {
      for (int scaleB : {1, -1}) {
        Product p = GetParam();
        p.aInRegisters = aInRegisters;
        p.scaleA = scaleA;
        p.scaleB = scaleB;
        expectProduct(p);
      }
    }
  }
}

//===--- Shapes -----------------------------------------------------------===//

TEST(WgmmaTest, EveryWidth) {
  for (unsigned n = 8; n <= 256; n += 8) {
    Product p;
    p.n = n;
    p.aInRegisters = n % 16 == 0;
    expectProduct(p, n);
  }
}

TEST(WgmmaTest, EveryWidthOfIntegers) {
  for (unsigned n = 8; n <= 256; n += n < 32 ? 8 : 16) {
    Product p;
    p.sums = "s32";
    p.a = "s8";
    p.b = "u8";
    p.n = n;
    expectProduct(p, n);
  }
}

TEST(WgmmaTest, ManyStepsAccumulate) {
  for (std::string type : {"bf16", "tf32", "e4m3"}) {
    Product p;
    p.a = p.b = type;
    p.n = 40;
    p.steps = 8;
    expectProduct(p);
    p.aInRegisters = true;
    expectProduct(p);
  }
}

//===--- Numbers ----------------------------------------------------------===//

TEST(WgmmaTest, IntegersWrapUnlessTheySaturate) {
  struct Case {
    int a, b, c;
    double wrapped, limited;
  };
  // 32 products of 127 * 127 above, of 127 * -128 below.
  for (Case k :
       {Case{127, 127, INT32_MAX, double(int32_t(0x7FFFFFFFu + 32 * 127 * 127)),
             double(INT32_MAX)},
        Case{127, -128, INT32_MIN,
             double(int32_t(0x80000000u - 32 * 127 * 128)), double(INT32_MIN)},
        Case{-128, -128, 5, 32 * 128 * 128 + 5, 32 * 128 * 128 + 5}}) {
    for (bool saturates : {false, true}) {
      Product p;
      p.sums = "s32";
      p.a = p.b = "s8";
      p.saturates = saturates ? ".satfinite" : "";
      WgmmaJob job(p);
      for (unsigned i = 0; i < 32; ++i) {
        for (unsigned m = 0; m < 64; ++m) {
          job.setA(0, m, i, uint8_t(k.a));
        }
        for (unsigned n = 0; n < 8; ++n) {
          job.setB(0, i, n, uint8_t(k.b));
        }
      }
      job.setC(0, 17, 3, uint32_t(k.c));
      Outcome outcome = job.run();
      EXPECT_EQ(job.difference(outcome), "");
      ASSERT_EQ(outcome.d.size(), 128u) << outcome.describe();
      // Row 17 is of warp 1, group 1; column 3 of thread 1 of the group.
      EXPECT_EQ(double(int32_t(outcome.d[32 + 5][1])),
                saturates ? k.limited : k.wrapped);
    }
  }
}

TEST(WgmmaTest, SaturationMayStandBehind) {
  Product p;
  p.sums = "s32";
  p.a = p.b = "s8";
  p.saturates = ".satfinite";
  WgmmaJob job(p);
  job.source.swap(".satfinite.s32.s8.s8", ".s32.s8.s8.satfinite");
  Outcome outcome = job.run();
  EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
  EXPECT_EQ(job.difference(outcome), "");
}

/// One NaN in A makes its row NaN, one in B its column, and nothing else.
TEST(WgmmaTest, NanStaysInItsRowAndColumn) {
  struct Case {
    std::string type;
    uint32_t nan;
  };
  for (const Case &k :
       {Case{"f16", 0x7E01}, Case{"bf16", 0xFFC0}, Case{"tf32", 0x7FC00000},
        Case{"e4m3", 0x7F}, Case{"e5m2", 0xFE}}) {
    for (bool aInRegisters : {false, true}) {
      Product p;
      p.a = p.b = k.type;
      p.n = 16;
      p.aInRegisters = aInRegisters;
      WgmmaJob job(p);
      job.setA(0, 41, 3, k.nan);
      job.setB(0, 6, 13, k.nan);
      Outcome outcome = job.run();
      ASSERT_EQ(outcome.d.size(), 128u) << outcome.describe();
      for (unsigned thread = 0; thread < 128; ++thread) {
        for (unsigned i = 0; i < 8; ++i) {
          Place at = placeOfSum(thread, i);
          double got = wgmmaDecode("f32", outcome.d[thread][i]);
          EXPECT_EQ(std::isnan(got), at.row == 41 || at.column == 13)
              << k.type << " " << at.row << "," << at.column;
        }
      }
    }
  }
}

/// Each code times one, in the format of the sums.
TEST(WgmmaTest, EveryByteIsItsNumber) {
  for (std::string type : {"e4m3", "e5m2", "s8", "u8"}) {
    for (unsigned k : {0u, 13u, 31u}) {
      Product p;
      p.a = p.b = type;
      p.sums = type[0] == 'e' ? "f32" : "s32";
      p.n = 8;
      p.scale = "0";
      // Row m of round r has byte 64 r + m at one k, else zeros.
      for (unsigned round = 0; round < 4; ++round) {
        WgmmaJob job(p);
        for (unsigned i = 0; i < 32; ++i) {
          for (unsigned m = 0; m < 64; ++m) {
            job.setA(0, m, i, i == k ? 64 * round + m : 0);
          }
          for (unsigned n = 0; n < 8; ++n) {
            job.setB(0, i, n, i == k ? wgmmaEncode(type, 1) : 0);
          }
        }
        Outcome outcome = job.run();
        ASSERT_EQ(outcome.d.size(), 128u) << outcome.describe();
        for (unsigned thread = 0; thread < 128; ++thread) {
          for (unsigned i = 0; i < 4; ++i) {
            unsigned code = 64 * round + placeOfSum(thread, i).row;
            double want = wgmmaDecode(type, code);
            double got = wgmmaDecode(p.sums, outcome.d[thread][i]);
            if (std::isnan(want)) {
              EXPECT_TRUE(std::isnan(got)) << type << code;
            } else {
              EXPECT_EQ(got, want) << type << code;
            }
          }
        }
      }
    }
  }
}

TEST(WgmmaTest, HalvesOverflowToInfinity) {
  Product p;
  p.sums = p.a = p.b = "f16";
  WgmmaJob job(p);
  for (unsigned k = 0; k < 16; ++k) {
    job.setA(0, 9, k, wgmmaEncode("f16", 256));
    job.setB(0, k, 4, wgmmaEncode("f16", 256));
  }
  Outcome outcome = job.run();
  ASSERT_EQ(outcome.d.size(), 128u) << outcome.describe();
  // Row 9 is group 1 in the upper half; column 4 is of thread 2.
  EXPECT_EQ(outcome.d[4 + 2][1] & 0xFFFF, 0x7C00u);
}
