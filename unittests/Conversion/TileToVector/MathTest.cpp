//===- MathTest.cpp - Accuracy of math functions without calls ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;

namespace {
using HostFn = void(const attnrt_args *, const float *, float *, int64_t);

/// y[i] = op(x[i]) in blocks of 64 elements, with `flags` on the op.
std::string kernelOf(const std::string &op, const std::string &flags) {
  return R"(
tile.kernel host @f(%x: memref<?xf32>, %y: memref<?xf32>, %n: index) program(0) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  scf.for %i = %c0 to %n step %c64 {
    %c = tile.coord %i : vector<64xi32>
    %left = arith.subi %n, %i : index
    %v = tile.load %x[%c] axes [0] live(%c0 to %left) : (memref<?xf32>, vector<64xi32>, index, index) -> vector<64xf32>
    %w = )" +
         op + " %v " + flags + R"( : vector<64xf32>
    tile.store %w, %y[%c] axes [0] live(%c0 to %left) : vector<64xf32>, memref<?xf32>, vector<64xi32>, index, index
  }
  tile.return
})";
}

std::vector<float> evaluate(const std::string &op, const std::vector<float> &x,
                            const char *features = "native",
                            const char *flags = "") {
  Compiled code;
  std::vector<float> y(x.size() + 1, 7.0f);
  if (!code.compile(kernelOf(op, flags), features)) {
    return {};
  }
  attnrt_args args = {};
  code.function<HostFn>("f")(&args, x.data(), y.data(), x.size());
  EXPECT_EQ(y.back(), 7.0f) << "wrote past the end";
  y.pop_back();
  return y;
}

std::vector<float> grid(double lo, double hi, int64_t n) {
  std::vector<float> x;
  for (int64_t i = 0; i < n; ++i) {
    x.push_back(lo + (hi - lo) * i / (n - 1));
  }
  return x;
}

struct Function {
  const char *op;
  double (*exact)(double);
  double lo, hi, relative, absolute;
  const char *flags = "";
};

const char *const kShort = "fastmath<afn>";

class Math : public testing::TestWithParam<Function> {};

TEST_P(Math, Range) {
  Function f = GetParam();
  std::vector<float> x = grid(f.lo, f.hi, 100003);
  for (const char *features : {"native", "x86-64-v3", "x86-64-v2"}) {
    std::vector<float> y = evaluate(f.op, x, features, f.flags);
    ASSERT_EQ(y.size(), x.size());
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double want = f.exact(x[i]),
             bound = f.absolute + f.relative * std::fabs(want);
      worst = std::max(worst, std::fabs(want - y[i]) / bound);
      ASSERT_LE(std::fabs(want - y[i]), bound)
          << f.op << " " << f.flags << " at " << x[i] << ", " << features;
    }
    RecordProperty(std::string("worst of ") + features, std::to_string(worst));
  }
}

TEST_P(Math, NaNStays) {
  std::vector<float> y =
      evaluate(GetParam().op, {NAN, -NAN, 0.5f}, "native", GetParam().flags);
  ASSERT_EQ(y.size(), 3u);
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_FALSE(std::isnan(y[2]));
}

double rsqrtExact(double x) { return 1 / std::sqrt(x); }

INSTANTIATE_TEST_SUITE_P(
    Functions, Math,
    testing::Values(
        Function{"math.exp", std::exp, -87.3, 88.7, 2.5e-7, 0},
        Function{"math.exp", std::exp, -1, 1, 2e-7, 0},
        Function{"math.exp2", std::exp2, -126, 127.99, 2.5e-7, 0},
        Function{"math.exp", std::exp, -87.3, 88.7, 8e-6, 0, kShort},
        Function{"math.exp", std::exp, -8, 1, 3.6e-6, 0, kShort},
        Function{"math.exp2", std::exp2, -126, 127.99, 3.1e-6, 0, kShort},
        Function{"math.log", std::log, 1e-6, 20, 3e-7, 1e-7},
        Function{"math.log2", std::log2, 1e-6, 20, 3e-7, 2e-7},
        Function{"math.log1p", std::log1p, -0.9, 20, 1e-6, 1e-7},
        Function{"math.expm1", std::expm1, -10, 10, 1e-6, 1e-7},
        Function{"math.tanh", std::tanh, -12, 12, 1e-6, 1e-7},
        Function{"math.erf", std::erf, -5, 5, 1e-6, 1e-6},
        Function{"math.sin", std::sin, -50, 50, 1e-6, 3e-6},
        Function{"math.cos", std::cos, -50, 50, 1e-6, 3e-6},
        Function{"math.sqrt", std::sqrt, 1e-3, 100, 1e-7, 0},
        Function{"math.rsqrt", rsqrtExact, 1e-3, 100, 2e-7, 0},
        Function{"math.absf", std::fabs, -3, 3, 0, 0},
        Function{"math.floor", std::floor, -3, 3, 0, 0}));

/// 0 below the normal numbers, or a denormal one: who scales leaves it to the
/// mode of the thread.
void expectBelowNormal(float y) {
  EXPECT_GE(y, 0.0f);
  EXPECT_LT(y, 0x1p-126f);
}

class Edges
    : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(Edges, Exp) {
  auto [features, flags] = GetParam();
  float inf = INFINITY;
  std::vector<float> x = {0.0f,  -0.0f,  inf,     -inf,   88.73f,
                          1e30f, -87.4f, -104.0f, -1e30f, 88.72f};
  std::vector<float> y = evaluate("math.exp", x, features, flags);
  ASSERT_EQ(y.size(), x.size());
  EXPECT_EQ(y[0], 1.0f);
  EXPECT_EQ(y[1], 1.0f);
  EXPECT_EQ(y[2], inf);
  EXPECT_EQ(y[3], 0.0f);
  EXPECT_EQ(y[4], inf);
  EXPECT_EQ(y[5], inf);
  expectBelowNormal(y[6]);
  EXPECT_EQ(y[7], 0.0f);
  EXPECT_EQ(y[8], 0.0f);
  EXPECT_NEAR(y[9] / std::exp(88.72f), 1.0, flags[0] ? 1e-5 : 1e-6);
}

TEST_P(Edges, Exp2) {
  auto [features, flags] = GetParam();
  float inf = INFINITY;
  std::vector<float> x = {0.0f, inf, -inf, 128.0f, -126.0f, 10.0f, -126.5f};
  std::vector<float> y = evaluate("math.exp2", x, features, flags);
  ASSERT_EQ(y.size(), x.size());
  expectBelowNormal(y.back());
  y.pop_back();
  EXPECT_EQ(y, (std::vector<float>{1.0f, inf, 0.0f, inf, 0x1p-126f, 1024.0f}));
}

INSTANTIATE_TEST_SUITE_P(Exp, Edges,
                         testing::Combine(testing::Values("native", "x86-64-v3",
                                                          "x86-64-v2"),
                                          testing::Values("", kShort)));

TEST(Host, UnknownFunctionIsNamed) {
  Compiled code;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(code.compile(R"(
func.func private @mystery(f32) -> f32
func.func @f(%x: f32) -> f32 {
  %y = func.call @mystery(%x) : (f32) -> f32
  return %y : f32
})"));
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("mystery"), std::string::npos) << text;
}

TEST(Host, LibrariesDoNotMix) {
  std::vector<float> x = {4.0f};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(evaluate("math.sqrt", x), std::vector<float>{2.0f});
    EXPECT_EQ(evaluate("math.absf", x), std::vector<float>{4.0f});
  }
}
} // namespace
