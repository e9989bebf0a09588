//===- MonoidTest.cpp - Units and joins -----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Monoid.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace attn::einsum;

static const double inf = std::numeric_limits<double>::infinity();

TEST(Monoid, UnitsAreNeutral) {
  for (Monoid m : {Monoid::Add, Monoid::Mul, Monoid::Max, Monoid::Min}) {
    for (double x : {-2.5, 0.0, 7.0, inf, -inf}) {
      EXPECT_EQ(join(m, getUnit(m), x), x) << getName(m).str();
      EXPECT_EQ(join(m, x, getUnit(m)), x) << getName(m).str();
    }
  }
  EXPECT_EQ(getUnit(Monoid::Add), 0.0);
  EXPECT_EQ(getUnit(Monoid::Mul), 1.0);
  EXPECT_EQ(getUnit(Monoid::Max), -inf);
  EXPECT_EQ(getUnit(Monoid::Min), inf);
}

TEST(Monoid, Joins) {
  EXPECT_EQ(join(Monoid::Add, 2, 3), 5);
  EXPECT_EQ(join(Monoid::Mul, 2, 3), 6);
  EXPECT_EQ(join(Monoid::Max, 2, 3), 3);
  EXPECT_EQ(join(Monoid::Min, 2, 3), 2);
}

TEST(Monoid, MaximumAndMinimumKeepNaN) {
  double nan = std::nan("");
  for (Monoid m : {Monoid::Max, Monoid::Min}) {
    EXPECT_TRUE(std::isnan(join(m, nan, 1)));
    EXPECT_TRUE(std::isnan(join(m, 1, nan)));
    EXPECT_TRUE(std::isnan(join(m, getUnit(m), nan)));
  }
}

TEST(Monoid, ZerosAreOrdered) {
  EXPECT_FALSE(std::signbit(join(Monoid::Max, -0.0, 0.0)));
  EXPECT_FALSE(std::signbit(join(Monoid::Max, 0.0, -0.0)));
  EXPECT_TRUE(std::signbit(join(Monoid::Min, -0.0, 0.0)));
  EXPECT_TRUE(std::signbit(join(Monoid::Min, 0.0, -0.0)));
}

TEST(Monoid, Names) {
  EXPECT_EQ(getName(Monoid::Add), "add");
  EXPECT_EQ(getName(Monoid::Mul), "mul");
  EXPECT_EQ(getName(Monoid::Max), "max");
  EXPECT_EQ(getName(Monoid::Min), "min");
}
