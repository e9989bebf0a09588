//===- TileClassesTest.cpp - Tile classes against brute force -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileClasses.h"
#include "attn/Analysis/FoldIntervals.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <random>

using namespace attn;

namespace {

bool holds(IntegerSet set, ArrayRef<int64_t> values) {
  SmallVector<AffineExpr> dims, symbols;
  MLIRContext *context = set.getContext();
  for (unsigned i = 0; i < set.getNumInputs(); ++i) {
    auto constant = getAffineConstantExpr(values[i], context);
    (i < set.getNumDims() ? dims : symbols).push_back(constant);
  }
  for (unsigned c = 0; c < set.getNumConstraints(); ++c) {
    auto folded = set.getConstraint(c).replaceDimsAndSymbols(dims, symbols);
    int64_t value = cast<AffineConstantExpr>(folded).getValue();
    if (set.isEq(c) ? value != 0 : value < 0) {
      return false;
    }
  }
  return true;
}

bool holds(ArrayRef<IntegerSet> mask, ArrayRef<int64_t> values) {
  return mask.empty() ||
         llvm::any_of(mask, [&](IntegerSet set) { return holds(set, values); });
}

/// Mask over (p, m)[s, t]; tile of `rows` x `cols` at (p0, m0).
TileClass bruteForce(ArrayRef<IntegerSet> mask, int64_t p0, int64_t rows,
                     int64_t m0, int64_t cols, int64_t s, int64_t t) {
  bool any = false, all = true;
  for (int64_t p = p0; p < p0 + rows; ++p) {
    for (int64_t m = m0; m < m0 + cols; ++m) {
      bool in = holds(mask, {p, m, s, t});
      any |= in;
      all &= in;
    }
  }
  return !any ? TileClass::Empty : all ? TileClass::Full : TileClass::Partial;
}

class TileClassesTest : public testing::Test {
protected:
  IntegerSet parse(StringRef text) {
    return mlir::parseIntegerSet(text, &context);
  }
  SmallVector<IntegerSet> parseAll(ArrayRef<StringRef> texts) {
    return llvm::map_to_vector(texts, [&](StringRef t) { return parse(t); });
  }
  MLIRContext context;
};

/// Random constraints over (p, m)[s, t] with floordiv and mod.
class MaskGenerator {
public:
  MaskGenerator(MLIRContext *context, unsigned seed)
      : context(context), random(seed) {}

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  SmallVector<IntegerSet> mask() {
    SmallVector<IntegerSet> sets;
    int64_t numDisjuncts = pick(1, 3);
    for (int64_t d = 0; d < numDisjuncts; ++d) {
      SmallVector<AffineExpr> exprs;
      SmallVector<bool> isEq;
      int64_t numConstraints = pick(1, 3);
      for (int64_t c = 0; c < numConstraints; ++c) {
        exprs.push_back(constraint());
        isEq.push_back(pick(0, 9) == 0);
      }
      sets.push_back(IntegerSet::get(2, 2, exprs, isEq));
    }
    return sets;
  }

private:
  AffineExpr linear(int64_t range) {
    AffineExpr expr = getAffineConstantExpr(pick(-9, 9), context);
    AffineExpr atoms[] = {
        getAffineDimExpr(0, context), getAffineDimExpr(1, context),
        getAffineSymbolExpr(0, context), getAffineSymbolExpr(1, context)};
    for (AffineExpr atom : atoms) {
      if (pick(0, 2) != 0) {
        expr = expr + atom * pick(-range, range);
      }
    }
    return expr;
  }

  AffineExpr constraint() {
    AffineExpr expr = linear(pick(0, 3) == 0 ? 3 : 1);
    AffineExpr dim = getAffineDimExpr(pick(0, 1), context);
    switch (pick(0, 5)) {
    case 0:
      return expr + (dim + pick(-3, 3)).floorDiv(pick(2, 6)) * pick(-3, 3);
    case 1:
      return expr + (linear(1) % pick(2, 6)) * pick(-2, 2);
    default:
      return expr;
    }
  }

  MLIRContext *context;
  std::mt19937 random;
};

std::string describe(ArrayRef<IntegerSet> mask) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (IntegerSet set : mask) {
    set.print(stream);
    stream << "\n";
  }
  return text;
}

/// Classes and intervals of one mask at random places equal brute force.
void checkMask(MaskGenerator &generator, ArrayRef<IntegerSet> mask,
               bool dynamicRows, int &numInexact) {
  int64_t rows = generator.pick(1, 6), cols = generator.pick(1, 7);
  TileAxis rowAxis, colAxis;
  rowAxis.dim = 0;
  rowAxis.size = rows;
  rowAxis.dynamicSize = dynamicRows;
  colAxis.dim = 1;
  colAxis.size = cols;
  FailureOr<TileClasses> classes =
      classifyTiles(mask, 2, 2, {rowAxis, colAxis});
  ASSERT_TRUE(succeeded(classes));
  TileParams numbers = getTileParams(2, 2, {rowAxis, colAxis});
  ASSERT_EQ(numbers.numParams, classes->numParams);
  unsigned fold = numbers.loParam[1];
  int64_t step = generator.pick(0, 1) ? cols : generator.pick(1, 9);
  numInexact += !classes->exact;
  FoldIntervals intervals = foldIntervals(*classes, fold, step);
  for (int trial = 0; trial < 3; ++trial) {
    SmallVector<int64_t> params(numbers.numParams, 0);
    int64_t p0 = generator.pick(-20, 20);
    int64_t s = generator.pick(-15, 15), t = generator.pick(-15, 15);
    if (dynamicRows) {
      rows = params[numbers.sizeParam[0]] = generator.pick(1, 6);
    }
    params[numbers.loParam[0]] = p0;
    params[numbers.symbolParam[0]] = s;
    params[numbers.symbolParam[1]] = t;
    int64_t begin = generator.pick(-8, 0), end = generator.pick(0, 8);
    // Disjoint and ascending.
    auto visited = intervals.evaluate(params, begin, end);
    int64_t reached = begin;
    for (auto [first, last] : visited) {
      ASSERT_LE(reached, first);
      ASSERT_LT(first, last);
      ASSERT_LE(last, end);
      reached = last;
    }
    for (int64_t k = begin; k < end; ++k) {
      params[fold] = k * step;
      TileClass expected = bruteForce(mask, p0, rows, k * step, cols, s, t);
      TileClass got = classes->classify(params);
      if (!classes->exact) {
        ASSERT_TRUE(got == expected || got == TileClass::Partial);
      } else {
        ASSERT_EQ(got, expected)
            << describe(mask) << "p0 " << p0 << " rows " << rows << " m0 "
            << k * step << " cols " << cols << " s " << s << " t " << t;
      }
      bool inside = llvm::any_of(visited, [&](auto interval) {
        return interval.first <= k && k < interval.second;
      });
      if (intervals.exact) {
        ASSERT_EQ(inside, got != TileClass::Empty)
            << describe(mask) << "p0 " << p0 << " k " << k << " step " << step
            << " cols " << cols << " s " << s << " t " << t;
      } else {
        ASSERT_TRUE(inside || got == TileClass::Empty)
            << describe(mask) << "p0 " << p0 << " k " << k << " step " << step;
      }
    }
  }
}

TEST_F(TileClassesTest, RandomMasksEqualBruteForce) {
  MaskGenerator generator(&context, 7);
  int numInexact = 0;
  for (int i = 0; i < 400; ++i) {
    checkMask(generator, generator.mask(), /*dynamicRows=*/i % 3 == 0,
              numInexact);
    if (HasFatalFailure()) {
      return;
    }
  }
  // Masks of three disjuncts with several divisions may be given up on.
  EXPECT_LE(numInexact, 40);
}

TileAxis axis(unsigned dim, int64_t size) {
  TileAxis result;
  result.dim = dim;
  result.size = size;
  return result;
}

/// Empty, partial and full tiles of a static mask over (p, m).
SmallVector<int> countTiles(ArrayRef<IntegerSet> mask, int64_t extent,
                            int64_t rows, int64_t cols) {
  auto classes = classifyTiles(mask, 2, 0, {axis(0, rows), axis(1, cols)});
  EXPECT_TRUE(succeeded(classes) && classes->exact);
  SmallVector<int> counts(3, 0);
  for (int64_t p = 0; p < extent; p += rows) {
    for (int64_t m = 0; m < extent; m += cols) {
      ++counts[int(classes->classify({p, m}))];
    }
  }
  return counts;
}

TEST_F(TileClassesTest, CountsOfWindowAndCausal) {
  auto window = parseAll({"(p, m) : (p - m >= 0, m - p + 1023 >= 0)",
                          "(p, m) : (p - m >= 0, 3 - m >= 0)"});
  EXPECT_EQ(countTiles(window, 4096, 128, 128),
            SmallVector<int>({749, 79, 196}));
  auto causal = parseAll({"(p, m) : (p - m >= 0)"});
  EXPECT_EQ(countTiles(causal, 4096, 128, 128),
            SmallVector<int>({496, 32, 496}));
  EXPECT_EQ(countTiles({}, 256, 128, 128), SmallVector<int>({0, 0, 4}));
}

TEST_F(TileClassesTest, SetsOfCausalWithLengthAreSmall) {
  auto mask =
      parseAll({"(p, m)[off, len] : (p + off - m >= 0, len - 1 - m >= 0)"});
  auto classes = classifyTiles(mask, 2, 2, {axis(0, 128), axis(1, 64)});
  ASSERT_TRUE(succeeded(classes));
  ASSERT_EQ(classes->some.size(), 1u);
  EXPECT_EQ(classes->holes.size(), 2u);
  std::string text;
  llvm::raw_string_ostream stream(text);
  printLinearSet(classes->some[0], {"p", "m", "off", "len"}, stream);
  EXPECT_EQ(text, "-m + len - 1 >= 0 and p - m + off + 127 >= 0");
}

// After a partition the mask holds m1 * 64 + m0: the tile's axis is m0 from 0,
// and the fold parameter is the rank m1.
TEST_F(TileClassesTest, PartitionedRankIsSolvedForTheOuterOne) {
  auto mask = parseAll(
      {"(p, m1, m0)[len, w] : (m1 * 64 + m0 - p + w - 1 >= 0, p - m1 * 64 - m0 "
       ">= 0)",
       "(p, m1, m0)[len, w] : (3 - m1 * 64 - m0 >= 0, p - m1 * 64 - m0 >= 0)"});
  TileAxis rows = axis(0, 1), cols = axis(2, 64);
  rows.dynamicSize = true;
  cols.lo = 0;
  auto classes = classifyTiles(mask, 3, 2, {rows, cols});
  ASSERT_TRUE(succeeded(classes) && classes->exact);
  TileParams numbers = getTileParams(3, 2, {rows, cols});
  EXPECT_EQ(numbers.loParam[1], -1);
  ASSERT_EQ(numbers.numParams, 5u); // lo(p), size(p), m1, len, w
  FoldIntervals intervals = foldIntervals(*classes, numbers.dimParam[1], 1);
  EXPECT_TRUE(intervals.exact);
  using Visited = SmallVector<std::pair<int64_t, int64_t>>;
  // Rows 1000..1099, window 128: keys 873..1099 and 0..3.
  EXPECT_EQ(intervals.evaluate({1000, 100, 0, 0, 128}, 0, 32),
            Visited({{0, 1}, {13, 18}}));
  // Where window and sinks meet, their intervals overlap and become one.
  EXPECT_EQ(intervals.evaluate({100, 100, 0, 0, 128}, 0, 32),
            Visited({{0, 4}}));
  // A split of the fold cuts the intervals.
  EXPECT_EQ(intervals.evaluate({1000, 100, 0, 0, 128}, 15, 17),
            Visited({{15, 17}}));
  EXPECT_EQ(intervals.evaluate({1000, 100, 0, 0, 128}, 20, 32), Visited());
}

TEST_F(TileClassesTest, StridesAreSupersetsThatTheSetsDecide) {
  auto mask = parseAll({"(p, m) : ((m + p) mod 192 - 191 >= 0)"});
  auto classes = classifyTiles(mask, 2, 0, {axis(0, 1), axis(1, 64)});
  ASSERT_TRUE(succeeded(classes) && classes->exact);
  FoldIntervals intervals = foldIntervals(*classes, 1, 64);
  EXPECT_FALSE(intervals.exact);
  auto visited = intervals.evaluate({0, 0}, 0, 9);
  ASSERT_EQ(visited.size(), 1u);
  EXPECT_EQ(visited[0].first, 0);
  EXPECT_EQ(visited[0].second, 9);
  for (int64_t k = 0; k < 9; ++k) {
    EXPECT_EQ(classes->classify({0, k * 64}) != TileClass::Empty, k % 3 == 2);
  }
}

TEST_F(TileClassesTest, ConjunctionOfUnions) {
  SmallVector<SmallVector<IntegerSet>> terms = {
      parseAll({"(p, m) : (p - m >= 0)"}),
      parseAll({"(p, m) : (99 - m >= 0)", "(p, m) : (m - 200 >= 0)"}),
      {}};
  auto classes = classifyConjunction(terms, 2, 0, {axis(0, 10), axis(1, 10)});
  ASSERT_TRUE(succeeded(classes));
  EXPECT_EQ(classes->classify({300, 90}), TileClass::Full);
  EXPECT_EQ(classes->classify({300, 95}), TileClass::Partial);
  EXPECT_EQ(classes->classify({300, 100}), TileClass::Empty);
  EXPECT_EQ(classes->classify({300, 200}), TileClass::Full);
  EXPECT_EQ(classes->classify({205, 200}), TileClass::Partial);
  EXPECT_EQ(classes->classify({50, 90}), TileClass::Empty);
}

TEST_F(TileClassesTest, SignsAreAssumedOnlyOnRequest) {
  auto mask = parseAll({"(m)[s] : (s + 1 >= 0)"});
  auto plain = classifyTiles(mask, 1, 1, {axis(0, 4)});
  ASSERT_TRUE(succeeded(plain));
  EXPECT_EQ(plain->classify({0, -2}), TileClass::Empty);
  EXPECT_EQ(plain->classify({0, -1}), TileClass::Full);
  TileClassOptions options;
  options.nonNegative = {1};
  auto assumed = classifyTiles(mask, 1, 1, {axis(0, 4)}, options);
  ASSERT_TRUE(succeeded(assumed));
  EXPECT_TRUE(assumed->holes.empty());
  ASSERT_EQ(assumed->some.size(), 1u);
  EXPECT_TRUE(assumed->some[0].constraints.empty());
}

TEST_F(TileClassesTest, TooManyDisjunctsBecomePartial) {
  auto mask = parseAll({"(p, m) : (p - m >= 0, p + m - 9 >= 0)",
                        "(p, m) : (m - p - 5 >= 0, m - 3 >= 0)"});
  TileClassOptions options;
  options.maxDisjuncts = 1;
  auto classes = classifyTiles(mask, 2, 0, {axis(0, 4), axis(1, 4)}, options);
  ASSERT_TRUE(succeeded(classes));
  EXPECT_FALSE(classes->exact);
  EXPECT_EQ(classes->classify({1000, 0}), TileClass::Partial);
  FoldIntervals intervals = foldIntervals(*classes, 1, 4);
  ASSERT_EQ(intervals.evaluate({1000, 0}, 2, 7).size(), 1u);
  EXPECT_EQ(intervals.evaluate({1000, 0}, 2, 7)[0],
            std::make_pair(int64_t(2), int64_t(7)));
}

TEST_F(TileClassesTest, BadInputFails) {
  auto mask = parseAll({"(p, m) : (p - m >= 0)"});
  EXPECT_TRUE(failed(classifyTiles(mask, 3, 0, {axis(0, 4)})));
  EXPECT_TRUE(failed(classifyTiles(mask, 2, 1, {axis(0, 4)})));
  EXPECT_TRUE(failed(classifyTiles(mask, 2, 0, {axis(2, 4)})));
  EXPECT_TRUE(failed(classifyTiles(mask, 2, 0, {axis(0, 0)})));
  EXPECT_TRUE(failed(classifyTiles(mask, 2, 0, {axis(0, 4), axis(0, 4)})));
  AffineExpr p = getAffineDimExpr(0, &context),
             m = getAffineDimExpr(1, &context);
  SmallVector<IntegerSet> product = {IntegerSet::get(2, 0, {p * m}, {false})};
  EXPECT_TRUE(failed(classifyTiles(product, 2, 0, {axis(0, 4)})));
  SmallVector<IntegerSet> byVariable = {
      IntegerSet::get(2, 0, {p.floorDiv(m)}, {false})};
  EXPECT_TRUE(failed(classifyTiles(byVariable, 2, 0, {axis(0, 4)})));
}

} // namespace
