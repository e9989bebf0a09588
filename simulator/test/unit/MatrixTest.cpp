//===- MatrixTest.cpp - Products of matrices by a warp ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A second derivation: fragments become whole matrices element by element, as
// the manual's formulas of row and column say, and are multiplied in double.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <random>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

//===--- Formats ----------------------------------------------------------===//

/// Sign, exponent, mantissa; `top` is the exponent of infinity and NaN, or
/// past the largest one for a format without.
double decodeFloat(uint64_t bits, int mantissa, int exponent, int top) {
  int e = int(bits >> mantissa & ((1u << exponent) - 1));
  double m = double(bits & ((1ull << mantissa) - 1));
  int bias = (1 << (exponent - 1)) - 1;
  double value =
      e == top ? (m > 0 ? NAN : INFINITY)
      : e      ? std::ldexp(m + std::ldexp(1, mantissa), e - bias - mantissa)
               : std::ldexp(m, 1 - bias - mantissa);
  return bits >> (mantissa + exponent) & 1 ? -value : value;
}

double decode(const std::string &type, uint64_t bits) {
  if (type == "f16") {
    return decodeFloat(bits, 10, 5, 31);
  }
  if (type == "bf16") {
    return decodeFloat(bits, 7, 8, 255);
  }
  if (type == "tf32") {
    return decodeFloat(bits >> 13, 10, 8, 255);
  }
  if (type == "f32") {
    return std::bit_cast<float>(uint32_t(bits));
  }
  if (type == "e4m3") {
    return (bits & 0x7F) == 0x7F ? NAN : decodeFloat(bits, 3, 4, 16);
  }
  if (type == "e5m2") {
    return decodeFloat(bits, 2, 5, 31);
  }
  return type == "s8"    ? double(int8_t(bits))
         : type == "s32" ? double(int32_t(bits))
                         : double(bits);
}

unsigned bitsOf(const std::string &type) {
  return type == "f16" || type == "bf16"                    ? 16
         : type == "tf32" || type == "f32" || type == "s32" ? 32
                                                            : 8;
}

//===--- Layouts ----------------------------------------------------------===//

/// Element i of thread (group g, thread t of the group).
struct Layout {
  using Index = std::function<unsigned(unsigned g, unsigned t, unsigned i)>;
  unsigned k, bits, numA, numB; // elements of a thread
  Index row, column, depth;     // of A; of B
};

unsigned low8(unsigned g, unsigned, unsigned i) { return i < 2 ? g : g + 8; }

std::vector<Layout> layouts() {
  using U = unsigned;
  return {
      {16, 16, 8, 4,
       [](U g, U, U i) { return i < 2 || (i >= 4 && i < 6) ? g : g + 8; },
       [](U, U t, U i) { return t * 2 + (i & 1) + (i < 4 ? 0 : 8); },
       [](U, U t, U i) { return t * 2 + (i & 1) + (i < 2 ? 0 : 8); }},
      {8, 16, 4, 2, low8, [](U, U t, U i) { return t * 2 + (i & 1); },
       [](U, U t, U i) { return t * 2 + i; }},
      {8, 32, 4, 2, [](U g, U, U i) { return i == 0 || i == 2 ? g : g + 8; },
       [](U, U t, U i) { return i < 2 ? t : t + 4; },
       [](U, U t, U i) { return i == 0 ? t : t + 4; }},
      {4, 32, 2, 1, [](U g, U, U i) { return i == 0 ? g : g + 8; },
       [](U, U t, U) { return t; }, [](U, U t, U) { return t; }},
      {32, 8, 16, 8,
       [](U g, U, U i) { return i < 4 || (i >= 8 && i < 12) ? g : g + 8; },
       [](U, U t, U i) { return t * 4 + (i & 3) + (i < 8 ? 0 : 16); },
       [](U, U t, U i) { return t * 4 + (i & 3) + (i < 4 ? 0 : 16); }},
      {16, 8, 8, 4, [](U g, U, U i) { return i < 4 ? g : g + 8; },
       [](U, U t, U i) { return t * 4 + (i & 3); },
       [](U, U t, U i) { return t * 4 + i; }},
  };
}

const Layout &layoutOf(unsigned k, unsigned bits) {
  static const std::vector<Layout> all = layouts();
  for (const Layout &layout : all) {
    if (layout.k == k && layout.bits == bits) {
      return layout;
    }
  }
  ADD_FAILURE() << "no layout";
  return all.front();
}

/// Element i of a thread's registers, the first in the low bits.
uint64_t element(const Values &registers, size_t first, unsigned bits,
                 unsigned lane, unsigned i) {
  unsigned perWord = 32 / bits;
  uint64_t word = registers[first + i / perWord][lane];
  return word >> bits * (i % perWord) & ((1ull << bits) - 1);
}

//===--- One instruction --------------------------------------------------===//

struct Product {
  unsigned k;
  std::string a, b, sums;
  std::string extra = {};

  unsigned numA() const { return layoutOf(k, bitsOf(a)).numA * bitsOf(a) / 32; }
  unsigned numB() const { return layoutOf(k, bitsOf(a)).numB * bitsOf(a) / 32; }
  unsigned numSums() const { return sums == "f16" ? 2 : 4; }

  static std::string list(char stem, unsigned first, unsigned count) {
    std::string text = "{";
    for (unsigned i = first; i < first + count; ++i) {
      text +=
          (i > first ? ", %" : "%") + std::string(1, stem) + std::to_string(i);
    }
    return text + "}";
  }
  std::string text() const {
    return "mma.sync.aligned.m16n8k" + std::to_string(k) + ".row.col" + extra +
           "." + sums + "." + a + "." + b + "." + sums + " " +
           list('d', 0, numSums()) + ", " + list('a', 0, numA()) + ", " +
           list('a', numA(), numB()) + ", " +
           list('a', numA() + numB(), numSums()) + ";";
  }
  LaneProgram program() const {
    return {text(), std::vector<unsigned>(numA() + numB() + numSums(), 32),
            std::vector<unsigned>(numSums(), 32)};
  }
};

using Matrix = std::vector<std::vector<double>>;
Matrix make(unsigned rows, unsigned columns) {
  return Matrix(rows, std::vector<double>(columns, NAN));
}

struct Expected {
  /// Exact, and the sum of magnitudes, which bounds what rounding does.
  Matrix sums = make(16, 8), magnitudes = make(16, 8);
};

/// C and D: i of 4, as f32 registers or as halves of two.
Matrix takeSums(const Product &p, const Values &registers, size_t first) {
  Matrix result = make(16, 8);
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned i = 0; i < 4; ++i) {
      unsigned row = i < 2 ? l / 4 : l / 4 + 8, column = l % 4 * 2 + (i & 1);
      result[row][column] =
          decode(p.sums, element(registers, first, bitsOf(p.sums), l, i));
    }
  }
  return result;
}

Expected multiply(const Product &p, const Values &inputs) {
  unsigned bits = bitsOf(p.a);
  const Layout &layout = layoutOf(p.k, bits);
  Matrix a = make(16, p.k), b = make(p.k, 8);
  for (unsigned l = 0; l < 32; ++l) {
    unsigned g = l / 4, t = l % 4;
    for (unsigned i = 0; i < layout.numA; ++i) {
      a[layout.row(g, t, i)][layout.column(g, t, i)] =
          decode(p.a, element(inputs, 0, bits, l, i));
    }
    for (unsigned i = 0; i < layout.numB; ++i) {
      b[layout.depth(g, t, i)][g] =
          decode(p.b, element(inputs, p.numA(), bits, l, i));
    }
  }
  Expected result;
  Matrix c = takeSums(p, inputs, p.numA() + p.numB());
  for (unsigned m = 0; m < 16; ++m) {
    for (unsigned n = 0; n < 8; ++n) {
      double sum = c[m][n], magnitude = std::abs(sum);
      for (unsigned k = 0; k < p.k; ++k) {
        sum += a[m][k] * b[k][n];
        magnitude += std::abs(a[m][k] * b[k][n]);
      }
      result.sums[m][n] = sum;
      result.magnitudes[m][n] = magnitude;
    }
  }
  return result;
}

/// Bits that are a finite number of moderate size.
uint64_t draw(const std::string &type, std::mt19937 &random) {
  while (true) {
    uint64_t bits = random() & ((1ull << bitsOf(type)) - 1);
    double value = decode(type, bits);
    bool isInteger = type == "s8" || type == "u8" || type == "s32";
    if (isInteger || (std::abs(value) < 16 && std::abs(value) > 1e-4) ||
        value == 0) {
      return bits;
    }
  }
}

std::vector<uint64_t> drawRegister(const std::string &type,
                                   std::mt19937 &random) {
  std::vector<uint64_t> lanes(32, 0);
  unsigned bits = bitsOf(type);
  for (uint64_t &word : lanes) {
    for (unsigned at = 0; at < 32; at += bits) {
      word |= draw(type, random) << at;
    }
  }
  return lanes;
}

class MatrixTest : public testing::TestWithParam<Product> {};

} // namespace

TEST_P(MatrixTest, MultipliesWholeMatrices) {
  const Product &p = GetParam();
  LaneProgram program = p.program();
  std::mt19937 random(7);
  for (unsigned round = 0; round < 4; ++round) {
    Values inputs;
    for (unsigned r = 0; r < p.numA(); ++r) {
      inputs.push_back(drawRegister(p.a, random));
    }
    for (unsigned r = 0; r < p.numB(); ++r) {
      inputs.push_back(drawRegister(p.b, random));
    }
    for (unsigned r = 0; r < p.numSums(); ++r) {
      inputs.push_back(drawRegister(p.sums, random));
    }
    Values outputs = program.run(inputs);
    ASSERT_EQ(outputs.size(), p.numSums());
    EXPECT_TRUE(program.findings().empty());
    Matrix d = takeSums(p, outputs, 0);
    Expected expected = multiply(p, inputs);
    for (unsigned m = 0; m < 16; ++m) {
      for (unsigned n = 0; n < 8; ++n) {
        double sum = expected.sums[m][n];
        if (p.sums == "s32") {
          sum = double(int32_t(uint32_t(int64_t(sum))));
        }
        double tolerance = p.sums == "s32" ? 0
                           : p.sums == "f16"
                               ? std::abs(sum) * 0x1p-11 + 0x1p-18
                               : expected.magnitudes[m][n] * p.k * 0x1p-24;
        EXPECT_NEAR(d[m][n], sum, tolerance) << p.text() << m << "," << n;
      }
    }
    EXPECT_EQ(program.stats().matrixMacs.at(p.a), 16u * 8 * p.k);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MatrixTest,
    testing::Values(
        Product{16, "f16", "f16", "f32"}, Product{16, "f16", "f16", "f16"},
        Product{8, "f16", "f16", "f32"}, Product{8, "f16", "f16", "f16"},
        Product{16, "bf16", "bf16", "f32"}, Product{8, "bf16", "bf16", "f32"},
        Product{8, "tf32", "tf32", "f32"}, Product{4, "tf32", "tf32", "f32"},
        Product{32, "s8", "s8", "s32"}, Product{32, "u8", "u8", "s32"},
        Product{32, "s8", "u8", "s32"}, Product{16, "s8", "s8", "s32"},
        Product{16, "u8", "s8", "s32"}, Product{32, "e4m3", "e4m3", "f32"},
        Product{32, "e5m2", "e5m2", "f32"}, Product{32, "e4m3", "e5m2", "f32"},
        Product{32, "e5m2", "e4m3", "f16"}, Product{16, "e4m3", "e4m3", "f32"}),
    [](const auto &info) {
      const Product &p = info.param;
      return "k" + std::to_string(p.k) + "_" + p.a + "_" + p.b + "_" + p.sums;
    });

/// Every register of A, B and C has one word in all lanes.
static Values uniform(const Product &p, uint64_t a, uint64_t b, uint64_t c) {
  Values inputs;
  inputs.insert(inputs.end(), p.numA(), std::vector<uint64_t>(32, a));
  inputs.insert(inputs.end(), p.numB(), std::vector<uint64_t>(32, b));
  inputs.insert(inputs.end(), p.numSums(), std::vector<uint64_t>(32, c));
  return inputs;
}

TEST(MatrixTest, IntegersWrapUnlessTheySaturate) {
  // 32 * 127 * 127 above the largest, and 32 * 127 * -128 below the least.
  constexpr uint64_t k127 = 0x7F7F7F7F, kMinus128 = 0x80808080;
  Product wraps{32, "s8", "s8", "s32"},
      saturates{32, "s8", "s8", "s32", ".satfinite"};
  Values d = wraps.program().run(uniform(wraps, k127, k127, 0x7FFFFFFF));
  EXPECT_EQ(d[0][5], 0x7FFFFFFFu + 32 * 127 * 127);
  d = saturates.program().run(uniform(saturates, k127, k127, 0x7FFFFFFF));
  EXPECT_EQ(d[3][31], 0x7FFFFFFFu);
  d = saturates.program().run(uniform(saturates, k127, kMinus128, 0x80000000));
  EXPECT_EQ(d[1][0], 0x80000000u);
}

TEST(MatrixTest, EveryByteIsExact) {
  for (std::string type : {"e4m3", "e5m2", "s8", "u8"}) {
    bool isInteger = type[0] != 'e';
    Product p{16, type, type, isInteger ? "s32" : "f32"};
    LaneProgram program = p.program();
    for (unsigned byte = 0; byte < 256; ++byte) {
      // A has the byte at k = 0 only, B has 1 there.
      Values inputs = uniform(p, 0, 0, 0);
      uint64_t one = isInteger ? 1 : type == "e4m3" ? 0x38 : 0x3C;
      for (unsigned g = 0; g < 8; ++g) {
        inputs[0][4 * g] = inputs[1][4 * g] = byte;
        inputs[2][4 * g] = one;
      }
      Values d = program.run(inputs);
      double expected = decode(type, byte), got = decode(p.sums, d[2][9]);
      if (std::isnan(expected) || std::isinf(expected)) {
        // Infinity times the other zeros is not met: only k = 0 has it.
        EXPECT_EQ(std::isnan(got), std::isnan(expected)) << type << byte;
      } else {
        EXPECT_EQ(got, expected) << type << byte;
      }
    }
  }
}

TEST(MatrixTest, NanIsOneNan) {
  Product p{16, "bf16", "bf16", "f32"};
  Values d = p.program().run(uniform(p, 0xFFA1FFA1, 0x3F803F80, 0));
  EXPECT_EQ(d[0][0], 0x7FFFFFFFu);
  Product half{16, "f16", "f16", "f16"};
  d = half.program().run(uniform(half, 0x7C007C00, 0, 0));
  EXPECT_EQ(d[1][17], 0x7FFF7FFFu);
}

TEST(MatrixTest, Tf32DropsLowBits) {
  Product p{4, "tf32", "tf32", "f32"};
  Values d = p.program().run(uniform(p, 0x3F801FFF, 0x3F800000, 0));
  EXPECT_EQ(d[0][0], std::bit_cast<uint32_t>(4.0f));
}

TEST(MatrixTest, HalvesOverflowToInfinity) {
  Product p{16, "f16", "f16", "f16"};
  Values d = p.program().run(uniform(p, 0x5C005C00, 0x5C005C00, 0)); // 256
  EXPECT_EQ(d[0][3], 0x7C007C00u);
}

TEST(MatrixTest, SumsMayBeTheirOwnStart) {
  // D takes the registers of C in another order.
  LaneProgram program(
      ".reg .b32 %c<4>;\n"
      "mov.b32 %c0, 0f3F800000;\nmov.b32 %c1, 0f40000000;\n"
      "mov.b32 %c2, 0f40400000;\nmov.b32 %c3, 0f40800000;\n"
      "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32\n"
      "  {%c3, %c2, %c1, %c0}, {%a0, %a0}, {%a0}, {%c0, %c1, %c2, %c3};\n"
      "mov.b32 %d0, %c0;\nmov.b32 %d1, %c1;\n"
      "mov.b32 %d2, %c2;\nmov.b32 %d3, %c3;",
      {32}, {32, 32, 32, 32});
  Values d = program.run({std::vector<uint64_t>(32, 0)});
  EXPECT_EQ(d[3][6], std::bit_cast<uint32_t>(1.0f));
  EXPECT_EQ(d[2][6], std::bit_cast<uint32_t>(2.0f));
  EXPECT_EQ(d[1][6], std::bit_cast<uint32_t>(3.0f));
  EXPECT_EQ(d[0][6], std::bit_cast<uint32_t>(4.0f));
}

TEST(MatrixTest, NeedsAllLanes) {
  Product p{16, "bf16", "bf16", "f32"};
  LaneProgram program = p.program();
  program.run(uniform(p, 0x3F803F80, 0x3F803F80, 0), 0x0000FFFF);
  ASSERT_EQ(program.findings().size(), 1u);
  EXPECT_EQ(program.findings()[0].check, "barriers");
}

TEST(MatrixTest, RefusesWhatThereIsNot) {
  for (const Product &p :
       {Product{8, "tf32", "tf32", "f16"}, Product{16, "bf16", "bf16", "f16"},
        Product{16, "f16", "bf16", "f32"}, Product{32, "s8", "s8", "f32"},
        Product{8, "f16", "f16", "f32", ".satfinite"},
        Product{32, "e4m3", "s8", "f32"}}) {
    EXPECT_NE(p.program().error(), "") << p.text();
  }
  std::string five = "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%d0, %d1, %d2, %d3}, {%a0, %a1, %a2}, {%a2}, "
                     "{%a3, %a4, %a5, %a6};";
  EXPECT_NE(loadError(five, std::vector<unsigned>(7, 32), {32, 32, 32, 32})
                .find("expects 2 registers"),
            std::string::npos);
  std::string turned = "mma.sync.aligned.m16n8k8.col.row.f32.f16.f16.f32 "
                       "{%d0, %d1, %d2, %d3}, {%a0, %a1}, {%a2}, "
                       "{%a3, %a4, %a5, %a6};";
  EXPECT_NE(loadError(turned, std::vector<unsigned>(7, 32), {32, 32, 32, 32})
                .find("expects .row.col"),
            std::string::npos);
}
