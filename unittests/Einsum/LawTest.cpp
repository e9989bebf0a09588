//===- LawTest.cpp - Laws of scalar programs ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Law.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace attn::einsum;

namespace {

/// A small language: x is a point, c and d are finished reductions (d is known
/// to be positive), k is a constant.
class LawTest : public ::testing::Test {
protected:
  enum : LeafId { C, D, K, Derived };
  Law x = Law::getFixed();
  Law c = Law::getCOnly(C);
  Law d = Law::getCOnly(D, Sign::Positive);
  Law k = Law::getConst(K);
  Law zero = Law::getLiteral(10, 0.0);
  Law lowest = Law::getLiteral(11, -std::numeric_limits<double>::infinity());

  Law apply(ScalarOp op, llvm::ArrayRef<Law> operands,
            llvm::StringRef name = "op") {
    return transfer(op, name, operands, Derived, pool);
  }
  Law sub(Law a, Law b) { return apply(ScalarOp::Sub, {a, b}, "arith.subf"); }
  Law add(Law a, Law b) { return apply(ScalarOp::Add, {a, b}, "arith.addf"); }
  Law mul(Law a, Law b) { return apply(ScalarOp::Mul, {a, b}, "arith.mulf"); }
  Law div(Law a, Law b) { return apply(ScalarOp::Div, {a, b}, "arith.divf"); }
  Law exp(Law a) { return apply(ScalarOp::Exp, {a}, "math.exp"); }
  std::string text(const Law &law) {
    return print(law, pool, [](LeafId leaf) -> std::string {
      return std::vector<std::string>{"c", "d", "k", "w"}.at(leaf);
    });
  }
  std::string under(Monoid monoid, const Law &law) {
    return text(reduce(monoid, law, pool));
  }
  ExprPool pool;
};

} // namespace

TEST_F(LawTest, Softmax) {
  Law weight = exp(sub(x, c));
  EXPECT_EQ(text(sub(x, c)), "+ (c - c')");
  EXPECT_EQ(text(weight), "* exp(c - c')");
  EXPECT_EQ(under(Monoid::Add, weight), "* exp(c - c')");
  EXPECT_EQ(under(Monoid::Add, mul(weight, x)), "* exp(c - c')");
  EXPECT_EQ(weight.sign, Sign::Positive);
}

TEST_F(LawTest, SpellingDoesNotMatter) {
  Law negated = add(x, apply(ScalarOp::Neg, {c}));
  // The negation is c-only; its difference is that of c with the other sign.
  EXPECT_EQ(text(exp(negated)), "* exp(w' - w)");
  EXPECT_EQ(text(apply(ScalarOp::Exp2, {mul(sub(x, c), k)})),
            "* exp2((c - c') * k)");
  EXPECT_EQ(text(exp(div(sub(x, c), k))), "* exp((c - c') / k)");
}

TEST_F(LawTest, DivisionInsideGivesFlashAttention1) {
  Law a = div(exp(sub(x, c)), d);
  EXPECT_EQ(under(Monoid::Add, mul(a, x)), "* exp(c - c') * (d / d')");
}

TEST_F(LawTest, ReferencesThatMayBeZeroAreNoCorrections) {
  for (Law law : {div(x, c), mul(x, c)}) {
    EXPECT_EQ(law.kind, LawKind::None);
    ASSERT_TRUE(law.divisor.has_value());
    EXPECT_EQ(*law.divisor, LeafId(C));
  }
  EXPECT_EQ(text(div(x, d)), "* d / d'");
  EXPECT_EQ(text(mul(x, d)), "* d' / d");
}

TEST_F(LawTest, PointInTheFactorBreaksASummand) {
  EXPECT_EQ(text(mul(sub(x, c), x)), "no law: arith.mulf");
}

TEST_F(LawTest, NoLaws) {
  EXPECT_EQ(
      under(Monoid::Add, apply(ScalarOp::Other, {sub(x, c)}, "math.tanh")),
      "no law: math.tanh");
  // Sparsemax, variance, entropy, differential attention.
  EXPECT_EQ(text(apply(ScalarOp::Max, {sub(x, c), zero}, "arith.maximumf")),
            "no law: arith.maximumf");
  EXPECT_EQ(text(mul(sub(x, c), sub(x, c))), "no law: arith.mulf");
  EXPECT_EQ(text(mul(exp(sub(x, c)), sub(x, c))), "no law: arith.mulf");
  EXPECT_EQ(text(sub(exp(sub(x, c)), exp(sub(x, d)))), "no law: arith.subf");
  // The operation named is the one that broke it, not the last one.
  EXPECT_EQ(text(mul(sub(exp(sub(x, c)), x), x)), "no law: arith.subf");
}

TEST_F(LawTest, EqualCorrectionsAdd) {
  Law a = exp(sub(x, c)), b = mul(exp(sub(x, c)), x);
  EXPECT_EQ(text(sub(a, b)), "* exp(c - c')");
}

TEST_F(LawTest, Monoids) {
  Law shift = sub(x, c), scale = exp(sub(x, c));
  EXPECT_EQ(under(Monoid::Max, shift), "+ (c - c')");
  EXPECT_EQ(under(Monoid::Min, shift), "+ (c - c')");
  EXPECT_EQ(under(Monoid::Add, shift), "no law: arith.subf");
  // A factor goes through a maximum if it is not negative.
  EXPECT_EQ(under(Monoid::Max, scale), "* exp(c - c')");
  Law signedFactor = scale;
  signedFactor.f =
      pool.getDiv(pool.getLeaf(C, Version::New), pool.getLeaf(C, Version::Old));
  EXPECT_EQ(under(Monoid::Max, signedFactor), "no law: math.exp");
  EXPECT_EQ(under(Monoid::Add, signedFactor), "* c' / c");
  EXPECT_EQ(under(Monoid::Mul, scale), "no law: math.exp");
  for (Monoid m : {Monoid::Add, Monoid::Mul, Monoid::Max, Monoid::Min}) {
    EXPECT_EQ(under(m, x), "fixed");
    EXPECT_EQ(under(m, c), "no law: reference only");
  }
}

TEST_F(LawTest, Selects) {
  Law weight = exp(sub(x, c)), shift = sub(x, c);
  EXPECT_EQ(text(apply(ScalarOp::Select, {x, weight, zero})), "* exp(c - c')");
  EXPECT_EQ(text(apply(ScalarOp::Select, {x, lowest, shift})), "+ (c - c')");
  EXPECT_EQ(text(apply(ScalarOp::Select, {x, weight, k}, "arith.select")),
            "no law: arith.select");
  EXPECT_EQ(text(apply(ScalarOp::Select, {shift, weight, zero}, "s")),
            "no law: s");
}

TEST_F(LawTest, RoundingIsFlagged) {
  Law rounded = apply(ScalarOp::Round, {exp(sub(x, c))});
  EXPECT_EQ(text(rounded), "* exp(c - c') (approx)");
  EXPECT_FALSE(apply(ScalarOp::Round, {x}).approx);
  EXPECT_FALSE(apply(ScalarOp::Extend, {exp(sub(x, c))}).approx);
}

TEST_F(LawTest, ClosedValues) {
  EXPECT_EQ(text(apply(ScalarOp::Other, {k, k})), "const");
  EXPECT_EQ(text(apply(ScalarOp::Other, {c, k})), "c-only w");
  EXPECT_EQ(text(apply(ScalarOp::Other, {x, k})), "fixed");
  // log d + c, the reference of a shifted exponential.
  EXPECT_EQ(text(exp(sub(x, add(c, apply(ScalarOp::Other, {d}))))),
            "* exp(w - w')");
}

TEST_F(LawTest, SignsOfSumsOfExponentials) {
  EXPECT_EQ(add(exp(x), exp(x)).sign, Sign::Positive);
  EXPECT_EQ(add(exp(x), x).sign, Sign::Any);
  EXPECT_EQ(sub(exp(x), exp(x)).sign, Sign::Any);
  EXPECT_EQ(reduce(Monoid::Add, exp(sub(x, c)), pool).sign, Sign::Positive);
  EXPECT_EQ(apply(ScalarOp::Round, {exp(x)}).sign, Sign::NonNegative);
  EXPECT_EQ(apply(ScalarOp::Max, {exp(x), x}).sign, Sign::Positive);
  EXPECT_EQ(apply(ScalarOp::Min, {exp(x), x}).sign, Sign::Any);
}

/// The law is about numbers: F(x, c') = F(x, c) * f(c, c') (or + f).
TEST_F(LawTest, CorrectionsMoveValues) {
  struct Case {
    Law law;
    double (*value)(double x, double c, double d, double k);
  } cases[] = {
      {exp(mul(sub(x, c), k)), [](double x, double c, double,
                                  double k) { return std::exp((x - c) * k); }},
      {div(mul(exp(sub(x, c)), x), d),
       [](double x, double c, double d, double) {
         return std::exp(x - c) * x / d;
       }},
      {add(sub(k, c), x),
       [](double x, double c, double, double k) { return k - c + x; }},
      {mul(x, div(exp(sub(x, c)), exp(sub(x, d)))),
       [](double x, double c, double d, double) {
         return x * std::exp(x - c) / std::exp(x - d);
       }},
  };
  double at[2][3] = {{0.5, 2.0, 0.7}, {1.75, 3.0, 0.7}};
  for (const Case &test : cases) {
    // `k - c` is c-only; as leaf 3 it has to be evaluated as well.
    double f = pool.evaluate(test.law.f, [&](LeafId leaf, Version version) {
      const double *v = at[version == Version::New];
      return leaf == Derived ? v[2] - v[0] : v[leaf];
    });
    for (double p : {-1.0, 0.25, 4.0}) {
      double from = test.value(p, at[0][0], at[0][1], at[0][2]);
      double to = test.value(p, at[1][0], at[1][1], at[1][2]);
      double moved = test.law.kind == LawKind::Mult ? from * f : from + f;
      EXPECT_NEAR(moved, to, 1e-12 * std::abs(to)) << text(test.law);
    }
  }
}
