//===- LayoutsTest.cpp - Which thread does what ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "gtest/gtest.h"

static const char *kOut = "memref<?x?xf32, strided<[?, 1]>>";

static std::string tensorType(int rows, int columns, const std::string &element,
                              const std::string &layout) {
  return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) +
         "x" + element + ", " + layout + ">";
}

static std::string vectorType(int size, const std::string &element,
                              const std::string &layout) {
  return "tensor<" + std::to_string(size) + "x" + element + ", " + layout + ">";
}

namespace {
struct Case {
  std::string layout;
  int warps, rows, columns;
};
} // namespace

static const Case kCases[] = {
    {"#sm.acc<1 x 1>", 1, 16, 8},
    {"#sm.acc<4 x 1>", 4, 64, 64},
    {"#sm.acc<2 x 1>", 2, 64, 24},
    {"#sm.acc<2 x 2>", 4, 32, 64},
    {"#sm.acc<1 x 4>", 4, 16, 128},
    {"#sm.acc<3 x 1>", 3, 48, 16},
    {"#sm.rhs<2 x 2>", 4, 32, 48},
    {"#sm.rhs<1 x 1>", 1, 16, 8},
    {"#sm.lhs<2 x 2>", 4, 32, 48},
    {"#sm.rhs<2 x 2, transposed = true>", 4, 48, 32},
};

/// %x: 1000 * row + column.
static std::string numbers(const Case &c) {
  std::string rows = "#sm.slice<1, " + c.layout + ">";
  std::string columns = "#sm.slice<0, " + c.layout + ">";
  std::string block = tensorType(c.rows, c.columns, "i32", c.layout);
  std::string row = vectorType(c.rows, "i32", rows);
  std::string column = vectorType(c.columns, "i32", columns);
  return "%r = sm.coord %zero : " + row + "\n%c = sm.coord %zero : " + column +
         "\n%k = arith.constant dense<1000> : " + row +
         "\n%r1 = arith.muli %r, %k : " + row +
         "\n%re = sm.expand %r1 along 1 : " + row + " -> " + block +
         "\n%ce = sm.expand %c along 0 : " + column + " -> " + block +
         "\n%x = arith.addi %re, %ce : " + block + "\n";
}

static std::string store(const Case &c, const std::string &value,
                         const std::string &element, int bytes,
                         const std::string &type) {
  std::string rows = "#sm.slice<1, " + c.layout + ">";
  return rowAddresses("o", "%out", type, c.rows, bytes, rows) +
         "sm.store_rows " + value + " to %o live %o_live : " +
         tensorType(c.rows, c.columns, element, c.layout) + ", " +
         vectorType(c.rows, "i64", rows) + ", " +
         vectorType(c.rows, "i1", rows) + "\n";
}

TEST(SMToNVVMLayouts, StoresEveryElementWhereItBelongs) {
  for (const Case &c : kCases) {
    SCOPED_TRACE(c.layout);
    std::string block = tensorType(c.rows, c.columns, "i32", c.layout);
    std::string floats = tensorType(c.rows, c.columns, "f32", c.layout);
    std::string body = numbers(c) + "%f = arith.sitofp %x : " + block + " to " +
                       floats + "\n" + store(c, "%f", "f32", 4, kOut);
    std::vector<TestTensor> tensors{
        TestTensor::get<float>(c.rows, c.columns + 8, -1)};
    runKernel(wrapKernel("", std::string("%out: ") + kOut, c.warps, body),
              TestPlan::get(), tensors);
    for (int r = 0; r < c.rows; ++r) {
      for (int k = 0; k < c.columns + 8; ++k) {
        float wanted = k < c.columns ? float(1000 * r + k) : -1.0f;
        ASSERT_EQ(tensors[0].at<float>(r, k), wanted) << r << ", " << k;
      }
    }
  }
}

TEST(SMToNVVMLayouts, StoresHalves) {
  for (const Case &c : kCases) {
    SCOPED_TRACE(c.layout);
    const char *type = "memref<?x?xf16, strided<[?, 1]>>";
    std::string block = tensorType(c.rows, c.columns, "i32", c.layout);
    std::string floats = tensorType(c.rows, c.columns, "f32", c.layout);
    std::string halves = tensorType(c.rows, c.columns, "f16", c.layout);
    std::string body = numbers(c) + "%f = arith.sitofp %x : " + block + " to " +
                       floats + "\n%h = arith.truncf %f : " + floats + " to " +
                       halves + "\n" + store(c, "%h", "f16", 2, type);
    std::vector<TestTensor> tensors{
        TestTensor::get<uint16_t>(c.rows, c.columns, 0xffff)};
    runKernel(wrapKernel("", std::string("%out: ") + type, c.warps, body),
              TestPlan::get(), tensors);
    for (int r = 0; r < c.rows; ++r) {
      for (int k = 0; k < c.columns; ++k) {
        ASSERT_EQ(tensors[0].at<uint16_t>(r, k),
                  floatToHalf(float(1000 * r + k)))
            << r << ", " << k;
      }
    }
  }
}

/// An odd function of both coordinates, small enough for exact sums.
static int sample(int row, int column) { return (row * 37 + column * 11) % 61; }

TEST(SMToNVVMLayouts, ReducesAlongEachAxis) {
  for (const Case &c : kCases) {
    for (int axis : {0, 1}) {
      // Their parts may lie in several warps.
      std::string room =
          "!sm.slot<" + std::to_string(axis ? c.rows : c.columns) + ", 4, f32>";
      std::string through = c.warps > 1 ? "through %room : " + room + " " : "";
      for (const char *kind : {"add", "maximum", "minimum"}) {
        SCOPED_TRACE(c.layout + " " + kind + " " + std::to_string(axis));
        int kept = axis ? c.rows : c.columns;
        std::string a = std::to_string(axis);
        std::string rows = "#sm.slice<1, " + c.layout + ">";
        std::string block = tensorType(c.rows, c.columns, "f32", c.layout);
        std::string part = vectorType(kept, "f32",
                                      std::string("#sm.partial<") + kind +
                                          ", " + a + ", " + c.layout + ">");
        std::string slice =
            vectorType(kept, "f32", "#sm.slice<" + a + ", " + c.layout + ">");
        std::string body =
            rowAddresses("i", "%in", kOut, c.rows, 4, rows) +
            "%x = sm.load_rows %i live %i_live : " +
            vectorType(c.rows, "i64", rows) + ", " +
            vectorType(c.rows, "i1", rows) + " -> " + block +
            "\n%p = sm.reduce " + kind + " %x along " + a + " : " + block +
            " -> " + part + "\n%room = sm.alloc : " + room +
            "\n%s = sm.complete %p " + through + ": " + part + " -> " + slice +
            "\n%e = sm.expand %s along " + a + " : " + slice + " -> " + block +
            "\n" + store(c, "%e", "f32", 4, kOut);
        std::vector<TestTensor> tensors{
            TestTensor::get<float>(c.rows, c.columns),
            TestTensor::get<float>(c.rows, c.columns, -1)};
        for (int r = 0; r < c.rows; ++r) {
          for (int k = 0; k < c.columns; ++k) {
            tensors[0].at<float>(r, k) = float(sample(r, k));
          }
        }
        runKernel(wrapKernel("",
                             std::string("%in: ") + kOut + ", %out: " + kOut,
                             c.warps, body),
                  TestPlan::get(), tensors);
        for (int r = 0; r < c.rows; ++r) {
          for (int k = 0; k < c.columns; ++k) {
            int sum = 0, largest = 0, smallest = 1000;
            for (int j = 0; j < (axis ? c.columns : c.rows); ++j) {
              int value = axis ? sample(r, j) : sample(j, k);
              sum += value;
              largest = std::max(largest, value);
              smallest = std::min(smallest, value);
            }
            int wanted = kind[0] == 'a'   ? sum
                         : kind[1] == 'a' ? largest
                                          : smallest;
            ASSERT_EQ(tensors[1].at<float>(r, k), float(wanted))
                << r << ", " << k;
          }
        }
      }
    }
  }
}
