//===- NormalFormTest.cpp - The normal form of index expressions ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <limits>
#include <random>

using namespace attn;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

class NormalForm : public ::testing::Test {
protected:
  std::string print(AffineExpr expr) {
    std::string text;
    llvm::raw_string_ostream os(text);
    printNamed(expr, dims, symbols, os);
    return text;
  }
  std::string normal(AffineExpr expr) { return print(normalize(expr)); }
  std::string check(AffineExpr expr) {
    return checkAffine(expr, dims, symbols);
  }
  AffineExpr cst(int64_t value) {
    return getAffineConstantExpr(value, &context);
  }
  AffineExpr binary(AffineExprKind kind, AffineExpr lhs, AffineExpr rhs) {
    return getAffineBinaryOpExpr(kind, lhs, rhs);
  }

  MLIRContext context;
  AffineExpr p = getAffineDimExpr(0, &context);
  AffineExpr m = getAffineDimExpr(1, &context);
  AffineExpr len = getAffineSymbolExpr(0, &context);
  AffineExpr off = getAffineSymbolExpr(1, &context);
  SmallVector<StringRef> dims = {"p", "m"}, symbols = {"len", "off"};
};

TEST_F(NormalForm, OrdersTerms) {
  // Dims, divisions of dims, symbols, divisions of symbols, constant.
  EXPECT_EQ(normal(7 + len.floorDiv(4) + off + m.floorDiv(16) + m + p),
            "p + m + m floordiv 16 + off + len floordiv 4 + 7");
  EXPECT_EQ(normal(len - 1 - m * 64 - p), "-p - m * 64 + len - 1");
  EXPECT_EQ(normal(cst(0) - m), "-m");
}

TEST_F(NormalForm, CollectsTerms) {
  EXPECT_EQ(normal(m + p + m + p * 3 - m * 2), "p * 4");
  EXPECT_EQ(normal((m + p) * 3 - (p + m) * 3), "0");
  EXPECT_EQ(normal((m + 1) * 5 + (p - 2) * -2), "p * -2 + m * 5 + 9");
}

TEST_F(NormalForm, NormalizesOperandsOfDivisions) {
  AffineExpr one = (m * 2 + p).floorDiv(3), other = (p + m * 2).floorDiv(3);
  EXPECT_NE(one, other);
  EXPECT_EQ(normalize(one), normalize(other));
  EXPECT_EQ(normal(one - other), "0");
  EXPECT_EQ(normal((off + len + 1) % 5), "(len + off + 1) mod 5");
  EXPECT_EQ(normal((m * 2 + p).ceilDiv(3) * 4), "((p + m * 2) ceildiv 3) * 4");
}

TEST_F(NormalForm, FoldsARemainderThatAppears) {
  // x - (x floordiv 4) * 4 becomes a mod while the sum is built.
  AffineExpr expr = cst(0) - p.floorDiv(4) * 4 + p + m;
  EXPECT_EQ(normalize(normalize(expr)), normalize(expr));
}

TEST_F(NormalForm, Prints) {
  EXPECT_EQ(print(p * -1), "-p");
  EXPECT_EQ(print(p * -2), "p * -2");
  EXPECT_EQ(print(p - m * 2), "p - m * 2");
  EXPECT_EQ(print(p - m.floorDiv(2) * 3), "p - (m floordiv 2) * 3");
  EXPECT_EQ(print((p + m).floorDiv(2) % 7), "((p + m) floordiv 2) mod 7");
  EXPECT_EQ(print(cst(-5)), "-5");
  EXPECT_EQ(
      print(getAffineDimExpr(4, &context) + getAffineSymbolExpr(3, &context)),
      "d4 + s3");
}

TEST_F(NormalForm, RefusesWhatIsNotAffine) {
  EXPECT_EQ(check(p * 3 + m.floorDiv(7) - len), "");
  EXPECT_EQ(check(p * len), "expects an affine expression, but got 'p * len'");
  EXPECT_EQ(check(p + (m * p).floorDiv(2)),
            "expects an affine expression, but got 'p * m'");
  EXPECT_EQ(check(binary(AffineExprKind::FloorDiv, m, cst(0))),
            "expects a positive constant divisor, but got 'm floordiv 0'");
  EXPECT_EQ(check(binary(AffineExprKind::Mod, m, cst(-3))),
            "expects a positive constant divisor, but got 'm mod -3'");
  EXPECT_EQ(check(binary(AffineExprKind::CeilDiv, m, len)),
            "expects a positive constant divisor, but got 'm ceildiv len'");
}

TEST_F(NormalForm, ReportsOverflow) {
  // A sum under a factor, so that MLIR does not multiply (and wrap) itself.
  AffineExpr big = (m * (kMax / 2) + p) * 4;
  EXPECT_EQ(check(big), "coefficient of 'm' does not fit 64 bits");
  EXPECT_FALSE(normalize(big));
  EXPECT_EQ(check((m + p) * kMax + p),
            "coefficient of 'p' does not fit 64 bits");
  EXPECT_EQ(check((m + kMax) * 2), "constant does not fit 64 bits");
  EXPECT_FALSE(normalize((m + kMax) * 2));
  // Inside a division too.
  EXPECT_EQ(check(p + ((m * (kMax / 2) + p) * 4).floorDiv(3)),
            "coefficient of 'm' does not fit 64 bits");
  // The smallest number has no negation: it could not be subtracted.
  EXPECT_EQ(check(m * kMin), "coefficient of 'm' does not fit 64 bits");
  EXPECT_EQ(check(m + kMin), "constant does not fit 64 bits");
  EXPECT_EQ(check(m * kMax), "");
  EXPECT_EQ(check(m * (kMin + 1) - kMax), "");
}

TEST_F(NormalForm, MapsAndSets) {
  AffineMap map = AffineMap::get(2, 2, {m * 4 + p, len + m}, &context);
  EXPECT_EQ(normalize(map),
            AffineMap::get(2, 2, {p + m * 4, m + len}, &context));
  IntegerSet set = IntegerSet::get(2, 2, {off - m, len + p}, {true, false});
  EXPECT_EQ(normalize(set),
            IntegerSet::get(2, 2, {m * -1 + off, p + len}, {true, false}));
}

int64_t evaluate(AffineExpr expr, ArrayRef<int64_t> values) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return values[dim.getPosition()];
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return values[2 + symbol.getPosition()];
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return constant.getValue();
  }
  auto node = cast<AffineBinaryOpExpr>(expr);
  int64_t lhs = evaluate(node.getLHS(), values);
  int64_t rhs = evaluate(node.getRHS(), values);
  int64_t floor = 0;
  if (expr.getKind() != AffineExprKind::Add &&
      expr.getKind() != AffineExprKind::Mul) {
    floor = lhs / rhs - (lhs % rhs < 0);
  }
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return lhs + rhs;
  case AffineExprKind::Mul:
    return lhs * rhs;
  case AffineExprKind::FloorDiv:
    return floor;
  case AffineExprKind::CeilDiv:
    return floor + (lhs != floor * rhs);
  default:
    return lhs - floor * rhs;
  }
}

/// A random tree of operators, in no order.
class RandomExpr {
public:
  RandomExpr(MLIRContext *context, unsigned seed)
      : context(context), random(seed) {}

  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  AffineExpr make(int depth) {
    if (depth == 0) {
      int64_t leaf = draw(0, 4);
      return leaf < 2   ? getAffineDimExpr(leaf, context)
             : leaf < 4 ? getAffineSymbolExpr(leaf - 2, context)
                        : getAffineConstantExpr(draw(-9, 9), context);
    }
    AffineExpr lhs = make(depth - 1);
    switch (draw(0, 5)) {
    case 0:
      return lhs * draw(-4, 4);
    case 1:
      return lhs.floorDiv(draw(1, 7));
    case 2:
      return lhs.ceilDiv(draw(1, 7));
    case 3:
      return lhs % draw(1, 7);
    default:
      return lhs + make(depth - 1);
    }
  }

private:
  MLIRContext *context;
  std::mt19937 random;
};

TEST_F(NormalForm, KeepsTheValueAndIsIdempotent) {
  RandomExpr random(&context, /*seed=*/7);
  for (int i = 0; i < 4000; ++i) {
    AffineExpr expr = random.make(6);
    AffineExpr normal = normalize(expr);
    ASSERT_TRUE(normal);
    ASSERT_EQ(normalize(normal), normal) << print(expr);
    for (int point = 0; point < 8; ++point) {
      SmallVector<int64_t> values;
      for (int k = 0; k < 4; ++k) {
        values.push_back(random.draw(-40, 40));
      }
      ASSERT_EQ(evaluate(expr, values), evaluate(normal, values))
          << print(expr) << " became " << print(normal);
    }
  }
}

} // namespace
