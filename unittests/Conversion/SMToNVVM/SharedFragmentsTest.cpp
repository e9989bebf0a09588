//===- SharedFragmentsTest.cpp - From one layout to another, and edges ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "gtest/gtest.h"

static const char *kFloat = "memref<?x?xf32, strided<[?, 1]>>";
static constexpr int kRows = 32, kColumns = 64;

static std::string type(int rows, int columns, const std::string &rest) {
  return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) +
         "x" + rest + ">";
}

static std::string vector(int size, const std::string &rest) {
  return "tensor<" + std::to_string(size) + "x" + rest + ">";
}

/// An even number below 2048, which 16 bits hold as it is.
static float sample(int row, int column) {
  return float((row * 37 + column * 11) % 1024 * 2);
}

static TestTensor samples(int rows, int columns) {
  TestTensor tensor = TestTensor::get<float>(rows, columns);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      tensor.at<float>(r, c) = sample(r, c);
    }
  }
  return tensor;
}

/// %NAME of the tensor with all of its rows live.
static std::string load(const std::string &layout, int rows, int columns,
                        const std::string &rest) {
  std::string slice = "#sm.slice<1, " + layout + ">";
  return rowAddresses("i", "%in", kFloat, rows, 4, slice) +
         "%x = sm.load_rows %i live %i_live " + rest + " : " +
         vector(rows, "i64, " + slice) + ", " + vector(rows, "i1, " + slice) +
         " -> " + type(rows, columns, "f32, " + layout) + "\n";
}

static std::string store(const std::string &value, const std::string &layout,
                         int rows, int columns, const std::string &rest) {
  std::string slice = "#sm.slice<1, " + layout + ">";
  return rowAddresses("o", "%out", kFloat, rows, 4, slice) + "sm.store_rows " +
         value + " to %o live %o_live " + rest + " : " +
         type(rows, columns, "f32, " + layout) + ", " +
         vector(rows, "i64, " + slice) + ", " + vector(rows, "i1, " + slice) +
         "\n";
}

static const std::string kArguments =
    std::string("%in: ") + kFloat + ", %out: " + kFloat;

TEST(SMToNVVMSharedFragments, GoFromOneLayoutToAnother) {
  struct {
    std::string from, to;
    int warps;
  } cases[] = {
      {"#sm.acc<2 x 2>", "#sm.lhs<2 x 2>", 4},
      {"#sm.acc<1 x 4>", "#sm.lhs<1 x 4>", 4},
      {"#sm.acc<2 x 1>", "#sm.rhs<2 x 1>", 2},
      {"#sm.acc<2 x 1>", "#sm.rhs<2 x 1, transposed = true>", 2},
      {"#sm.rhs<1 x 1>", "#sm.acc<1 x 1>", 1},
  };
  for (const auto &c : cases) {
    for (const char *element : {"f32", "f16"}) {
      SCOPED_TRACE(c.from + " to " + c.to + " of " + element);
      bool isHalf = element[1] == '1';
      std::string from = type(kRows, kColumns, element + (", " + c.from));
      std::string to = type(kRows, kColumns, element + (", " + c.to));
      std::string wide = type(kRows, kColumns, "f32, " + c.from);
      std::string size = "<32, 64, " + std::string(element) + ">";
      std::string body = load(c.from, kRows, kColumns, "");
      body +=
          isHalf ? "%n = arith.truncf %x : " + wide + " to " + from + "\n" : "";
      // Twice, as a loop does: the second write waits for the first reads.
      std::string value = isHalf ? "%n" : "%x";
      body += "%room = sm.alloc : !sm.slot" + size + "\n";
      for (const char *name : {"%a", "%b"}) {
        std::string n = name;
        body += n + "s = sm.sts " + value + " to %room : " + from +
                ", !sm.slot" + size + " -> !sm.buf" + size + "\n" + n +
                " = sm.lds " + n + "s : !sm.buf" + size + " -> " + to + "\n";
      }
      std::string sum = isHalf ? "%h" : "%w";
      body += sum + " = arith.addf %a, %b : " + to + "\n";
      if (isHalf) {
        body += "%w = arith.extf %h : " + to + " to " +
                type(kRows, kColumns, "f32, " + c.to) + "\n";
      }
      body += store("%w", c.to, kRows, kColumns, "");
      std::vector<TestTensor> tensors{samples(kRows, kColumns),
                                      TestTensor::get<float>(kRows, kColumns)};
      runKernel(wrapKernel("", kArguments, c.warps, body), TestPlan::get(2),
                tensors);
      for (int r = 0; r < kRows; ++r) {
        for (int k = 0; k < kColumns; ++k) {
          ASSERT_EQ(tensors[1].at<float>(r, k), 2 * sample(r, k))
              << r << ", " << k;
        }
      }
    }
  }
}

/// The tensors end where the columns do: what is read or written behind them is
/// a finding.
TEST(SMToNVVMSharedFragments, RowsEndWhereTheColumnsDo) {
  struct {
    std::string layout;
    int warps, columns, alignment;
  } cases[] = {
      {"#sm.acc<2 x 1>", 2, 24, 16},
      {"#sm.acc<2 x 1>", 2, 27, 4},
      {"#sm.acc<1 x 2>", 2, 30, 8},
      {"#sm.rhs<2 x 1>", 2, 1, 4},
  };
  for (const auto &c : cases) {
    for (bool isKnown : {true, false}) {
      SCOPED_TRACE(c.layout + " " + std::to_string(c.columns) +
                   (isKnown ? " known" : ""));
      std::string body =
          "%known = arith.constant " + std::to_string(c.columns) +
          " : index\n%one = arith.constant 1 : index\n%zero_rows = "
          "memref.dim %in, %one : " +
          kFloat + "\n";
      std::string columns = isKnown ? "%known" : "%zero_rows";
      std::string rest = "columns " + columns +
                         " {alignment = " + std::to_string(c.alignment) +
                         " : i64}";
      body += load(c.layout, kRows, 32, rest);
      // What is not there is 0: a sum with it says so.
      std::string block = type(kRows, 32, "f32, " + c.layout);
      body += store("%x", c.layout, kRows, 32, rest);
      std::vector<TestTensor> tensors{
          samples(kRows, c.columns),
          TestTensor::get<float>(kRows, c.columns, -1)};
      runKernel(wrapKernel("", kArguments, c.warps, body), TestPlan::get(),
                tensors);
      for (int r = 0; r < kRows; ++r) {
        for (int k = 0; k < c.columns; ++k) {
          ASSERT_EQ(tensors[1].at<float>(r, k), sample(r, k)) << r << ", " << k;
        }
      }
    }
  }
}

TEST(SMToNVVMSharedFragments, CopiesPutZerosBehindTheColumns) {
  // f32: 24 columns end inside of no piece, 26 and 27 of 32 do.
  struct {
    int columns, alignment;
  } cases[] = {{24, 16}, {26, 8}, {27, 4}, {1, 4}, {32, 16}};
  const std::string layout = "#sm.acc<2 x 1>", mover = "#sm.mover<4, 2>";
  for (const auto &c : cases) {
    SCOPED_TRACE(c.columns);
    std::string size = "<32, 32, f32>";
    std::string body = rowAddresses("i", "%in", kFloat, kRows, 4, mover) +
                       "%room = sm.alloc : !sm.slot" + size +
                       "\n%t = sm.copy %i live %i_live to %room {columns = " +
                       std::to_string(c.columns) +
                       " : i64, alignment = " + std::to_string(c.alignment) +
                       " : i64} : " + vector(kRows, "i64, " + mover) + ", " +
                       vector(kRows, "i1, " + mover) + ", !sm.slot" + size +
                       "\n%buf = sm.wait %room after %t : !sm.slot" + size +
                       " -> !sm.buf" + size + "\n%x = sm.lds %buf : !sm.buf" +
                       size + " -> " + type(kRows, 32, "f32, " + layout) +
                       "\n" + store("%x", layout, kRows, 32, "");
    std::vector<TestTensor> tensors{samples(kRows, c.columns),
                                    TestTensor::get<float>(kRows, 32, -1)};
    runKernel(wrapKernel("", kArguments, 2, body), TestPlan::get(), tensors);
    for (int r = 0; r < kRows; ++r) {
      for (int k = 0; k < 32; ++k) {
        ASSERT_EQ(tensors[1].at<float>(r, k), k < c.columns ? sample(r, k) : 0)
            << r << ", " << k;
      }
    }
  }
}
