//===- FloatFormatsTest.cpp - Small formats against APFloat ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/FloatFormats.h"

#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <random>

using namespace attn;

namespace {
struct Case {
  const char *name;
  FloatFormat format;
  const llvm::fltSemantics &semantics;
};
} // namespace

static const Case kCases[] = {
    {"half", kHalf, llvm::APFloat::IEEEhalf()},
    {"bfloat", kBFloat, llvm::APFloat::BFloat()},
    {"f8E5M2", kFloat8E5M2, llvm::APFloat::Float8E5M2()},
    {"f8E4M3FN", kFloat8E4M3FN, llvm::APFloat::Float8E4M3FN()},
};

static int bitsOf(const Case &test) {
  return 1 + test.format.exponentBits + test.format.mantissaBits;
}

static uint32_t expectedBits(const Case &test, double value) {
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(test.semantics, llvm::APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.bitcastToAPInt().getZExtValue();
}

TEST(FloatFormats, DecodesEveryCode) {
  for (const Case &test : kCases) {
    for (uint32_t bits = 0; bits < (1u << bitsOf(test)); ++bits) {
      llvm::APFloat number(test.semantics, llvm::APInt(bitsOf(test), bits));
      bool losesInfo;
      number.convert(llvm::APFloat::IEEEdouble(),
                     llvm::APFloat::rmNearestTiesToEven, &losesInfo);
      double expected = number.convertToDouble();
      double got = decodeFloat(bits, test.format);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(got)) << test.name << " " << bits;
      } else {
        ASSERT_EQ(got, expected) << test.name << " " << bits;
        ASSERT_EQ(std::signbit(got), std::signbit(expected));
        ASSERT_EQ(encodeFloat(got, test.format), bits) << test.name;
      }
    }
  }
}

TEST(FloatFormats, HalfWithoutBranchesIsTheSame) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    double expected = decodeFloat(bits, kHalf);
    double got = halfToFloat(bits);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(got, expected) << bits;
    }
  }
}

TEST(FloatFormats, RoundsOnceToNearestEven) {
  std::mt19937_64 random(1);
  for (const Case &test : kCases) {
    uint32_t top = 1u << (bitsOf(test) - 1);
    for (uint32_t code = 0; code + 1 < top; ++code) {
      double low = decodeFloat(code, test.format);
      double high = decodeFloat(code + 1, test.format);
      if (!std::isfinite(low) || !std::isfinite(high)) {
        continue;
      }
      // The middle, and its neighbours that differ in the last bit of a double:
      // they are lost by a way over float.
      double middle = (low + high) / 2;
      for (double value : {middle, std::nextafter(middle, low),
                           std::nextafter(middle, high)}) {
        ASSERT_EQ(encodeFloat(value, test.format), expectedBits(test, value))
            << test.name << " " << value;
        ASSERT_EQ(encodeFloat(-value, test.format), expectedBits(test, -value));
      }
    }
    for (int i = 0; i < 20000; ++i) {
      double value =
          std::ldexp(double(int64_t(random())), int(random() % 400) - 250);
      uint32_t expected = expectedBits(test, value);
      bool isNaN = std::isnan(decodeFloat(expected, test.format));
      uint32_t got = encodeFloat(value, test.format);
      ASSERT_TRUE(isNaN ? std::isnan(decodeFloat(got, test.format))
                        : got == expected)
          << test.name << " " << value;
    }
  }
}

TEST(FloatFormats, SpecialValues) {
  EXPECT_EQ(encodeFloat(65519.99, kHalf), 0x7bffu);
  EXPECT_EQ(encodeFloat(65520, kHalf), 0x7c00u);
  EXPECT_EQ(encodeFloat(-HUGE_VAL, kBFloat), 0xff80u);
  EXPECT_EQ(encodeFloat(448, kFloat8E4M3FN), 0x7eu);
  EXPECT_EQ(encodeFloat(HUGE_VAL, kFloat8E4M3FN), 0x7fu);
  EXPECT_TRUE(std::isnan(decodeFloat(encodeFloat(NAN, kHalf), kHalf)));
}
