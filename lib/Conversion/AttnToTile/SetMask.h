//===- SetMask.h - Affine sets as a mask of a tile --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A constraint in which a coordinate of the tile has coefficient 1 or -1 bounds
// that coordinate by the rest, which has one axis less. Of several bounds of a
// coordinate only the tightest is compared, a condition on rows makes the bound
// of a row one that nothing meets, and a condition on columns makes a column
// one that meets no bound: so a causal mask with a length, absent rows and a
// first column is one comparison for each element, and a window two. Of sets in
// a union that differ in one bound only the loosest of it is: a prefix that all
// rows see beside a causal mask is one comparison as well.
//
// In a loop over tiles, the part of a bound that does not move with the tile is
// computed in front of the loop: one number for each row, whatever it is made
// of.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H

#include "TileValue.h"

#include <vector>

namespace attn {

/// The points of a tile that lie in each of some unions of sets.
class SetMask {
public:
  /// `dims`: the value of each rank; those that sets name must have one.
  /// `outside`: the place in front of the loop, if there is one; values of its
  /// block are known there.
  SetMask(TileBuilder &t, ArrayRef<TileValue> dims,
          OpBuilder::InsertPoint outside = {})
      : t(t), dims(dims), outside(outside) {}

  /// Failure: a set names a rank without a value.
  LogicalResult add(ArrayRef<IntegerSet> sets, ArrayRef<TileValue> symbols);

  /// A mask on as few axes as it depends on. Null: nothing was added.
  TileValue emit();

private:
  struct Term {
    int64_t factor;
    TileValue value;
    bool operator==(const Term &other) const {
      return factor == other.factor && value.value == other.value.value;
    }
  };
  /// The sum of its terms and a constant is 0, or not negative; or that is so
  /// for one of `others`, which bound the same coordinate from the same side.
  struct Constraint {
    SmallVector<Term> terms;
    int64_t constant = 0;
    bool isEq = false;
    std::vector<Constraint> others;
    bool operator==(const Constraint &other) const {
      return terms == other.terms && constant == other.constant &&
             isEq == other.isEq && others == other.others;
    }
  };
  using Conjunction = SmallVector<Constraint>;
  /// Bounds that move alike from tile to tile: the tightest of `fixed`, and
  /// `moving`.
  struct Bound {
    SmallVector<Term> moving;
    SmallVector<TileValue> fixed;
  };
  /// All that bounds a coordinate from one side.
  struct Comparison {
    TileValue coordinate;
    bool isLower;
    SmallVector<Bound> bounds;
    /// A bound that no coordinate of a tile meets.
    int32_t never() const;
  };

  bool collect(AffineExpr e, int64_t factor, ArrayRef<TileValue> symbols,
               Constraint &into);
  bool isOutside(TileValue value) const;
  bool isOutside(AffineExpr e, ArrayRef<TileValue> symbols) const;
  TileValue total(ArrayRef<Term> terms, int64_t constant);
  bool isCoordinate(const Term &term) const;
  bool isBehindTile(ArrayRef<Term> moving) const;
  TileValue wideTotal(ArrayRef<Term> terms, int64_t constant, int64_t least,
                      int64_t most);
  TileValue sumOfPoints(ArrayRef<Term> terms, int64_t constant);
  TileValue boundOf(ArrayRef<Term> fixed, ArrayRef<Term> moving,
                    int64_t constant);
  const Term *findCoordinate(const Constraint &c);
  void split(const Constraint &c, const Term &coordinate,
             SmallVector<Term> &fixed, SmallVector<Term> &moving);
  bool unite(Conjunction &x, const Conjunction &y);
  void addBound(const Constraint &c, const Term &coordinate,
                SmallVectorImpl<Comparison> &comparisons);
  bool restrictRows(Comparison &comparison, TileValue condition);
  TileValue tightest(bool isLower, SmallVector<TileValue> bounds);
  TileValue emit(const Comparison &comparison);
  TileValue emitAll(ArrayRef<Constraint> all);
  TileValue emitAny(ArrayRef<Conjunction> any);

  TileBuilder &t;
  ArrayRef<TileValue> dims;
  OpBuilder::InsertPoint outside;
  /// Coordinates of the tile by those that count from elsewhere.
  DenseMap<Operation *, Value> fromZero;
  /// All of these hold, each as a union.
  SmallVector<SmallVector<Conjunction>> unions;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H
