//===- FoldIntervalsTest.cpp - Intervals against membership ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/FoldIntervals.h"

#include "gtest/gtest.h"
#include <random>

using namespace attn;

namespace {

/// Random unions over three parameters with divisions of all of them.
class SetGenerator {
public:
  explicit SetGenerator(unsigned seed) : random(seed) {}

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  TileClasses classes() {
    TileClasses result;
    result.numParams = 3;
    for (int64_t i = pick(1, 3); i > 0; --i) {
      result.some.push_back(set());
    }
    return result;
  }

private:
  /// Coefficients of the first `used` of `numVars` variables.
  SmallVector<int64_t> coeffs(unsigned used, unsigned numVars) {
    SmallVector<int64_t> row(numVars, 0);
    for (unsigned i = 0; i < used; ++i) {
      row[i] = pick(0, 2) ? pick(-3, 3) : 0;
    }
    return row;
  }

  LinearSet set() {
    LinearSet result;
    unsigned numVars = 3 + pick(0, 2);
    for (unsigned used = 3; used < numVars; ++used) {
      result.divisions.push_back(
          {coeffs(used, numVars), pick(-9, 9), pick(2, 7)});
    }
    for (int64_t i = pick(1, 3); i > 0; --i) {
      result.constraints.push_back(
          {coeffs(numVars, numVars), pick(-20, 20), pick(0, 9) == 0});
    }
    return result;
  }

  std::mt19937 random;
};

TEST(FoldIntervalsTest, RandomUnionsEqualMembership) {
  SetGenerator generator(3);
  int numExact = 0;
  for (int i = 0; i < 3000; ++i) {
    TileClasses classes = generator.classes();
    int64_t step = generator.pick(1, 8);
    FoldIntervals intervals = foldIntervals(classes, /*foldParam=*/1, step);
    numExact += intervals.exact;
    SmallVector<int64_t> params = {generator.pick(-20, 20), 0,
                                   generator.pick(-20, 20)};
    int64_t begin = generator.pick(-12, 0), end = generator.pick(0, 12);
    int64_t reached = begin;
    auto visited = intervals.evaluate(params, begin, end);
    for (auto [first, last] : visited) {
      ASSERT_LE(reached, first);
      ASSERT_LT(first, last);
      ASSERT_LE(last, end);
      reached = last;
    }
    for (int64_t k = begin; k < end; ++k) {
      params[1] = step * k;
      bool expected = classes.classify(params) != TileClass::Empty;
      bool inside = llvm::any_of(visited, [&](auto interval) {
        return interval.first <= k && k < interval.second;
      });
      ASSERT_TRUE(intervals.exact ? inside == expected : inside || !expected)
          << "union " << i << " k " << k;
    }
  }
  // Many are: a test of supersets alone would accept [begin, end).
  EXPECT_GE(numExact, 1000);
}

LinearSet interval(int64_t first, int64_t last) {
  LinearSet set;
  set.constraints = {{{1}, -first, false}, {{-1}, last - 1, false}};
  return set;
}

TEST(FoldIntervalsTest, SweepJoinsOverlapsAndKeepsGaps) {
  TileClasses classes;
  classes.numParams = 1;
  classes.some = {interval(20, 30), interval(0, 4), interval(2, 9),
                  interval(25, 28), interval(3, 3), interval(9, 12)};
  auto visited = foldIntervals(classes, 0, 1).evaluate({0}, 0, 29);
  SmallVector<std::pair<int64_t, int64_t>> expected = {
      {0, 4}, {4, 9}, {9, 12}, {20, 29}};
  EXPECT_EQ(visited, expected);
}

} // namespace
