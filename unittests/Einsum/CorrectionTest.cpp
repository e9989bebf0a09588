//===- CorrectionTest.cpp - Expressions in old and new references ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Correction.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace attn::einsum;

namespace {

class CorrectionTest : public ::testing::Test {
protected:
  Expr old(LeafId leaf, Sign sign = Sign::Any) {
    return pool.getLeaf(leaf, Version::Old, sign);
  }
  Expr now(LeafId leaf, Sign sign = Sign::Any) {
    return pool.getLeaf(leaf, Version::New, sign);
  }
  std::string print(Expr x) {
    return pool.print(x, [](LeafId leaf) { return leaf == 0 ? "c" : "d"; });
  }
  ExprPool pool;
};

} // namespace

TEST_F(CorrectionTest, EqualExpressionsAreOne) {
  EXPECT_EQ(pool.getExp(pool.getSub(old(0), now(0))),
            pool.getExp(pool.getSub(old(0), now(0))));
  EXPECT_NE(pool.getExp(pool.getSub(old(0), now(0))),
            pool.getExp(pool.getSub(old(1), now(1))));
  EXPECT_NE(pool.getSub(old(0), now(0)), pool.getSub(now(0), old(0)));
}

TEST_F(CorrectionTest, IdentityIsEmpty) {
  Expr d = pool.getSub(old(0), now(0));
  EXPECT_FALSE(pool.getSub(d, d));
  EXPECT_FALSE(pool.getDiv(d, d));
  EXPECT_FALSE(pool.getExp(Expr()));
  EXPECT_EQ(pool.getMul(Expr(), d), d);
  EXPECT_EQ(pool.getAdd(d, Expr()), d);
  EXPECT_EQ(pool.getDiv(d, Expr()), d);
}

TEST_F(CorrectionTest, DifferencesStayDifferences) {
  Expr d = pool.getSub(old(0), now(0));
  EXPECT_EQ(print(pool.getNeg(d)), "c' - c");
  EXPECT_EQ(print(pool.getNeg(pool.getNeg(d))), "c - c'");
  EXPECT_EQ(print(pool.getAdd(old(1), pool.getNeg(now(1)))), "d - d'");
  // The reciprocal of e^x is e^-x and not 1 / e^x.
  EXPECT_EQ(print(pool.getDiv(Expr(), pool.getExp(d))), "exp(c' - c)");
  EXPECT_EQ(print(pool.getDiv(Expr(), pool.getExp2(d))), "exp2(c' - c)");
}

TEST_F(CorrectionTest, QuotientsStayQuotients) {
  Expr q = pool.getDiv(now(1), old(1));
  EXPECT_EQ(print(pool.getDiv(Expr(), q)), "d / d'");
  Expr e = pool.getExp(pool.getSub(old(0), now(0)));
  EXPECT_EQ(print(pool.getDiv(e, q)), "exp(c - c') * (d / d')");
}

TEST_F(CorrectionTest, Signs) {
  Expr e = pool.getExp(pool.getSub(old(0), now(0)));
  EXPECT_EQ(pool.getSign(e), Sign::Positive);
  EXPECT_EQ(pool.getSign(Expr()), Sign::Positive);
  EXPECT_EQ(pool.getSign(pool.getDiv(now(1), old(1))), Sign::Any);
  Expr q = pool.getDiv(now(2, Sign::Positive), old(2, Sign::Positive));
  EXPECT_EQ(pool.getSign(q), Sign::Positive);
  EXPECT_EQ(pool.getSign(pool.getMul(e, q)), Sign::Positive);
  EXPECT_EQ(pool.getSign(pool.getMul(e, old(3, Sign::NonNegative))),
            Sign::NonNegative);
  EXPECT_EQ(pool.getSign(pool.getDiv(e, old(3, Sign::NonNegative))), Sign::Any);
}

TEST_F(CorrectionTest, EvaluatesAtOldAndNew) {
  Expr x = pool.getMul(pool.getExp(pool.getSub(old(0), now(0))),
                       pool.getDiv(old(1), now(1)));
  double v = pool.evaluate(x, [](LeafId leaf, Version version) {
    double at[2][2] = {{1.0, 3.0}, {8.0, 2.0}};
    return at[leaf][version == Version::New];
  });
  EXPECT_DOUBLE_EQ(v, std::exp(-2.0) * 4.0);
}

TEST_F(CorrectionTest, LeavesInOrderOfUse) {
  Expr x = pool.getScaled(pool.getSub(old(0), now(0)), old(1), false);
  llvm::SmallVector<LeafId> expected{0, 1};
  EXPECT_EQ(pool.getLeaves(x), expected);
  EXPECT_TRUE(pool.getLeaves(Expr()).empty());
}
