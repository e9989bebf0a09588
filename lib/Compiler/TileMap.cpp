//===- TileMap.cpp - Classes of the tiles of a cascade's points -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileGrid.h"
#include "attn/Compiler/Compiler.h"

using namespace attn;

/// The number of a rank, or -1.
static int64_t findRank(CascadeOp cascade, StringRef name) {
  for (int64_t rank = 0, e = cascade.getNumRanks(); rank < e; ++rank) {
    if (cascade.getRankName(rank) == name) {
      return rank;
    }
  }
  return -1;
}

/// The grid of the first cascade that has one for the two ranks.
static std::optional<TileGrid> findGrid(ModuleOp module,
                                        const TileMapRequest &request) {
  std::optional<TileGrid> grid;
  module.walk([&](CascadeOp cascade) {
    int64_t row = findRank(cascade, request.rowRank);
    int64_t col = findRank(cascade, request.colRank);
    if (row >= 0 && col >= 0 && row != col) {
      grid = findTileGrid(cascade, row, col);
    }
    return grid ? WalkResult::interrupt() : WalkResult::advance();
  });
  return grid;
}

LogicalResult attn::tileMap(ModuleOp module, const TileMapRequest &request,
                            SmallVectorImpl<char> &classes) {
  std::optional<TileGrid> grid = findGrid(module, request);
  if (!grid) {
    return module.emitError("expects a cascade with ranks '")
           << request.rowRank << "' and '" << request.colRank
           << "' that reduces the second by itself, but found none";
  }
  FailureOr<GridClasses> grids = classifyGrid(*grid, /*rows=*/0, /*cols=*/0);
  if (failed(grids)) {
    return grid->op->emitError("has a mask whose tiles cannot be classified");
  }
  SmallVector<int64_t> params(grids->params.numParams, 0);
  auto given = [&](StringRef name) -> std::optional<int64_t> {
    for (const auto &[known, value] : request.values) {
      if (known == name) {
        return value;
      }
    }
    return std::nullopt;
  };
  for (auto [rank, param] : llvm::enumerate(grids->params.dimParam)) {
    if (param >= 0) {
      params[param] = given(grid->cascade.getRankName(rank)).value_or(0);
    }
  }
  for (auto [name, param] :
       llvm::zip_equal(grid->sets.symbolNames, grids->params.symbolParam)) {
    std::optional<int64_t> value = given(name.getValue());
    if (!value) {
      return grid->op->emitError("expects a value of the symbol '")
             << name.getValue() << "', but got none";
    }
    params[param] = *value;
  }
  forEachTile(*grid, *grids, std::move(params), request.rows, request.tileRows,
              request.cols, request.tileCols,
              [&](TileClass c) { classes.push_back(static_cast<char>(c)); });
  return success();
}
