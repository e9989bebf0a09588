//===- TileGrid.h - The tiles of a reduction --------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which ranks make the two axes of the tiles that a reduction works through:
// columns are the points that are reduced together, rows are what they are
// reduced for.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_TILEGRID_H
#define ATTN_ANALYSIS_TILEGRID_H

#include "attn/Analysis/Presence.h"
#include "attn/Analysis/TileClasses.h"

namespace attn {

/// The extent of a rank where a type or a constant gives it; else
/// ShapedType::kDynamic.
int64_t getStaticExtent(CascadeOp cascade, int64_t rank);

/// One reduction whose points the affine sets of a mask decide.
struct TileGrid {
  CascadeOp cascade;
  /// The fold, or the first einsum that reduces these points.
  Operation *op = nullptr;
  /// The rank that steps from tile to tile: that of the fold, or the first
  /// reduced rank that the mask names.
  int64_t colRank = -1;
  /// Ranks that are iterated inside a tile (`m0`), whole. Without any the tile
  /// is a run of `colRank` itself.
  SmallVector<int64_t> innerRanks;
  /// The rank of the rows, or -1 if the mask names none.
  int64_t rowRank = -1;
  /// Presence of the points, and its sets.
  Presence presence;
  PresenceSets sets;
};

/// The grids of a cascade, one per mask: einsums that reduce the same ranks
/// over the same points share one. With a fold only its step is looked at.
SmallVector<TileGrid, 0> findTileGrids(CascadeOp cascade);

/// The grid of the first reduction over `colRank` that no fold holds, with rows
/// along `rowRank`, whether its mask names them or not. Symbols that vary along
/// the rows are left out with their constraints, as a work item's are. None if
/// nothing reduces `colRank`, or other ranks with it.
std::optional<TileGrid> findTileGrid(CascadeOp cascade, int64_t rowRank,
                                     int64_t colRank);

/// Classes of a grid's tiles. Rows are a run of `rows`, or of a dynamic size if
/// `rows` is 0; columns the inner ranks, or a run of `cols` (0: dynamic). The
/// starts of runs and the other ranks are taken as non-negative. Fails where
/// classifyConjunction does.
struct GridClasses {
  TileClasses classes;
  TileParams params;
  /// The parameter that steps from tile to tile, and its name and those of the
  /// others, as a report prints them.
  unsigned colParam = 0;
  SmallVector<std::string> names;
  /// Parameters of the rows: the first row, the number of rows; -1 if none.
  int rowParam = -1, rowSizeParam = -1;
  /// Of the columns, where they are a run: their number, or -1.
  int colSizeParam = -1;
};
FailureOr<GridClasses> classifyGrid(const TileGrid &grid, int64_t rows,
                                    int64_t cols);

/// Visits the tiles of `rows` and `cols` points of the box [0, numRows) x [0,
/// numCols), row by row; the last ones of an axis may be shorter. `grid` has
/// dynamic sizes (or inner ranks as columns, one tile each), `params` the
/// values of all parameters but starts and sizes. With data terms or a
/// selection a full tile counts as partial.
void forEachTile(const TileGrid &grid, const GridClasses &classes,
                 SmallVector<int64_t> params, int64_t numRows, int64_t rows,
                 int64_t numCols, int64_t cols,
                 llvm::function_ref<void(TileClass)> visit);

/// Numbers of tiles by class (TileClass), for a grid that is known in full: no
/// symbols, static extents, no ranks besides rows and columns.
struct TileCounts {
  int64_t empty = 0, partial = 0, full = 0;
};
std::optional<TileCounts> countTiles(const TileGrid &grid, int64_t rows,
                                     int64_t cols);

} // namespace attn

#endif // ATTN_ANALYSIS_TILEGRID_H
