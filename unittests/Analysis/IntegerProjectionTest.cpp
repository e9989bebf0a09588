//===- IntegerProjectionTest.cpp - Projection against brute force ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/IntegerProjection.h"

#include "gtest/gtest.h"
#include <random>

using namespace attn;
using namespace mlir::presburger;
using llvm::DynamicAPInt;

namespace {

constexpr int64_t reach = 6;

/// Two parameters, then two locals in [-reach, reach].
IntegerPolyhedron makeBox() {
  IntegerPolyhedron poly(PresburgerSpace::getSetSpace(2, 0, 2));
  for (unsigned local : {2, 3}) {
    poly.addBound(BoundType::LB, local, -reach);
    poly.addBound(BoundType::UB, local, reach);
  }
  return poly;
}

bool contains(const ProjectedPiece &piece, int64_t x, int64_t y) {
  SmallVector<DynamicAPInt> values = {DynamicAPInt(x), DynamicAPInt(y)};
  for (const ProjectedPiece::Division &division : piece.divisions) {
    DynamicAPInt sum = division.dividend.back();
    for (unsigned i = 0; i < values.size(); ++i) {
      sum += division.dividend[i] * values[i];
    }
    values.push_back(floorDiv(sum, division.divisor));
  }
  return piece.poly.containsPoint(values);
}

bool hasPointAbove(const IntegerPolyhedron &poly, int64_t x, int64_t y) {
  for (int64_t s = -reach; s <= reach; ++s) {
    for (int64_t t = -reach; t <= reach; ++t) {
      if (poly.containsPoint(ArrayRef<int64_t>{x, y, s, t})) {
        return true;
      }
    }
  }
  return false;
}

void expectProjection(const IntegerPolyhedron &poly,
                      ArrayRef<ProjectedPiece> pieces, bool exact) {
  for (int64_t x = -8; x <= 8; ++x) {
    for (int64_t y = -8; y <= 8; ++y) {
      bool above = hasPointAbove(poly, x, y);
      bool inside = llvm::any_of(
          pieces, [&](auto &piece) { return contains(piece, x, y); });
      ASSERT_TRUE(exact ? above == inside : inside || !above)
          << "at " << x << ", " << y;
    }
  }
}

TEST(IntegerProjectionTest, CoupledCoefficientsEqualBruteForce) {
  std::mt19937 random(5);
  auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  int numExact = 0;
  for (int i = 0; i < 150; ++i) {
    IntegerPolyhedron poly = makeBox();
    for (int64_t c = pick(2, 4); c > 0; --c) {
      SmallVector<int64_t> row = {pick(-2, 2), pick(-2, 2), pick(-5, 5),
                                  pick(-5, 5), pick(-6, 6)};
      if (pick(0, 5) == 0) {
        poly.addEquality(row);
      } else {
        poly.addInequality(row);
      }
    }
    std::vector<ProjectedPiece> pieces;
    bool exact = projectLocals(poly, /*maxPieces=*/200, pieces);
    numExact += exact;
    expectProjection(poly, pieces, exact);
    if (HasFatalFailure()) {
      return;
    }
  }
  EXPECT_GE(numExact, 120);
}

// Both locals have coefficients above one in each bound. A limit of one piece
// gives the real shadow, a superset, and the result says so.
TEST(IntegerProjectionTest, RealShadowOnlyBeyondTheLimit) {
  IntegerPolyhedron poly = makeBox();
  poly.addInequality(ArrayRef<int64_t>{-1, 0, 5, 3, 0});
  poly.addInequality(ArrayRef<int64_t>{1, 0, -5, -3, 0});
  poly.addInequality(ArrayRef<int64_t>{0, 1, 4, -7, 1});
  poly.addInequality(ArrayRef<int64_t>{0, -1, -4, 7, 1});
  std::vector<ProjectedPiece> pieces;
  EXPECT_TRUE(projectLocals(poly, /*maxPieces=*/500, pieces));
  expectProjection(poly, pieces, /*exact=*/true);
  pieces.clear();
  IntegerPolyhedron wide = makeBox();
  wide.addInequality(ArrayRef<int64_t>{-1, 0, 5, 3, 1});
  wide.addInequality(ArrayRef<int64_t>{1, 0, -5, -3, 1});
  wide.addInequality(ArrayRef<int64_t>{0, 1, 4, -7, 1});
  wide.addInequality(ArrayRef<int64_t>{0, -1, -4, 7, 1});
  EXPECT_FALSE(projectLocals(wide, /*maxPieces=*/1, pieces));
  expectProjection(wide, pieces, /*exact=*/false);
}

} // namespace
