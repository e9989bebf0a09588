//===- TileGrid.cpp - The tiles of a reduction ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileGrid.h"
#include "attn/Dialect/Attn/IR/RankSpace.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn;
using llvm::SmallBitVector;

int64_t attn::getStaticExtent(CascadeOp cascade, int64_t rank) {
  RankExtent extent = getRankExtents(cascade)[rank];
  if (!extent || !ShapedType::isDynamic(extent.size) || extent.axis >= 0) {
    return extent.size;
  }
  return getConstantIntValue(extent.source).value_or(extent.size);
}

/// Ranks that the sets name bare (not only through a symbol).
static SmallBitVector getNamedRanks(const PresenceSets &sets,
                                    unsigned numRanks) {
  SmallBitVector named(numRanks);
  for (ArrayRef<IntegerSet> disjuncts : sets.conjunction) {
    for (IntegerSet set : disjuncts) {
      for (AffineExpr expr : set.getConstraints()) {
        for (unsigned rank = 0; rank < numRanks; ++rank) {
          if (expr.isFunctionOfDim(rank)) {
            named.set(rank);
          }
        }
      }
    }
  }
  return named;
}

/// Fills in the ranks; false if the mask says nothing about the columns.
static bool assignRanks(TileGrid &grid, SmallBitVector columns) {
  unsigned numRanks = grid.cascade.getNumRanks();
  grid.sets = collectSets(grid.presence, numRanks);
  SmallBitVector named = getNamedRanks(grid.sets, numRanks);
  columns &= named;
  if (columns.none()) {
    return false;
  }
  if (grid.colRank < 0 || !columns.test(grid.colRank)) {
    if (grid.colRank >= 0) {
      return false;
    }
    grid.colRank = columns.find_first();
  }
  for (unsigned rank : columns.set_bits()) {
    if (int64_t(rank) != grid.colRank) {
      grid.innerRanks.push_back(rank);
    }
  }
  named.reset(columns);
  // Rows: the rank that stands in one constraint with a column.
  for (ArrayRef<IntegerSet> disjuncts : grid.sets.conjunction) {
    for (IntegerSet set : disjuncts) {
      for (AffineExpr expr : set.getConstraints()) {
        auto names = [&](unsigned rank) { return expr.isFunctionOfDim(rank); };
        if (grid.rowRank >= 0 || llvm::none_of(columns.set_bits(), names)) {
          continue;
        }
        for (unsigned rank : named.set_bits()) {
          grid.rowRank = names(rank) ? int64_t(rank) : grid.rowRank;
        }
      }
    }
  }
  if (grid.rowRank < 0) {
    grid.rowRank = named.find_first();
  }
  return true;
}

/// Whether an einsum of a step reduces the points of the fold's tile: a rank
/// that makes one coordinate together with the fold's (`m1 * 64 + m0`). Others
/// contract something else, such as the channels of q and k. A fold over a rank
/// that was not partitioned has no such coordinate.
static bool reducesTile(EinsumOp einsum, FoldOp fold) {
  if (einsum->getParentRegion() != &fold.getStep()) {
    return false;
  }
  SmallBitVector partners(einsum.getResultMap().getNumDims());
  fold.getStep().walk([&](EinsumOp op) {
    for (unsigned i = 0; i < op.getInputs().size(); ++i) {
      for (AffineExpr expr : op.getInputMap(i).getResults()) {
        if (!expr.isFunctionOfDim(fold.getRank())) {
          continue;
        }
        for (unsigned rank = 0; rank < partners.size(); ++rank) {
          if (rank != fold.getRank() && expr.isFunctionOfDim(rank)) {
            partners.set(rank);
          }
        }
      }
    }
  });
  return partners.none() || partners.anyCommon(einsum.getReducedRanks());
}

/// Presence without the terms that another one implies: what a row hands on is
/// part of the mask it comes from.
static Presence withoutImplied(Presence presence) {
  for (unsigned i = 0; i < presence.size();) {
    bool implied = false;
    for (unsigned j = 0; j < presence.size(); ++j) {
      implied |= i != j && implies(presence[j], presence[i]);
    }
    if (implied) {
      presence.erase(presence.begin() + i);
    } else {
      ++i;
    }
  }
  return presence;
}

SmallVector<TileGrid, 0> attn::findTileGrids(CascadeOp cascade) {
  SmallVector<TileGrid, 0> grids;
  bool hasFold = false;
  cascade->walk([&](FoldOp) { hasFold = true; });
  cascade->walk([&](EinsumOp einsum) {
    auto fold = einsum->getParentOfType<FoldOp>();
    if (hasFold != bool(fold) || einsum.getReduceActions().empty() ||
        (fold && !reducesTile(einsum, fold))) {
      return;
    }
    TileGrid grid;
    grid.cascade = cascade;
    grid.op = fold ? fold.getOperation() : einsum.getOperation();
    grid.presence = withoutImplied(pointPresence(einsum));
    SmallBitVector columns = einsum.getReducedRanks();
    if (fold) {
      grid.colRank = fold.getRank();
      columns.set(grid.colRank);
    }
    if (!assignRanks(grid, columns)) {
      return;
    }
    bool known = llvm::any_of(grids, [&](const TileGrid &other) {
      return (other.op == grid.op || !fold) && other.colRank == grid.colRank &&
             other.innerRanks == grid.innerRanks &&
             std::is_permutation(other.presence.begin(), other.presence.end(),
                                 grid.presence.begin(), grid.presence.end());
    });
    if (!known) {
      grids.push_back(std::move(grid));
    }
  });
  return grids;
}

std::optional<TileGrid> attn::findTileGrid(CascadeOp cascade, int64_t rowRank,
                                           int64_t colRank) {
  std::optional<TileGrid> found;
  cascade->walk([&](EinsumOp einsum) {
    SmallBitVector reduced = einsum.getReducedRanks();
    if (!reduced.test(colRank)) {
      return WalkResult::advance();
    }
    if (reduced.count() == 1 && !einsum->getParentOfType<FoldOp>()) {
      TileGrid grid;
      grid.cascade = cascade;
      grid.op = einsum;
      grid.colRank = colRank;
      grid.rowRank = rowRank;
      grid.presence = withoutImplied(pointPresence(einsum));
      grid.sets = collectSets(grid.presence, cascade.getNumRanks());
      SmallBitVector varying(cascade.getNumRanks());
      varying.set(rowRank);
      varying.set(colRank);
      dropVaryingSymbols(grid.sets, varying);
      found = std::move(grid);
    }
    return WalkResult::interrupt();
  });
  return found;
}

FailureOr<GridClasses> attn::classifyGrid(const TileGrid &grid, int64_t rows,
                                          int64_t cols) {
  CascadeOp cascade = grid.cascade;
  unsigned numRanks = cascade.getNumRanks();
  GridClasses result;
  SmallVector<TileAxis> axes;
  auto addRun = [&](int64_t rank, int64_t size) {
    TileAxis axis;
    axis.dim = rank;
    axis.dynamicSize = size == 0;
    axis.size = size;
    axes.push_back(axis);
    return axes.size() - 1;
  };
  std::optional<size_t> rowAxis, colAxis;
  if (grid.rowRank >= 0) {
    rowAxis = addRun(grid.rowRank, rows);
  }
  if (grid.innerRanks.empty()) {
    colAxis = addRun(grid.colRank, cols);
  }
  for (int64_t rank : grid.innerRanks) {
    TileAxis axis;
    axis.dim = rank;
    axis.size = getStaticExtent(cascade, rank);
    axis.dynamicSize = axis.size < 1;
    axis.lo = 0;
    axes.push_back(axis);
  }
  unsigned numSymbols = grid.sets.symbols.size();
  TileParams &params = result.params;
  params = getTileParams(numRanks, numSymbols, axes);
  result.names.resize(params.numParams);
  TileClassOptions options;
  auto nameRank = [&](int param, int64_t rank) {
    if (param >= 0) {
      result.names[param] = cascade.getRankName(rank).str();
      options.nonNegative.push_back(param);
    }
  };
  for (auto [axis, param] : llvm::zip_equal(axes, params.loParam)) {
    nameRank(param, axis.dim);
  }
  for (auto [rank, param] : llvm::enumerate(params.dimParam)) {
    nameRank(param, rank);
  }
  for (auto [axis, param] : llvm::zip_equal(axes, params.sizeParam)) {
    if (param >= 0) {
      result.names[param] =
          "extent(" + cascade.getRankName(axis.dim).str() + ")";
    }
  }
  for (auto [symbol, param] : llvm::enumerate(params.symbolParam)) {
    std::string name = grid.sets.symbolNames[symbol].str();
    // Symbols of different ops may share a name.
    while (llvm::is_contained(result.names, name)) {
      name += "'";
    }
    result.names[param] = name;
  }
  if (rowAxis) {
    result.rowParam = params.loParam[*rowAxis];
    result.rowSizeParam = params.sizeParam[*rowAxis];
    if (result.rowSizeParam >= 0) {
      result.names[result.rowSizeParam] = "rows";
    }
  }
  result.colParam =
      colAxis ? params.loParam[*colAxis] : params.dimParam[grid.colRank];
  if (colAxis && params.sizeParam[*colAxis] >= 0) {
    result.colSizeParam = params.sizeParam[*colAxis];
    result.names[result.colSizeParam] = "cols";
  }
  FailureOr<TileClasses> classes = classifyConjunction(
      grid.sets.conjunction, numRanks, numSymbols, axes, options);
  if (failed(classes)) {
    return failure();
  }
  result.classes = std::move(*classes);
  return result;
}

void attn::forEachTile(const TileGrid &grid, const GridClasses &classes,
                       SmallVector<int64_t> params, int64_t numRows,
                       int64_t rows, int64_t numCols, int64_t cols,
                       llvm::function_ref<void(TileClass)> visit) {
  int64_t colStep = classes.colSizeParam >= 0 ? cols : 1;
  for (int64_t row = 0; row < numRows; row += rows) {
    if (classes.rowParam >= 0) {
      params[classes.rowParam] = row;
      params[classes.rowSizeParam] = std::min(rows, numRows - row);
    }
    for (int64_t col = 0; col < numCols; col += colStep) {
      params[classes.colParam] = col;
      if (classes.colSizeParam >= 0) {
        params[classes.colSizeParam] = std::min(cols, numCols - col);
      }
      TileClass found = classes.classes.classify(params);
      visit(found == TileClass::Full && grid.sets.hasOtherTerms
                ? TileClass::Partial
                : found);
    }
  }
}

std::optional<TileCounts> attn::countTiles(const TileGrid &grid, int64_t rows,
                                           int64_t cols) {
  CascadeOp cascade = grid.cascade;
  SmallBitVector named = getNamedRanks(grid.sets, cascade.getNumRanks());
  named.reset(grid.colRank);
  if (grid.rowRank >= 0) {
    named.reset(grid.rowRank);
  }
  for (int64_t rank : grid.innerRanks) {
    named.reset(rank);
  }
  int64_t numCols = getStaticExtent(cascade, grid.colRank);
  int64_t numRows =
      grid.rowRank < 0 ? 1 : getStaticExtent(cascade, grid.rowRank);
  bool isStatic = llvm::all_of(grid.innerRanks, [&](int64_t rank) {
    return !ShapedType::isDynamic(getStaticExtent(cascade, rank));
  });
  if (!isStatic || named.any() || !grid.sets.symbols.empty() || numCols < 0 ||
      numRows < 0) {
    return std::nullopt;
  }
  // Dynamic sizes, for the runs at the end.
  FailureOr<GridClasses> grids = classifyGrid(grid, /*rows=*/0, /*cols=*/0);
  if (failed(grids)) {
    return std::nullopt;
  }
  TileCounts counts;
  forEachTile(grid, *grids, SmallVector<int64_t>(grids->params.numParams, 0),
              numRows, rows, numCols, cols, [&](TileClass c) {
                ++(c == TileClass::Empty  ? counts.empty
                   : c == TileClass::Full ? counts.full
                                          : counts.partial);
              });
  return counts;
}
