//===- SetMask.h - Affine sets as a mask of a tile --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A constraint in which a coordinate of the tile has coefficient 1 or -1 bounds
// that coordinate by the rest, which has one axis less. Of several bounds of a
// coordinate only the tightest is compared, and a condition on rows makes the
// bound of a row one that nothing meets: so a causal mask with a length and
// absent rows is one comparison for each element, and a window two.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H

#include "TileValue.h"

namespace attn {

/// The points of a tile that lie in each of some unions of sets.
class SetMask {
public:
  /// `dims`: the value of each rank; those that sets name must have one.
  SetMask(TileBuilder &t, ArrayRef<TileValue> dims) : t(t), dims(dims) {}

  /// Failure: a set names a rank without a value.
  LogicalResult add(ArrayRef<IntegerSet> sets, ArrayRef<TileValue> symbols);

  /// A mask on as few axes as it depends on. Null: nothing was added.
  TileValue emit();

private:
  struct Term {
    int64_t factor = 0;
    TileValue value;

    bool operator==(const Term &other) const {
      return factor == other.factor && value.value == other.value.value;
    }
  };
  /// The sum of its terms and a constant is 0, or not negative.
  struct Constraint {
    SmallVector<Term> terms;
    int64_t constant = 0;
    bool isEq = false;
  };
  using Conjunction = SmallVector<Constraint>;
  /// What a coordinate is not below, and not above.
  struct Bounds {
    TileValue coordinate;
    Term base;
    SmallVector<TileValue> lower, upper;
  };

  /// A coordinate against the tightest of its bounds on one side.
  struct Comparison {
    TileValue coordinate;
    /// What it counts from, in the way of the bound; null: 0.
    Term base;
    TileValue bound;
    bool isUpper;
  };
  /// What holds where all of a conjunction does.
  struct Reduced {
    SmallVector<Comparison> comparisons;
    SmallVector<TileValue> conditions;
  };

  bool collect(AffineExpr e, int64_t factor, ArrayRef<TileValue> symbols,
               Constraint &into);
  TileValue total(const Constraint &sum, int64_t factor,
                  ArrayRef<const Term *> without);
  const Term *findCoordinate(const Constraint &c);
  static const Term *findBase(const Constraint &c, const Term &coordinate);
  TileValue tightest(StringRef op, SmallVector<TileValue> bounds);
  Reduced reduce(ArrayRef<Constraint> all);
  TileValue boundWhere(TileValue condition, const Comparison &c);
  static bool isOfTile(const Comparison &c);
  TileValue compare(const Comparison &c);
  static bool isOne(const Reduced &all);
  Comparison asOne(const Reduced &all);
  TileValue emitAll(Reduced all);
  TileValue emitAny(ArrayRef<Conjunction> any);

  TileBuilder &t;
  ArrayRef<TileValue> dims;
  /// Coordinates of the tile by those that count from elsewhere.
  DenseMap<Operation *, Value> fromZero;
  /// All of these hold, each as a union.
  SmallVector<SmallVector<Conjunction>> unions;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_SETMASK_H
