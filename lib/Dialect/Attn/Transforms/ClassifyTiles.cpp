//===- ClassifyTiles.cpp - Prints the classes of tiles --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/FoldIntervals.h"
#include "attn/Analysis/TileGrid.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNCLASSIFYTILESPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

static std::string print(ArrayRef<LinearSet> sets,
                         ArrayRef<std::string> names) {
  if (sets.empty()) {
    return "none";
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(
      sets, os, [&](const LinearSet &set) { printLinearSet(set, names, os); },
      " or ");
  return text;
}

static void report(const TileGrid &grid, int64_t rows, int64_t cols) {
  CascadeOp cascade = grid.cascade;
  auto remark = grid.op->emitRemark() << "tiles of " << rows << " rows";
  if (grid.innerRanks.empty()) {
    remark << " and " << cols << " columns";
  }
  remark << " over ";
  if (grid.rowRank >= 0) {
    remark << cascade.getRankName(grid.rowRank) << ", ";
  }
  remark << cascade.getRankName(grid.colRank);
  if (std::optional<TileCounts> counts = countTiles(grid, rows, cols)) {
    remark << ": empty " << counts->empty << ", partial " << counts->partial
           << ", full " << counts->full;
    return;
  }
  FailureOr<GridClasses> result = classifyGrid(grid, rows, cols);
  if (failed(result)) {
    remark << ": not classified, the mask is not affine";
    return;
  }
  int64_t step = grid.innerRanks.empty() ? cols : 1;
  FoldIntervals intervals =
      foldIntervals(result->classes, result->colParam, step);
  size_t count = intervals.parts.size();
  remark << "; at most " << count
         << (count == 1 ? " interval of " : " intervals of ")
         << cascade.getRankName(grid.colRank)
         << (intervals.exact ? "" : ", each tile looked up")
         << (result->classes.exact ? "" : "; supersets")
         << (grid.sets.hasOtherTerms ? "; data or a selection decide points"
                                     : "");
  remark.attachNote() << "with points: "
                      << print(result->classes.some, result->names);
  remark.attachNote() << "with holes: "
                      << print(result->classes.holes, result->names);
}

namespace {
struct ClassifyTiles : attn::impl::AttnClassifyTilesPassBase<ClassifyTiles> {
  using Base::Base;

  void runOnOperation() override {
    if (rows < 1 || cols < 1) {
      getOperation()->emitError("expects rows and cols of at least 1, but got ")
          << rows.getValue() << " and " << cols.getValue();
      return signalPassFailure();
    }
    getOperation()->walk([&](CascadeOp cascade) {
      for (const TileGrid &grid : findTileGrids(cascade)) {
        report(grid, rows, cols);
      }
    });
    markAllAnalysesPreserved();
  }
};
} // namespace
