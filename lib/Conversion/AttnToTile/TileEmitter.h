//===- TileEmitter.h - Einsums on tile values ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes einsums of a cascade into a kernel. Every rank that the kernel knows
// has a coordinate: a scalar where it is bound to the work item, a vector along
// the rows or along an axis of the tile. An operand is then a load at affine
// functions of coordinates, a map is elementwise arithmetic on joined axes, a
// reduction is a dot or a multi_reduction over tile axes, and presence is a
// mask that puts the monoid's unit where a point is absent.
//
// Stage kernels use the same class with scalar coordinates only.
//
// Ranks that are bound to segments have two values in a kernel of items. What a
// point is belongs to its row: queries, outputs, symbols and masks are looked
// up at the row's own coordinates, which differ from row to row where several
// requests share an item. What is read along the fold for all rows at once
// (keys and values, and what is computed from them alone) is looked up at the
// coordinates of the segment, one set for the item: that the rows of a segment
// agree on it is what makes it a segment.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_TILEEMITTER_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_TILEEMITTER_H

#include "Program.h"
#include "TileValue.h"
#include "attn/Analysis/Presence.h"

namespace attn {

/// Presence of the values of one cascade, computed once.
class CascadePresence {
public:
  explicit CascadePresence(CascadeOp cascade)
      : results(computePresence(cascade)) {}
  /// Of a value, after its reductions.
  ArrayRef<PresenceTerm> getResult(Value v) const {
    auto it = results.find(v);
    return it == results.end() ? ArrayRef<PresenceTerm>() : it->second;
  }
  /// Of the points that an einsum maps.
  static Presence getPoints(EinsumOp e) { return pointPresence(e); }

private:
  DenseMap<Value, Presence> results;
};

/// What a load is for: data that may belong to the segment, or a question about
/// the points of rows.
enum class Side { data, rows };

class TileEmitter {
public:
  TileEmitter(Program &program, Kernel &kernel, CascadeOp cascade, OpBuilder &b)
      : program(program), kernel(kernel), cascade(cascade),
        t(b, cascade.getLoc(), sizes), b(b), coords(cascade.getNumRanks()) {}

  Program &program;
  Kernel &kernel;
  CascadeOp cascade;
  DenseMap<int64_t, int64_t> sizes; // axis -> size
  TileBuilder t;
  OpBuilder &b;
  /// Coordinate of each rank; null where the kernel has none (reduced ranks of
  /// the tile get theirs through addAxis).
  SmallVector<TileValue> coords;
  /// Values computed in this kernel.
  DenseMap<Value, TileValue> env;
  /// The segment's own values of ranks; empty: those of `coords`.
  SmallVector<std::pair<int64_t, TileValue>, 2> segmentCoords;
  /// Ranks that vary along the rows, and those that the fold streams over.
  llvm::SmallBitVector rowRanks, foldRanks;
  /// In front of the fold: parts of masks that do not move with it go there.
  /// Unset: where they are used.
  OpBuilder::InsertPoint outside;
  /// Loads that dominate the insertion point; save and restore around regions.
  /// The number is 1 for what belongs to the segment.
  using Loads = DenseMap<std::tuple<Value, AffineMap, unsigned>, TileValue>;
  Loads loads;
  /// i1: the tile has absent points. Null: evaluate masks always.
  Value partial;

  /// Makes `rank` an axis of the tile with coordinates 0 .. size - 1.
  void addAxis(int64_t rank, int64_t size);

  /// The result of `e` on the axes of its result map, absent points reduced to
  /// the unit. `presence` is that of its points.
  FailureOr<TileValue> einsum(EinsumOp e, ArrayRef<PresenceTerm> presence);
  /// The map part of `e` at the current coordinates.
  FailureOr<TileValue> mapPart(EinsumOp e);
  FailureOr<TileValue> load(Value source, AffineMap map,
                            Side side = Side::data);
  /// Where all terms hold; null if that is everywhere. `within`: axes of what
  /// it masks; sets are spread over rows where they are evaluated, so that full
  /// tiles know of no flags.
  FailureOr<TileValue> mask(ArrayRef<PresenceTerm> terms,
                            ArrayRef<int64_t> within = {});
  /// The symbols of a term at the current coordinates.
  FailureOr<SmallVector<TileValue>> symbols(const PresenceTerm &term);
  /// Stores `v` at the coordinates of `ranks` (one per axis of the memory).
  LogicalResult store(TileValue v, Value memory, AffineMap map,
                      Value liveCount);
  LogicalResult storeView(TileValue v, Value view, AffineMap map,
                          Value liveCount);
  /// A tile.view for an attn address op (view or place) in this kernel.
  FailureOr<Value> getView(Operation *address);

private:
  LogicalResult unsupported(Operation *op, const Twine &why);
  FailureOr<TileValue> dot(EinsumOp e, ArrayRef<TileValue> factors,
                           int64_t reduced, TileValue mask);
  /// What the region of `e` yields; with `factors`, what it multiplies to get
  /// that instead, and no value.
  /// What `e` reads, on the tile.
  FailureOr<SmallVector<TileValue>> loadInputs(EinsumOp e);
  FailureOr<TileValue> mapInputs(EinsumOp e, ArrayRef<TileValue> operands);
  FailureOr<TileValue> region(EinsumOp e, ArrayRef<TileValue> operands,
                              SmallVectorImpl<TileValue> *factors = nullptr);
  FailureOr<TileValue> product(EinsumOp e, ArrayRef<TileValue> operands);
  TileValue extend(TileValue v, Type element);
  FailureOr<TileValue> setMask(ArrayRef<PresenceTerm> terms);
  bool isOfSegment(const llvm::SmallBitVector &ranks) const;
  SmallVector<TileValue> coordsOf(bool segment) const;
  /// Why no block of tile.load or tile.store lies at `map`; "" if one does, and
  /// where.
  StringRef accessIndices(Value memory, AffineMap map, ArrayRef<TileValue> at,
                          bool checkBounds, SmallVector<TileValue> &indices,
                          SmallVector<int64_t, 3> &axes, int64_t &liveAxis,
                          Value &liveEnd);
  /// The elements of a memref at `indices`, point by point. Indices of points
  /// that nobody asks for (rows and columns past the last) are moved inside.
  TileValue gather(Value memory, ArrayRef<TileValue> indices, Type element);

  DenseMap<Operation *, Value> views;
  /// Symbols as integers, in front of the fold.
  DenseMap<Value, TileValue> integers;
  /// The einsum that is written is data of the segment.
  bool ofSegment = false;
};

/// For each index of an access the position of its axis in `axes`; -1: scalar.
SmallVector<int64_t> axisNumbers(ArrayRef<TileValue> indices,
                                 ArrayRef<int64_t> axes);

/// The unit of a monoid in an element type.
TypedAttr getUnit(Monoid monoid, Type element);
/// The arith op that combines two values of a monoid.
StringRef getCombineOp(Monoid monoid, Type element);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_TILEEMITTER_H
