//===- FoldMask.h - Tile classes of a fold, as code ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDMASK_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDMASK_H

#include "RankBinding.h"
#include "TileEmitter.h"
#include "attn/Analysis/FoldIntervals.h"
#include "attn/Analysis/TileClasses.h"

namespace attn {

/// The classes of a fold's tiles, for each presence that a reduction of its
/// step has, and the code that evaluates them: intervals of tile numbers in
/// front of the loop, and the class of one tile inside it.
class FoldMask {
public:
  static FailureOr<FoldMask> create(Program &program, CascadeOp cascade,
                                    const RankBinding &binding,
                                    ArrayRef<Presence> presences);

  /// Values that the classes depend on; evaluated once per item. `em` has the
  /// coordinates of the item; rows are [rowFirst, rowFirst + rowCount).
  LogicalResult prepare(TileEmitter &em, Value rowFirst, Value rowCount);

  /// Disjoint intervals of tiles in [begin, end), ascending.
  void intervals(OpBuilder &b, Location loc, Value begin, Value end,
                 SmallVector<Value> &begins, SmallVector<Value> &ends);
  /// The hull of the intervals; lo >= hi: no tile.
  std::pair<Value, Value> hull(OpBuilder &b, Location loc, Value begin,
                               Value end);
  /// Of an item whose rows are not known to be a run of one segment's, all
  /// tiles: intervals for `isRun`, an i1.
  void widen(OpBuilder &b, Location loc, Value isRun, Value begin, Value end,
             SmallVector<Value> &begins, SmallVector<Value> &ends);
  /// Which tiles of [begin, end) are partial, in front of the loop, as far as
  /// intervals say it exactly. Of an item that is not `isRun` all are.
  void cuts(OpBuilder &b, Location loc, Value begin, Value end,
            Value isRun = {});
  /// visit and partial of tile `k`.
  FailureOr<std::pair<Value, Value>> classify(TileEmitter &em, Value k,
                                              Value rowFirst, Value rowCount);
  /// Whether the classes depend on the coordinate of rank `r`.
  bool dependsOn(int64_t r) const;

private:
  using Bounds = std::pair<Value, Value>; // [first, second)
  struct Class {
    TileClasses classes;
    /// Of `some` and of `holes`; and of `some`, with the tile given, as
    /// intervals of the rows that see it.
    FoldIntervals intervals, holes, rows;
    /// Partial are the tiles from `from` on, those below `to` and those between
    /// bounds; null where there is no such border, or `cuts` has not been
    /// asked.
    Value from, to;
    SmallVector<Bounds, 0> between;
    bool hasCuts = false;
    TileParams params;
    PresenceTerm symbols; // only its symbols are used
    bool alwaysPartial = false;
    SmallVector<PresenceTerm, 0> selections;
    SmallVector<Value> values; // of the parameters; null for the fold's
  };
  Bounds bounds(OpBuilder &b, Location loc, const FoldInterval &part,
                ArrayRef<Value> params, Value begin, Value end);
  SmallVector<Bounds> bounds(OpBuilder &b, Location loc, Value begin,
                             Value end);
  FailureOr<Value> isSelected(TileEmitter &em, const Class &c, Value k,
                              Value rowFirst, Value rowCount);
  Value isCut(OpBuilder &b, Location loc, const Class &c, Value k);

  const RankBinding *binding = nullptr;
  CascadeOp cascade;
  Value isRun;
  std::vector<Class> all;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDMASK_H
