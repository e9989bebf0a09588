//===- ElementwiseTest.cpp - Ops on elements, in the registers of a warp --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

static const char *kFloat = "memref<?x?xf32, strided<[?, 1]>>";

/// All codes of an 8-bit float, 16 in a row, as f32, by way of another type or
/// directly.
static void expectAllCodes(const std::string &element, const std::string &by,
                           const llvm::fltSemantics &semantics,
                           const std::string &chip) {
  SCOPED_TRACE(element + " by " + by + " on " + chip);
  const std::string layout = "#sm.acc<1 x 1>",
                    slice = "#sm.slice<1, " + layout + ">";
  std::string codes = "memref<?x?x" + element + ", strided<[?, 1]>>";
  auto type = [&](const std::string &of) {
    return "tensor<16x16x" + of + ", " + layout + ">";
  };
  std::string rows =
      "tensor<16xi64, " + slice + ">, tensor<16xi1, " + slice + ">";
  std::string body = rowAddresses("i", "%in", codes, 16, 1, slice) +
                     rowAddresses("o", "%out", kFloat, 16, 4, slice) +
                     "%x = sm.load_rows %i live %i_live : " + rows + " -> " +
                     type(element) + "\n";
  if (by == "f32") {
    body += "%w = arith.extf %x : " + type(element) + " to " + type("f32");
  } else {
    body += "%h = arith.extf %x : " + type(element) + " to " + type(by) +
            "\n%w = arith.extf %h : " + type(by) + " to " + type("f32");
  }
  body += "\nsm.store_rows %w to %o live %o_live : " + type("f32") + ", " +
          rows + "\n";
  std::vector<TestTensor> tensors{TestTensor::get<uint8_t>(16, 16),
                                  TestTensor::get<float>(16, 16, -1)};
  for (int code = 0; code < 256; ++code) {
    tensors[0].at<uint8_t>(code / 16, code % 16) = uint8_t(code);
  }
  runKernel(wrapKernel("", "%in: " + codes + ", %out: " + kFloat, 1, body),
            TestPlan::get(), tensors, chip);
  for (unsigned code = 0; code < 256; ++code) {
    llvm::APFloat exact(semantics, llvm::APInt(8, code));
    float got = tensors[1].at<float>(code / 16, code % 16);
    if (exact.isNaN()) {
      EXPECT_TRUE(std::isnan(got)) << code << " is " << got;
      continue;
    }
    EXPECT_EQ(got, exact.convertToFloat()) << code;
    EXPECT_EQ(std::signbit(got), exact.isNegative()) << code;
  }
}

/// With the instructions that sm_89 brought, and without.
TEST(SMToNVVMElementwise, WidensAllCodesOfFloat8) {
  for (const char *chip : {"sm_80", "sm_89"}) {
    for (const char *by : {"f16", "bf16", "f32"}) {
      expectAllCodes("f8E4M3FN", by, llvm::APFloat::Float8E4M3FN(), chip);
      expectAllCodes("f8E5M2", by, llvm::APFloat::Float8E5M2(), chip);
    }
  }
}

/// Coordinates against bounds that no difference of 32 bits may leave, as they
/// are and with some that are not there.
TEST(SMToNVVMElementwise, ComparesCoordinatesWithAnyBound) {
  const std::string layout = "#sm.acc<1 x 1>",
                    rows = "#sm.slice<1, " + layout + ">",
                    columns = "#sm.slice<0, " + layout + ">";
  const std::string ints = "memref<?x?xi32, strided<[?, 1]>>";
  constexpr int32_t kLow = std::numeric_limits<int32_t>::min(),
                    kHigh = std::numeric_limits<int32_t>::max();
  const int32_t bounds[16] = {kLow, kLow + 1, kLow + 15, -17,  -16, -1,
                              0,    1,        7,         8,    14,  15,
                              16,   31,       kHigh - 1, kHigh};
  auto type = [&](const std::string &of, const std::string &in) {
    return "tensor<16x" + of + ", " + in + ">";
  };
  const std::string block = "tensor<16x16xi32, " + layout + ">",
                    flags = "tensor<16x16xi1, " + layout + ">",
                    floats = "tensor<16x16xf32, " + layout + ">";
  for (const std::string p : {"slt", "sle", "sgt", "sge", "eq", "ult"}) {
    // What stands for the columns from 9 on; 0: themselves.
    for (int32_t other : {0, kHigh, kLow, 5}) {
      SCOPED_TRACE(p + ", " + std::to_string(other));
      std::string body =
          rowAddresses("i", "%in", ints, 16, 4, rows) +
          rowAddresses("o", "%out", kFloat, 16, 4, rows) +
          "%wide = sm.load_rows %i live %i_live : " + type("i64", rows) + ", " +
          type("i1", rows) + " -> " + block +
          "\n%m = sm.coord %zero : " + type("i32", columns) +
          "\n%nine = arith.constant dense<9> : " + type("i32", columns) +
          "\n%there = arith.cmpi slt, %m, %nine : " + type("i32", columns) +
          "\n%other = arith.constant dense<" + std::to_string(other) +
          "> : " + type("i32", columns) +
          "\n%mixed = arith.select %there, %m, %other : " +
          type("i1", columns) + ", " + type("i32", columns) +
          "\n%c = sm.expand " + (other ? "%mixed" : "%m") +
          " along 0 : " + type("i32", columns) + " -> " + block +
          "\n%f = arith.cmpi " + p + ", %c, %wide : " + block +
          "\n%n = arith.extui %f : " + flags + " to " + block +
          "\n%w = arith.sitofp %n : " + block + " to " + floats +
          "\nsm.store_rows %w to %o live %o_live : " + floats + ", " +
          type("i64", rows) + ", " + type("i1", rows) + "\n";
      std::vector<TestTensor> tensors{TestTensor::get<int32_t>(16, 16),
                                      TestTensor::get<float>(16, 16, -1)};
      for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 16; ++column) {
          tensors[0].at<int32_t>(row, column) = bounds[row];
        }
      }
      runKernel(wrapKernel("", "%in: " + ints + ", %out: " + kFloat, 1, body),
                TestPlan::get(), tensors);
      for (int row = 0; row < 16; ++row) {
        for (int32_t column = 0; column < 16; ++column) {
          int32_t bound = bounds[row],
                  m = other && column >= 9 ? other : column;
          bool holds = p == "slt"   ? m < bound
                       : p == "sle" ? m <= bound
                       : p == "sgt" ? m > bound
                       : p == "sge" ? m >= bound
                       : p == "eq"  ? m == bound
                                    : uint32_t(m) < uint32_t(bound);
          EXPECT_EQ(tensors[1].at<float>(row, column), holds)
              << column << ", " << bound;
        }
      }
    }
  }
}
