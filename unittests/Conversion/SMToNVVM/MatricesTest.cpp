//===- MatricesTest.cpp - Shared memory, ldmatrix and products ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "gtest/gtest.h"

static const char *kHalf = "memref<?x?xf16, strided<[?, 1]>>";
static const char *kFloat = "memref<?x?xf32, strided<[?, 1]>>";

static std::string block(int rows, int columns, const std::string &rest) {
  return std::to_string(rows) + "x" + std::to_string(columns) + "x" + rest;
}

static std::string shared(const char *kind, int rows, int columns) {
  return std::string("!sm.") + kind + "<" + std::to_string(rows) + ", " +
         std::to_string(columns) + ", f16>";
}

/// %NAMEbuf: all of a tensor in shared memory. Rows from `dead` on are not
/// live.
static std::string bring(const std::string &name, int rows, int columns,
                         int threads, int warps, int dead,
                         int columnWarps = 1) {
  std::string mover = "#sm.mover<" + std::to_string(threads) + ", " +
                      std::to_string(warps) +
                      ", columnWarps = " + std::to_string(columnWarps) + ">";
  std::string n = "%" + name, size = "tensor<" + std::to_string(rows) + "x";
  std::string slot = shared("slot", rows, columns);
  return rowAddresses(name, n + "in", kHalf, rows, 2, mover) + n +
         "_d = arith.constant dense<" + std::to_string(dead) + "> : " + size +
         "i32, " + mover + ">\n" + n + "_l = arith.cmpi slt, " + n + "_n, " +
         n + "_d : " + size + "i32, " + mover + ">\n" + n +
         "room = sm.alloc : " + slot + "\n" + n + "tok = sm.copy " + n +
         " live " + n + "_l to " + n + "room : " + size + "i64, " + mover +
         ">, " + size + "i1, " + mover + ">, " + slot + "\n" + n +
         "buf = sm.wait " + n + "room after " + n + "tok : " + slot + " -> " +
         shared("buf", rows, columns) + "\n";
}

static std::string store(const std::string &value, int rows, int columns,
                         const std::string &layout) {
  std::string slice = "#sm.slice<1, " + layout + ">";
  std::string size = "tensor<" + std::to_string(rows) + "x";
  return rowAddresses("o", "%out", kFloat, rows, 4, slice) + "sm.store_rows " +
         value + " to %o live %o_live : tensor<" +
         block(rows, columns, "f32, ") + layout + ">, " + size + "i64, " +
         slice + ">, " + size + "i1, " + slice + ">\n";
}

static TestTensor halves(int rows, int columns, int salt) {
  TestTensor tensor = TestTensor::get<uint16_t>(rows, columns);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      tensor.at<uint16_t>(r, c) =
          floatToHalf(float((r * 29 + c * 13 + salt * r * c) % 23 - 11));
    }
  }
  return tensor;
}

namespace {
struct LoadCase {
  std::string layout;
  int warps;
  /// Of the buffer, and of the fragment.
  int bufferRows, bufferColumns, rows, columns;
  bool transposed;
  int row, column;
  /// That copy a row in each of some warps, and the first that is not live.
  int threads, dead, columnWarps = 1;
};
} // namespace

TEST(SMToNVVMMatrices, LoadsParts) {
  LoadCase cases[] = {
      {"#sm.acc<4 x 1>", 4, 64, 128, 64, 128, false, 0, 0, 16, 64},
      {"#sm.acc<4 x 1>", 4, 64, 64, 64, 64, false, 0, 0, 8, 50},
      {"#sm.acc<4 x 1>", 4, 64, 64, 64, 64, true, 0, 0, 8, 64},
      {"#sm.acc<2 x 1>", 2, 64, 32, 64, 16, false, 0, 16, 4, 0},
      {"#sm.acc<2 x 1>", 2, 32, 16, 32, 16, false, 0, 0, 2, 31},
      {"#sm.acc<1 x 1>", 1, 32, 24, 16, 8, false, 8, 8, 1, 32},
      {"#sm.acc<2 x 2>", 4, 64, 96, 32, 48, false, 16, 24, 4, 60},
      {"#sm.rhs<1 x 1>", 1, 32, 48, 32, 48, false, 0, 0, 2, 32},
      {"#sm.rhs<2 x 2>", 4, 32, 64, 32, 64, false, 0, 0, 8, 32},
      {"#sm.rhs<2 x 2>", 4, 64, 48, 48, 64, true, 0, 0, 2, 64},
      {"#sm.rhs<1 x 1>", 1, 64, 64, 16, 8, true, 40, 24, 8, 64},
      // Threads that have no piece, or none at the end of a row.
      {"#sm.acc<2 x 1>", 2, 32, 16, 32, 16, false, 0, 0, 4, 30},
      {"#sm.acc<2 x 2>", 4, 64, 96, 32, 48, false, 16, 24, 8, 60},
      {"#sm.rhs<1 x 1>", 1, 32, 48, 32, 48, false, 0, 0, 4, 32},
      // Warps that share rows.
      {"#sm.rhs<2 x 2>", 4, 64, 64, 48, 64, true, 0, 0, 2, 64, 2},
      {"#sm.rhs<3 x 1>", 3, 16, 64, 16, 64, false, 0, 0, 2, 15, 3},
      {"#sm.rhs<3 x 1>", 3, 16, 16, 16, 16, false, 0, 0, 2, 16, 3},
      {"#sm.rhs<6 x 1>", 6, 48, 32, 48, 32, false, 0, 0, 4, 40, 2},
  };
  for (const LoadCase &c : cases) {
    SCOPED_TRACE(c.layout + " of " + block(c.bufferRows, c.bufferColumns, ""));
    std::string size = block(c.rows, c.columns, "");
    std::string body = bring("x", c.bufferRows, c.bufferColumns, c.threads,
                             c.warps, c.dead, c.columnWarps) +
                       "%f = sm.lds %xbuf {row = " + std::to_string(c.row) +
                       ", column = " + std::to_string(c.column) +
                       (c.transposed ? ", transposed" : "") +
                       "} : " + shared("buf", c.bufferRows, c.bufferColumns) +
                       " -> tensor<" + size + "f16, " + c.layout +
                       ">\n%w = arith.extf %f : tensor<" + size + "f16, " +
                       c.layout + "> to tensor<" + size + "f32, " + c.layout +
                       ">\n" + store("%w", c.rows, c.columns, c.layout);
    std::vector<TestTensor> tensors{halves(c.bufferRows, c.bufferColumns, 3),
                                    TestTensor::get<float>(c.rows, c.columns)};
    runKernel(wrapKernel("",
                         std::string("%xin: ") + kHalf + ", %out: " + kFloat,
                         c.warps, body),
              TestPlan::get(2), tensors);
    for (int r = 0; r < c.rows; ++r) {
      for (int k = 0; k < c.columns; ++k) {
        int row = c.row + (c.transposed ? k : r);
        int column = c.column + (c.transposed ? r : k);
        float wanted = row < c.dead
                           ? halfToFloat(tensors[0].at<uint16_t>(row, column))
                           : 0;
        ASSERT_EQ(tensors[1].at<float>(r, k), wanted) << r << ", " << k;
      }
    }
  }
}

namespace {
struct GemmCase {
  int rowWarps, columnWarps, m, n, k;
  bool transposeB;
  /// Columns of b that come before those that are multiplied.
  int column = 0;
};
} // namespace

/// Any number that the layout of the rows fits with.
static int chooseThreads(int rows, int columns, int warps) {
  int threads = 1;
  while (rows % (32 / threads * warps) || columns / 8 % threads) {
    threads *= 2;
  }
  return threads;
}

/// What a product is, and where it takes its left operand from.
static std::string multiplyAsync(const GemmCase &c, const std::string &layout,
                                 bool fromShared, bool adds) {
  int bRows = c.transposeB ? c.n : c.k, bColumns = c.transposeB ? c.k : c.n;
  std::string d = "tensor<" + block(c.m, c.n, "f32, ") + layout + ">";
  std::string a = "tensor<" + block(c.m, c.k, "f16, ") + layout + ">";
  std::string aBuf = shared("buf", c.m, c.k);
  std::string b = shared("buf", bRows, bColumns);
  std::string flag = c.transposeB ? " {transposeB}" : "", text;
  if (!fromShared) {
    text += "%af = sm.lds %abuf : " + aBuf + " -> " + a + "\n";
  }
  text += "%z = arith.constant dense<0.5> : " + d + "\n";
  return text + "%i = sm.gemm_async " + (fromShared ? "%abuf" : "%af") +
         ", %bbuf" + (adds ? " acc(%z : " + d + ")" : "") + flag + " : " +
         (fromShared ? aBuf : a) + ", " + b + " -> !sm.inflight<" + d +
         ">\n%p = sm.wait %i : !sm.inflight<" + d + "> -> " + d + "\n";
}

static void checkAsync(const GemmCase &c, bool fromShared, bool adds) {
  int warps = c.rowWarps;
  int bRows = c.transposeB ? c.n : c.k, bColumns = c.transposeB ? c.k : c.n;
  std::string d = "#sm.acc<" + std::to_string(warps) + " x 1>";
  SCOPED_TRACE(d + " " + block(c.m, c.n, std::to_string(c.k)) +
               (c.transposeB ? " transposed" : "") +
               (fromShared ? " from shared memory" : ""));
  std::string body =
      bring("a", c.m, c.k, chooseThreads(c.m, c.k, warps), warps, c.m) +
      bring("b", bRows, bColumns, chooseThreads(bRows, bColumns, warps), warps,
            bRows) +
      multiplyAsync(c, d, fromShared, adds) + store("%p", c.m, c.n, d);
  std::vector<TestTensor> tensors{halves(c.m, c.k, 1),
                                  halves(bRows, bColumns, 2),
                                  TestTensor::get<float>(c.m, c.n)};
  runKernel(wrapKernel("",
                       std::string("%ain: ") + kHalf + ", %bin: " + kHalf +
                           ", %out: " + kFloat,
                       warps, body),
            TestPlan::get(2), tensors, "sm_90a");
  for (int i = 0; i < c.m; ++i) {
    for (int j = 0; j < c.n; ++j) {
      float sum = adds ? 0.5f : 0;
      for (int x = 0; x < c.k; ++x) {
        sum += halfToFloat(tensors[0].at<uint16_t>(i, x)) *
               halfToFloat(tensors[1].at<uint16_t>(c.transposeB ? j : x,
                                                   c.transposeB ? x : j));
      }
      ASSERT_EQ(tensors[2].at<float>(i, j), sum) << i << ", " << j;
    }
  }
}

/// As a buffer, or as a fragment in the layout of the instruction.
static void multiply(bool isFragment) {
  GemmCase cases[] = {
      {4, 1, 64, 64, 128, true},    {4, 1, 64, 128, 64, false},
      {2, 1, 32, 64, 64, true},     {2, 1, 64, 32, 32, false},
      {1, 1, 32, 24, 64, true},     {1, 1, 32, 24, 96, false},
      {1, 1, 16, 8, 32, true},      {1, 1, 16, 8, 32, false},
      {2, 2, 32, 64, 64, true},     {2, 2, 64, 64, 32, false},
      {1, 4, 16, 64, 64, true},     {1, 4, 16, 128, 64, false, 64},
      {1, 1, 16, 32, 32, true, 64},
  };
  for (const GemmCase &c : cases) {
    int warps = c.rowWarps * c.columnWarps;
    int bRows = c.transposeB ? c.n : c.k;
    int bColumns = c.column + (c.transposeB ? c.k : c.n);
    std::string shape = "<" + std::to_string(c.rowWarps) + " x " +
                        std::to_string(c.columnWarps);
    std::string d = "#sm.acc" + shape + ">", left = "#sm.lhs" + shape + ">";
    left = c.columnWarps == 1 ? d : left;
    std::string right =
        "#sm.rhs" + shape + (c.transposeB ? ", transposed = true>" : ">");
    std::string rightType =
        "tensor<" + block(bRows, bColumns - c.column, "f16, ") + right + ">";
    std::string bBuffer = shared("buf", bRows, bColumns);
    std::string column = "column = " + std::to_string(c.column);
    SCOPED_TRACE(d + " " + block(c.m, c.n, std::to_string(c.k)) +
                 (c.transposeB ? " transposed" : ""));
    std::string body =
        bring("a", c.m, c.k, chooseThreads(c.m, c.k, warps), warps, c.m) +
        bring("b", bRows, bColumns, chooseThreads(bRows, bColumns, warps),
              warps, bRows) +
        "%af = sm.lds %abuf : " + shared("buf", c.m, c.k) + " -> tensor<" +
        block(c.m, c.k, "f16, ") + left + ">\n" +
        (isFragment ? "%right = sm.lds %bbuf {" + column + "} : " + bBuffer +
                          " -> " + rightType + "\n"
                    : "") +
        "%z = arith.constant dense<0.5> : tensor<" + block(c.m, c.n, "f32, ") +
        d + ">\n%p = sm.gemm %af, " + (isFragment ? "%right" : "%bbuf") +
        " acc(%z) {" + (c.transposeB ? "transposeB" : "") +
        (c.transposeB && !isFragment ? ", " : "") + (isFragment ? "" : column) +
        "} : tensor<" + block(c.m, c.k, "f16, ") + left + ">, " +
        (isFragment ? rightType : bBuffer) + " -> tensor<" +
        block(c.m, c.n, "f32, ") + d + ">\n" + store("%p", c.m, c.n, d);
    std::vector<TestTensor> tensors{halves(c.m, c.k, 1),
                                    halves(bRows, bColumns, 2),
                                    TestTensor::get<float>(c.m, c.n)};
    runKernel(wrapKernel("",
                         std::string("%ain: ") + kHalf + ", %bin: " + kHalf +
                             ", %out: " + kFloat,
                         warps, body),
              TestPlan::get(2), tensors);
    for (int i = 0; i < c.m; ++i) {
      for (int j = 0; j < c.n; ++j) {
        float sum = 0.5f;
        for (int x = 0; x < c.k; ++x) {
          sum += halfToFloat(tensors[0].at<uint16_t>(i, x)) *
                 halfToFloat(tensors[1].at<uint16_t>(
                     c.transposeB ? j : x, c.column + (c.transposeB ? x : j)));
        }
        ASSERT_EQ(tensors[2].at<float>(i, j), sum) << i << ", " << j;
      }
    }
  }
}

TEST(SMToNVVMMatrices, Multiplies) { multiply(/*isFragment=*/false); }
TEST(SMToNVVMMatrices, MultipliesFragments) { multiply(/*isFragment=*/true); }

TEST(SMToNVVMMatrices, MultipliesAsWarpgroup) {
  // Blocks with every swizzle, from the widest to none, and two of 64 rows.
  GemmCase cases[] = {
      {4, 1, 64, 128, 128, true}, {4, 1, 64, 128, 128, false},
      {4, 1, 64, 64, 96, true},   {4, 1, 64, 96, 64, false},
      {4, 1, 64, 64, 80, true},   {4, 1, 64, 80, 64, false},
      {4, 1, 64, 64, 16, true},   {4, 1, 64, 64, 16, false},
      {4, 1, 64, 72, 128, false}, {4, 1, 128, 64, 64, true},
      {4, 1, 128, 256, 32, true}, {4, 1, 64, 256, 32, false},
  };
  for (const GemmCase &c : cases) {
    checkAsync(c, true, true);
    checkAsync(c, false, true);
    checkAsync(c, true, false);
  }
}
