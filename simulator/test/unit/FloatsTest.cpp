//===- FloatsTest.cpp - f32 and f64 against exact arithmetic ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums and products are made of 113-bit numbers with their exact error, then
// rounded by looking at the neighbours (Reference.h).
//
//===----------------------------------------------------------------------===//
#include "Cases.h"
#include "Reference.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

struct Rounding {
  const char *word;
  Mode mode;
};
constexpr Rounding kRoundings[] = {{".rn", Mode::Nearest},
                                   {".rz", Mode::Zero},
                                   {".rm", Mode::Down},
                                   {".rp", Mode::Up}};

std::vector<uint64_t> floatCorners(const Format &f) {
  uint64_t one = uint64_t((1 << (f.exponent - 1)) - 1) << f.mantissa;
  std::vector<uint64_t> codes;
  for (uint64_t code :
       {uint64_t(0), uint64_t(1), uint64_t(3), (uint64_t(1) << f.mantissa) - 1,
        uint64_t(1) << f.mantissa, one, one + 1, one - 1,
        one + 3 * (uint64_t(1) << f.mantissa), f.largest, f.largest + 1,
        f.nan}) {
    codes.push_back(code);
    codes.push_back(code | f.signBit());
  }
  return codes;
}

/// Numbers that meet: mantissas at random, exponents near each other.
void addNear(Values &values, const Format &f, size_t count) {
  std::mt19937_64 random(7);
  for (size_t k = 0; k < count; ++k) {
    uint64_t e = 30 + random() % ((uint64_t(1) << f.exponent) - 60);
    for (auto &list : values) {
      uint64_t mantissa = random() & ((uint64_t(1) << f.mantissa) - 1);
      if (random() % 4 == 0) {
        mantissa &= ~uint64_t(0) << f.mantissa / 2;
      }
      uint64_t own = e + random() % 28 - 14;
      list.push_back((random() % 2 ? f.signBit() : 0) | own << f.mantissa |
                     mantissa);
    }
  }
}

Values inputsOf(const Format &f, size_t numInputs) {
  std::vector<uint64_t> codes = floatCorners(f);
  Values values = combine(std::vector<std::vector<uint64_t>>(numInputs, codes));
  addNear(values, f, 3000);
  addRandom(values, std::vector<unsigned>(numInputs, unsigned(f.width())),
            1000);
  return values;
}

double valueOf(const Format &f, uint64_t code) {
  return f.width() == 64 ? std::bit_cast<double>(code) : toDouble(f, code);
}

/// x + y as a sum and what it leaves (Knuth).
struct Sum {
  Quad sum, rest;
};
Sum add(Quad x, Quad y) {
  Quad s = x + y, part = s - x;
  return {s, (x - (s - part)) + (y - part)};
}

/// a * b + c, rounded once. Specials by the host's own arithmetic.
uint64_t fusedCode(const Format &f, Mode mode, uint64_t a, uint64_t b,
                   uint64_t c) {
  double x = valueOf(f, a), y = valueOf(f, b), z = valueOf(f, c);
  if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z)) {
    // The product of two finite numbers may be too large for a double.
    double product = std::isfinite(x) && std::isfinite(y) ? 0.0 : x * y;
    return specialCode(f, product + z);
  }
  Sum v = add(Quad(x) * Quad(y), Quad(z));
  if (v.sum == 0) {
    bool sameSign = (std::signbit(x) != std::signbit(y)) == std::signbit(z);
    bool isNegative = sameSign ? std::signbit(z) : mode == Mode::Down;
    // A sum of zeros, or x - x.
    return isNegative ? f.signBit() : 0;
  }
  return roundExact(f, mode, false,
                    [&](Quad t) { return signOf((v.sum - t) + v.rest); });
}

/// Holds a row to its formula; an f64 NaN may carry anything.
void expectFloat(const std::string &body, const Format &f, size_t numInputs,
                 const std::function<uint64_t(const Lane &)> &formula) {
  unsigned n = unsigned(f.width());
  std::string text = body;
  if (n == 64) {
    // One NaN for all, made by hand.
    text += "\n.reg .pred %isNan; setp.nan.f64 %isNan, %d0, %d0;\n"
            "@%isNan mov.b64 %d0, 0x7FF8000000000000;";
  }
  expectCase({text,
              std::vector<unsigned>(numInputs, n),
              {n},
              [&](const Lane &a) -> Lane { return {formula(a)}; }},
             inputsOf(f, numInputs));
}

uint64_t oneOf(const Format &f) {
  return uint64_t((1 << (f.exponent - 1)) - 1) << f.mantissa;
}
uint64_t zeroLike(const Format &f, uint64_t a, uint64_t b) {
  return (a ^ b) & f.signBit();
}

} // namespace

TEST(Floats, AddSubMulFma) {
  for (const Format *f : {&kF32, &kF64}) {
    std::string type = f->width() == 64 ? ".f64" : ".f32";
    for (auto [word, mode] : kRoundings) {
      Mode m = mode;
      std::string end = word + type;
      expectFloat("add" + end + " %d0, %a0, %a1;", *f, 2, [=](const Lane &a) {
        return fusedCode(*f, m, a[0], oneOf(*f), a[1]);
      });
      expectFloat("sub" + end + " %d0, %a0, %a1;", *f, 2, [=](const Lane &a) {
        return fusedCode(*f, m, a[0], oneOf(*f), a[1] ^ f->signBit());
      });
      expectFloat("mul" + end + " %d0, %a0, %a1;", *f, 2, [=](const Lane &a) {
        return fusedCode(*f, m, a[0], a[1], zeroLike(*f, a[0], a[1]));
      });
      expectFloat(
          "fma" + end + " %d0, %a0, %a1, %a2;", *f, 3,
          [=](const Lane &a) { return fusedCode(*f, m, a[0], a[1], a[2]); });
    }
  }
}

// Each half of a pair is what f32 gives for it alone.
TEST(Floats, Pairs) {
  const Format &f = kF32;
  using Formula = std::function<uint64_t(Mode, uint64_t, uint64_t, uint64_t)>;
  struct Row {
    const char *name;
    size_t numInputs;
    Formula formula;
  };
  const Row rows[] = {
      {"add", 2,
       [&](Mode m, uint64_t a, uint64_t b, uint64_t) {
         return fusedCode(f, m, a, oneOf(f), b);
       }},
      {"sub", 2,
       [&](Mode m, uint64_t a, uint64_t b, uint64_t) {
         return fusedCode(f, m, a, oneOf(f), b ^ f.signBit());
       }},
      {"mul", 2,
       [&](Mode m, uint64_t a, uint64_t b, uint64_t) {
         return fusedCode(f, m, a, b, zeroLike(f, a, b));
       }},
      {"fma", 3, [&](Mode m, uint64_t a, uint64_t b, uint64_t c) {
         return fusedCode(f, m, a, b, c);
       }}};
  for (const Row &row : rows) {
    // The other half has the values of another lane.
    Values inputs = inputsOf(f, row.numInputs);
    for (auto &list : inputs) {
      std::vector<uint64_t> halves = list;
      for (size_t i = 0; i < list.size(); ++i) {
        list[i] = halves[i] | halves[list.size() - 1 - i] << 32;
      }
    }
    for (auto [word, mode] : kRoundings) {
      for (bool isFtz : {false, true}) {
        std::string text = row.name + std::string(word) +
                           (isFtz ? ".ftz" : "") + ".f32x2 %d0, %a0, %a1" +
                           (row.numInputs == 3 ? ", %a2;" : ";");
        Mode m = mode;
        auto half = [=, &row](const Lane &a, unsigned shift) {
          uint64_t s[3] = {0, 0, 0};
          for (size_t i = 0; i < row.numInputs; ++i) {
            s[i] = (a[i] >> shift) & 0xFFFFFFFF;
            s[i] = isFtz ? flushed(kF32, s[i]) : s[i];
          }
          uint64_t result = row.formula(m, s[0], s[1], s[2]);
          return isFtz ? flushed(kF32, result) : result;
        };
        expectCase({text,
                    std::vector<unsigned>(row.numInputs, 64),
                    {64},
                    [&](const Lane &a) -> Lane {
                      return {half(a, 0) | half(a, 32) << 32};
                    }},
                   inputs);
      }
    }
  }
}

TEST(Floats, FlushAndSaturate) {
  const Format &f = kF32;
  auto saturated = [](uint64_t code) -> uint64_t {
    double v = toDouble(kF32, code);
    return !(v > 0) ? 0 : v > 1 ? oneOf(kF32) : code;
  };
  for (bool isFtz : {false, true}) {
    for (bool isSat : {false, true}) {
      std::string words =
          std::string(isFtz ? ".ftz" : "") + (isSat ? ".sat" : "") + ".f32";
      auto finish = [=](uint64_t code) {
        code = isFtz ? flushed(kF32, code) : code;
        return isSat ? saturated(code) : code;
      };
      auto in = [=](uint64_t code) {
        return isFtz ? flushed(kF32, code) : code;
      };
      expectFloat("add" + words + " %d0, %a0, %a1;", f, 2, [=](const Lane &a) {
        return finish(
            fusedCode(kF32, Mode::Nearest, in(a[0]), oneOf(kF32), in(a[1])));
      });
      expectFloat(
          "mul.rz" + words + " %d0, %a0, %a1;", f, 2, [=](const Lane &a) {
            return finish(fusedCode(kF32, Mode::Zero, in(a[0]), in(a[1]),
                                    zeroLike(kF32, a[0], a[1])));
          });
      expectFloat("fma.rn" + words + " %d0, %a0, %a1, %a2;", f, 3,
                  [=](const Lane &a) {
                    return finish(fusedCode(kF32, Mode::Nearest, in(a[0]),
                                            in(a[1]), in(a[2])));
                  });
    }
  }
}

TEST(Floats, DivRcpSqrt) {
  auto quotient = [](const Format &f, Mode mode, uint64_t a, uint64_t b) {
    double x = valueOf(f, a), y = valueOf(f, b);
    if (!std::isfinite(x) || !std::isfinite(y) || x == 0 || y == 0) {
      return specialCode(f, x / y);
    }
    return roundExact(f, mode, false, [&](Quad c) {
      int sign = signOf(Quad(x) - c * Quad(y));
      return y < 0 ? -sign : sign;
    });
  };
  auto root = [](const Format &f, Mode mode, uint64_t a) {
    double x = valueOf(f, a);
    if (!(x > 0) || std::isinf(x)) {
      return specialCode(f, std::sqrt(x));
    }
    return roundExact(f, mode, false, [&](Quad c) {
      return c < 0 ? 1 : signOf(Quad(x) - c * c);
    });
  };
  for (const Format *f : {&kF32, &kF64}) {
    std::string type = f->width() == 64 ? ".f64" : ".f32";
    for (auto [word, mode] : kRoundings) {
      Mode m = mode;
      std::string end = word + type;
      expectFloat("div" + end + " %d0, %a0, %a1;", *f, 2,
                  [=](const Lane &a) { return quotient(*f, m, a[0], a[1]); });
      expectFloat("rcp" + end + " %d0, %a0;", *f, 1, [=](const Lane &a) {
        return quotient(*f, m, oneOf(*f), a[0]);
      });
      expectFloat("sqrt" + end + " %d0, %a0;", *f, 1,
                  [=](const Lane &a) { return root(*f, m, a[0]); });
    }
  }
  expectFloat("div.rn.ftz.f32 %d0, %a0, %a1;", kF32, 2, [=](const Lane &a) {
    return flushed(kF32, quotient(kF32, Mode::Nearest, flushed(kF32, a[0]),
                                  flushed(kF32, a[1])));
  });
  expectFloat("div.full.f32 %d0, %a0, %a1;", kF32, 2, [=](const Lane &a) {
    return quotient(kF32, Mode::Nearest, a[0], a[1]);
  });
}

TEST(Floats, MinMax) {
  for (const Format *f : {&kF32, &kF64}) {
    for (bool isMax : {false, true}) {
      for (const char *words : {"", ".ftz", ".NaN", ".ftz.NaN", ".xorsign.abs",
                                ".NaN.xorsign.abs"}) {
        std::string all = words;
        bool isFtz = all.find("ftz") != all.npos;
        bool propagates = all.find("NaN") != all.npos;
        bool isXor = all.find("xor") != all.npos;
        bool is64 = f->width() == 64;
        if (is64 && !all.empty()) {
          continue;
        }
        expectFloat(std::string(isMax ? "max" : "min") + all +
                        (is64 ? ".f64" : ".f32") + " %d0, %a0, %a1;",
                    *f, 2, [=](const Lane &a) -> uint64_t {
                      uint64_t x = isFtz ? flushed(*f, a[0]) : a[0];
                      uint64_t y = isFtz ? flushed(*f, a[1]) : a[1];
                      uint64_t sign = (x ^ y) & f->signBit();
                      if (isXor) {
                        x &= ~f->signBit();
                        y &= ~f->signBit();
                      }
                      bool xNan = isNan(*f, x), yNan = isNan(*f, y);
                      if ((xNan && yNan) || (propagates && (xNan || yNan))) {
                        return f->nan;
                      }
                      // Signed codes are ordered when negative ones are turned
                      // round.
                      auto key = [f](uint64_t c) {
                        return c & f->signBit() ? -Quad(c & ~f->signBit()) - 1
                                                : Quad(c);
                      };
                      uint64_t result = xNan                         ? y
                                        : yNan                       ? x
                                        : (key(x) < key(y)) != isMax ? x
                                                                     : y;
                      return isXor ? result | sign : result;
                    });
      }
    }
  }
}

TEST(Floats, Signs) {
  for (unsigned n : {32u, 64u}) {
    const Format &f = n == 64 ? kF64 : kF32;
    std::string type = ".f" + std::to_string(n);
    auto check = [&](const std::string &op, size_t inputs, auto formula) {
      expectCase({op + type + (inputs == 1 ? " %d0, %a0;" : " %d0, %a0, %a1;"),
                  std::vector<unsigned>(inputs, n),
                  {n},
                  [=](const Lane &a) -> Lane { return {formula(a)}; }},
                 inputsOf(f, inputs));
    };
    uint64_t sign = f.signBit();
    check("neg", 1, [=](const Lane &a) { return a[0] ^ sign; });
    check("abs", 1, [=](const Lane &a) { return a[0] & ~sign; });
    check("copysign", 2,
          [=](const Lane &a) { return (a[1] & ~sign) | (a[0] & sign); });
  }
  for (const char *op : {"neg", "abs"}) {
    bool isNeg = op[0] == 'n';
    expectCase({std::string(op) + ".ftz.f32 %d0, %a0;",
                {32},
                {32},
                [=](const Lane &a) -> Lane {
                  uint64_t x = flushed(kF32, a[0]);
                  return {isNeg ? x ^ 0x8000'0000 : x & 0x7FFF'FFFF};
                }},
               inputsOf(kF32, 1));
  }
}

TEST(Floats, Testp) {
  for (const Format *f : {&kF32, &kF64}) {
    unsigned n = unsigned(f->width());
    auto check = [&](const std::string &what, auto formula) {
      expectCase({"testp." + what + ".f" + std::to_string(n) + " %d0, %a0;",
                  {n},
                  {1},
                  [=](const Lane &a) -> Lane { return {formula(a[0])}; }},
                 inputsOf(*f, 1));
    };
    auto magnitude = [=](uint64_t c) { return c & ~f->signBit(); };
    check("finite", [=](uint64_t c) { return magnitude(c) <= f->largest; });
    check("infinite",
          [=](uint64_t c) { return magnitude(c) == f->largest + 1; });
    check("number", [=](uint64_t c) { return magnitude(c) <= f->largest + 1; });
    check("notanumber",
          [=](uint64_t c) { return magnitude(c) > f->largest + 1; });
    check("normal", [=](uint64_t c) {
      return magnitude(c) <= f->largest && !isSubnormalOrZero(*f, c);
    });
    check("subnormal", [=](uint64_t c) {
      return magnitude(c) != 0 && isSubnormalOrZero(*f, c);
    });
  }
}

namespace {

/// Largest relative error of op.f32 against the function, in units of the last
/// place; specials must agree.
void expectApprox(const std::string &op, double least, double most,
                  double maxUlps, double maxAbsolute,
                  double (*function)(double)) {
  std::vector<uint64_t> codes = floatCorners(kF32);
  std::mt19937_64 random(3);
  for (size_t k = 0; k < 20000; ++k) {
    double x = least + (most - least) * double(random() >> 11) * 0x1p-53;
    codes.push_back(std::bit_cast<uint32_t>(float(x)));
  }
  LaneProgram program(op + ".f32 %d0, %a0;", {32}, {32});
  Values d = program.run({codes}, ~0u, 256);
  ASSERT_EQ(d.size(), 1u) << op;
  bool isFtz = op.find("ftz") != op.npos;
  for (size_t t = 0; t < codes.size(); ++t) {
    uint64_t code = isFtz ? flushed(kF32, codes[t]) : codes[t];
    double exact = function(toDouble(kF32, code));
    float got = std::bit_cast<float>(uint32_t(d[0][t]));
    float nearest = float(exact);
    if (isFtz && std::fabs(nearest) < std::numeric_limits<float>::min()) {
      nearest = std::copysign(0.0f, nearest);
    }
    if (std::isnan(nearest) || std::isnan(got)) {
      EXPECT_TRUE(std::isnan(nearest) && std::isnan(got))
          << op << " of " << toDouble(kF32, code) << " gives " << got;
      EXPECT_EQ(d[0][t], 0x7FFF'FFFFu);
      continue;
    }
    double error = std::fabs(double(got) - double(nearest));
    double ulp =
        std::nextafter(std::fabs(nearest), INFINITY) - std::fabs(nearest);
    bool isGood =
        got == nearest || error <= std::max(maxUlps * ulp, maxAbsolute);
    EXPECT_TRUE(isGood) << op << " of " << toDouble(kF32, code) << " gives "
                        << got << " and not " << nearest;
    EXPECT_EQ(std::signbit(got), std::signbit(nearest))
        << op << " of " << toDouble(kF32, code);
  }
}

} // namespace

TEST(Special, Approximations) {
  // The manual's bounds; ours are within one unit.
  for (const char *ftz : {"", ".ftz"}) {
    std::string end = std::string(".approx") + ftz;
    expectApprox("ex2" + end, -160, 140, 1, 0,
                 [](double x) { return std::exp2(x); });
    expectApprox("ex2" + end, -2, 2, 1, 0,
                 [](double x) { return std::exp2(x); });
    expectApprox("lg2" + end, 1e-30, 100, 1, 0,
                 [](double x) { return std::log2(x); });
    expectApprox("rcp" + end, -100, 100, 1, 0, [](double x) { return 1 / x; });
    expectApprox("sqrt" + end, 0, 1e6, 1, 0,
                 [](double x) { return std::sqrt(x); });
    expectApprox("rsqrt" + end, 0, 1e6, 1, 0,
                 [](double x) { return 1 / std::sqrt(x); });
    expectApprox("sin" + end, -3, 3, 1, 0x1p-20,
                 [](double x) { return std::sin(x); });
    expectApprox("cos" + end, -3, 3, 1, 0x1p-20,
                 [](double x) { return std::cos(x); });
  }
  expectApprox("tanh.approx", -10, 10, 1, 0x1p-11,
               [](double x) { return std::tanh(x); });
}

TEST(Special, DivApprox) {
  // Beyond 2^126 the reciprocal of b is taken for zero.
  std::vector<uint64_t> codes = floatCorners(kF32);
  LaneProgram program("div.approx.f32 %d0, %a0, %a1;", {32, 32}, {32});
  Values in = combine({codes, codes});
  Values d = program.run(in);
  ASSERT_EQ(d.size(), 1u);
  for (size_t t = 0; t < in[0].size(); ++t) {
    float a = std::bit_cast<float>(uint32_t(in[0][t]));
    float b = std::bit_cast<float>(uint32_t(in[1][t]));
    float got = std::bit_cast<float>(uint32_t(d[0][t]));
    bool isBeyond = std::fabs(b) > 0x1p126f && std::isfinite(b);
    if (std::isnan(a / b) || (isBeyond && std::isinf(a))) {
      EXPECT_TRUE(std::isnan(got)) << a << " / " << b;
    } else if (isBeyond) {
      EXPECT_EQ(got, 0.0f) << a << " / " << b;
    } else {
      EXPECT_EQ(got, a / b) << a << " / " << b;
    }
  }
}

TEST(Special, Doubles) {
  // 20 bits of the mantissa are there; the lower word is zero.
  Values in{{}};
  std::mt19937_64 random(5);
  for (size_t k = 0; k < 4000; ++k) {
    in[0].push_back(
        std::bit_cast<uint64_t>(std::exp2(double(random() % 200) - 100.0) *
                                (1 + double(random() >> 11) * 0x1p-53)));
  }
  LaneProgram program("rcp.approx.ftz.f64 %d0, %a0;\n"
                      "rsqrt.approx.f64 %d1, %a0;",
                      {64}, {64, 64});
  Values d = program.run(in);
  ASSERT_EQ(d.size(), 2u);
  for (size_t t = 0; t < in[0].size(); ++t) {
    double a = std::bit_cast<double>(in[0][t]);
    EXPECT_EQ(d[0][t] & 0xFFFF'FFFF, 0u);
    EXPECT_NEAR(std::bit_cast<double>(d[0][t]) * a, 1.0, 0x1p-19);
    EXPECT_NEAR(std::bit_cast<double>(d[1][t]) * std::sqrt(a), 1.0, 0x1p-19);
  }
}

TEST(Special, CountsExp2) {
  LaneProgram program("ex2.approx.f32 %d0, %a0;\n ex2.approx.ftz.f32 %d0, %d0;",
                      {32}, {32});
  program.run({std::vector<uint64_t>(64, 0)}, 0x0000'FFFF);
  EXPECT_EQ(program.stats().total.ex2, 2u * 2 * 16);
  size_t special = size_t(InstClass::Special);
  EXPECT_EQ(program.stats().warpInstructions[special], 4u);
}

TEST(Floats, Refuses) {
  expectRefused("add.ftz.f64 %d0, %a0, %a1;", {64, 64}, {64},
                "does not know the type of 'add.ftz.f64'");
  expectRefused("add.rni.f32 %d0, %a0, %a1;", {32, 32}, {32},
                "does not know '.rni' in 'add.rni.f32'");
  expectRefused("ex2.f32 %d0, %a0;", {32}, {32},
                "does not know the instruction 'ex2.f32'");
  expectRefused("sin.approx.f64 %d0, %a0;", {64}, {64},
                "does not know the type of 'sin.approx.f64'");
  expectRefused("max.xorsign.f32 %d0, %a0, %a1;", {32, 32}, {32},
                "expects .xorsign.abs in 'max.xorsign.f32'");
  expectRefused("testp.f32 %d0, %a0;", {32}, {1},
                "expects what to test for in 'testp.f32'");
}
