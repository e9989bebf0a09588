//===- FoldIntervals.h - Tiles that a fold visits ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tiles that hold a point, as intervals of the fold's coordinate k: with
// all other parameters given, each member of `some` with its fold parameter set
// to step * k becomes one interval, from the largest of its lower bounds to the
// smallest of its upper bounds. Divisions that hold k are solved for k where
// that is exact:
//
//   floor((a k + f) / d) = (a / d) k + floor(f / d)           if d divides a
//   c floor((a k + f) / d) + g >= 0   iff   a k + f + d floor(g / c) >= 0, c >
//   0
//
// What stays (a division of k beside k, or two of them) is bounded on both
// sides, the interval is then a superset, and `exact` is false.
//
// Intervals of different members may overlap. The disjoint ones are made by a
// sweep that needs no sorting (the rule for interpreters and generated code):
//
//   end = begin of the range
//   repeat once per part:
//     start = min over parts with max(lower, end) < upper of max(lower, end)
//     if there is none: stop
//     end   = max over parts with lower <= start < upper of upper
//     visit [start, end)
//
// Each round takes one part or more whole, namely those it takes the largest
// upper from, so that one round per part is enough; every visited k lies in a
// part that holds [start, upper); and start >= the previous end.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_FOLDINTERVALS_H
#define ATTN_ANALYSIS_FOLDINTERVALS_H

#include "attn/Analysis/TileClasses.h"

namespace attn {

/// One interval of k. Variables: the parameters, then `divisions`; nothing here
/// reads the fold parameter (its coefficients are 0).
struct FoldInterval {
  /// (sum of coeffs * variable + constant) / divisor, divisor >= 1.
  using Bound = LinearSet::Division;
  SmallVector<LinearSet::Division> divisions;
  /// The interval is empty unless all of these hold.
  SmallVector<LinearSet::Constraint> conditions;
  /// k >= ceil of each.
  SmallVector<Bound> lower;
  /// k <= floor of each.
  SmallVector<Bound> upper;
};

struct FoldIntervals {
  unsigned numParams = 0;
  unsigned foldParam = 0;
  int64_t step = 1;
  SmallVector<FoldInterval, 0> parts;
  /// True: the intervals hold exactly the k whose tile is in `some`. False:
  /// they hold those and more, and each k must be looked up in `some`.
  bool exact = true;

  /// The disjoint intervals [start, end) in [begin, end), ascending, by the
  /// sweep above. The value of the fold parameter in `params` is not read.
  SmallVector<std::pair<int64_t, int64_t>>
  evaluate(ArrayRef<int64_t> params, int64_t begin, int64_t end) const;
};

/// The visited values k of parameter `foldParam` = step * k, step >= 1.
FoldIntervals foldIntervals(const TileClasses &classes, unsigned foldParam,
                            int64_t step);

} // namespace attn

#endif // ATTN_ANALYSIS_FOLDINTERVALS_H
