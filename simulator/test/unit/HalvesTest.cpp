//===- HalvesTest.cpp - f16 and bf16 against exact arithmetic -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of 8 or 11 bits have exact sums and products in 113 bits, but for
// sums across bf16's whole range, of which the error is kept.
//
//===----------------------------------------------------------------------===//
#include "Cases.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

struct HalfType {
  const char *name;
  const Format &format;
};
const HalfType kHalfTypes[] = {{"f16", kF16}, {"bf16", kBF16}};

std::vector<uint64_t> codesOf(const Format &f) {
  uint64_t one = uint64_t((1 << (f.exponent - 1)) - 1) << f.mantissa;
  std::vector<uint64_t> codes;
  for (uint64_t code :
       {uint64_t(0), uint64_t(1), uint64_t(2), (uint64_t(1) << f.mantissa) - 1,
        uint64_t(1) << f.mantissa, one, one + 1, one - 1, one + 0x83, f.largest,
        f.largest + 1, f.nan}) {
    codes.push_back(code);
    codes.push_back(code | 0x8000);
  }
  return codes;
}

/// Corners in all combinations, and numbers whose exponents lie so that
/// products meet the third number.
Values inputsOf(const Format &f, size_t numInputs) {
  Values values =
      combine(std::vector<std::vector<uint64_t>>(numInputs, codesOf(f)));
  addRandom(values, std::vector<unsigned>(numInputs, 16), 1500);
  std::mt19937_64 random(11);
  unsigned top = (1u << f.exponent) - 1, bias = top / 2;
  uint64_t mantissa = (1u << f.mantissa) - 1;
  for (size_t k = 0; k < 6000; ++k) {
    int e[3];
    e[0] = 1 + int(random() % (top - 1));
    e[1] = 1 + int(random() % (top - 1));
    e[2] = e[0] + e[1] - int(bias) + int(random() % 44) - 22;
    if (numInputs == 2) {
      e[1] = e[0] + int(random() % 30) - 15;
      // Or a product at the lower end.
      if (k % 2) {
        e[0] = 1 + int(random() % (bias - 1));
        e[1] = int(bias) - e[0] - int(random() % 20) + 4;
      }
    }
    for (size_t i = 0; i < numInputs; ++i) {
      uint64_t own = uint64_t(std::clamp(e[i], 0, int(top) - 1));
      values[i].push_back((random() % 2) << 15 | own << f.mantissa |
                          (random() & mantissa));
    }
  }
  return values;
}

uint64_t fusedCode(const Format &f, uint64_t a, uint64_t b, uint64_t c) {
  double x = toDouble(f, a), y = toDouble(f, b), z = toDouble(f, c);
  Quad product = Quad(x) * Quad(y), sum = product + Quad(z);
  if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z) || sum == 0) {
    return specialCode(f, x * y + z);
  }
  Quad part = sum - product;
  Quad rest = (product - (sum - part)) + (Quad(z) - part);
  return roundExact(f, Mode::Nearest, false,
                    [&](Quad t) { return signOf((sum - t) + rest); });
}

uint64_t oneOf(const Format &f) {
  return uint64_t((1 << (f.exponent - 1)) - 1) << f.mantissa;
}

/// The row as a single number and in both halves of a pair.
void expectHalf(const std::string &op, const HalfType &type, size_t numInputs,
                const std::function<uint64_t(const Lane &)> &formula) {
  std::string operands = " %d0, %a0";
  for (size_t i = 1; i < numInputs; ++i) {
    operands += ", %a" + std::to_string(i);
  }
  Values values = inputsOf(type.format, numInputs);
  expectCase({op + "." + type.name + operands + ";",
              std::vector<unsigned>(numInputs, 16),
              {16},
              [&](const Lane &a) -> Lane { return {formula(a)}; }},
             values);
  // The upper half has what the lower one had some threads before.
  Values packed = values;
  for (auto &list : packed) {
    size_t n = list.size();
    for (size_t t = n; t-- > 0;) {
      list[t] |= list[(t + n - 777) % n] % 65536 << 16;
    }
  }
  expectCase({op + "." + type.name + "x2" + operands + ";",
              std::vector<unsigned>(numInputs, 32),
              {32},
              [&](const Lane &a) -> Lane {
                Lane low, high;
                for (uint64_t word : a) {
                  low.push_back(word % 65536);
                  high.push_back(word >> 16);
                }
                return {formula(low) | formula(high) << 16};
              }},
             packed);
}

} // namespace

TEST(Halves, Arithmetic) {
  for (const HalfType &type : kHalfTypes) {
    const Format &f = type.format;
    for (const char *rn : {"", ".rn"}) {
      std::string end = rn;
      expectHalf("add" + end, type, 2, [&](const Lane &a) {
        return fusedCode(f, a[0], oneOf(f), a[1]);
      });
      expectHalf("sub" + end, type, 2, [&](const Lane &a) {
        return fusedCode(f, a[0], oneOf(f), a[1] ^ 0x8000);
      });
      expectHalf("mul" + end, type, 2, [&](const Lane &a) {
        return fusedCode(f, a[0], a[1], (a[0] ^ a[1]) & 0x8000);
      });
    }
    expectHalf("fma.rn", type, 3,
               [&](const Lane &a) { return fusedCode(f, a[0], a[1], a[2]); });
    expectHalf("fma.rn.relu", type, 3, [&](const Lane &a) {
      uint64_t code = fusedCode(f, a[0], a[1], a[2]);
      return isNan(f, code) ? code : code & 0x8000 ? 0 : code;
    });
  }
}

TEST(Halves, FlushAndSaturate) {
  const HalfType &type = kHalfTypes[0];
  const Format &f = kF16;
  auto clamp = [&](uint64_t code) -> uint64_t {
    double v = toDouble(f, code);
    return !(v > 0) ? 0 : v > 1 ? oneOf(f) : code;
  };
  expectHalf("fma.rn.ftz", type, 3, [&](const Lane &a) {
    return flushed(
        f, fusedCode(f, flushed(f, a[0]), flushed(f, a[1]), flushed(f, a[2])));
  });
  expectHalf("add.ftz.sat", type, 2, [&](const Lane &a) {
    return clamp(
        flushed(f, fusedCode(f, flushed(f, a[0]), oneOf(f), flushed(f, a[1]))));
  });
  expectHalf("mul.sat", type, 2, [&](const Lane &a) {
    return clamp(fusedCode(f, a[0], a[1], (a[0] ^ a[1]) & 0x8000));
  });
}

TEST(Halves, MinMax) {
  for (const HalfType &type : kHalfTypes) {
    const Format &f = type.format;
    for (bool isMax : {false, true}) {
      for (const char *words : {"", ".NaN", ".xorsign.abs", ".ftz"}) {
        std::string all = words;
        bool propagates = all == ".NaN", isXor = all == ".xorsign.abs";
        bool isFtz = all == ".ftz";
        if (isFtz && &f == &kBF16) {
          continue;
        }
        expectHalf((isMax ? "max" : "min") + all, type, 2,
                   [&](const Lane &a) -> uint64_t {
                     uint64_t x = isFtz ? flushed(f, a[0]) : a[0];
                     uint64_t y = isFtz ? flushed(f, a[1]) : a[1];
                     uint64_t sign = isXor ? (x ^ y) & 0x8000 : 0;
                     if (isXor) {
                       x &= 0x7FFF;
                       y &= 0x7FFF;
                     }
                     bool xNan = isNan(f, x), yNan = isNan(f, y);
                     if ((xNan && yNan) || (propagates && (xNan || yNan))) {
                       return f.nan;
                     }
                     auto key = [](uint64_t c) {
                       return c & 0x8000 ? -int(c & 0x7FFF) - 1 : int(c);
                     };
                     uint64_t result = xNan                         ? y
                                       : yNan                       ? x
                                       : (key(x) < key(y)) != isMax ? x
                                                                    : y;
                     return result | sign;
                   });
      }
    }
  }
}

TEST(Halves, Signs) {
  for (const HalfType &type : kHalfTypes) {
    expectHalf("neg", type, 1, [](const Lane &a) { return a[0] ^ 0x8000; });
    expectHalf("abs", type, 1, [](const Lane &a) { return a[0] & 0x7FFF; });
  }
  expectHalf("neg.ftz", kHalfTypes[0], 1,
             [](const Lane &a) { return flushed(kF16, a[0]) ^ 0x8000; });
}

TEST(Halves, Special) {
  // All patterns; the nearest number or a neighbour of it.
  Values all{{}};
  for (uint64_t code = 0; code < 65536; ++code) {
    all[0].push_back(code);
  }
  struct Row {
    const char *text;
    const Format &format;
    bool isFtz;
    double (*function)(double);
  };
  auto exp2 = [](double x) { return std::exp2(x); };
  auto tanh = [](double x) { return std::tanh(x); };
  for (const Row &row : {Row{"ex2.approx.f16", kF16, false, exp2},
                         Row{"ex2.approx.ftz.bf16", kBF16, true, exp2},
                         Row{"tanh.approx.f16", kF16, false, tanh},
                         Row{"tanh.approx.bf16", kBF16, false, tanh}}) {
    const Format &f = row.format;
    LaneProgram program(std::string(row.text) + " %d0, %a0;", {16}, {16});
    Values d = program.run(all, ~0u, 256);
    ASSERT_EQ(d.size(), 1u) << row.text;
    for (uint64_t code = 0; code < 65536; ++code) {
      double exact =
          row.function(toDouble(f, row.isFtz ? flushed(f, code) : code));
      uint64_t nearest = std::isnan(exact) || std::isinf(exact) || exact == 0
                             ? specialCode(f, exact)
                             : roundQuad(f, Mode::Nearest, false, Quad(exact));
      if (row.isFtz) {
        nearest = flushed(f, nearest);
      }
      uint64_t got = d[0][code];
      bool isNear =
          got == nearest || (!isNan(f, nearest) && !isNan(f, got) &&
                             std::abs(int(got) - int(nearest)) <= 1 &&
                             !(row.isFtz && isSubnormalOrZero(f, got)));
      EXPECT_TRUE(isNear) << row.text << " of " << code << " gives " << got
                          << " and not " << nearest;
    }
  }
  LaneProgram pair("ex2.approx.f16x2 %d0, %a0;", {32}, {32});
  Values d = pair.run({{0x3C00'4000, 0xBC00'0000}});
  ASSERT_EQ(d.size(), 1u);
  EXPECT_EQ(d[0][0], 0x4000'4400u); // 2^1, 2^2
  EXPECT_EQ(d[0][1], 0x3800'3C00u); // 2^-1, 2^0
  EXPECT_EQ(pair.stats().total.ex2, 2u);
}

TEST(Halves, Refuses) {
  expectRefused("add.rz.f16 %d0, %a0, %a1;", {16, 16}, {16},
                "does not know '.rz' in 'add.rz.f16'");
  expectRefused("add.sat.bf16 %d0, %a0, %a1;", {16, 16}, {16},
                "does not know the type of 'add.sat.bf16'");
  expectRefused("add.relu.f16 %d0, %a0, %a1;", {16, 16}, {16},
                "does not know the type of 'add.relu.f16'");
  expectRefused("ex2.f16 %d0, %a0;", {16}, {16},
                "does not know the type of 'ex2.f16'");
}
