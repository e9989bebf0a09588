//===- ChooseTiles.cpp - Writes the tile of a fold ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/TileProblem.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/TargetModel/GpuTileCost.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNCHOOSETILESPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

/// The rank of this name, else the cascade's own.
static std::optional<int64_t> findRank(CascadeOp cascade, StringRef name) {
  if (name.empty()) {
    return getFoldRank(cascade);
  }
  int64_t rank = cascade.findRank(name);
  return rank < 0 ? std::nullopt : std::optional<int64_t>(rank);
}

/// Where no tile fits the chip, as far as is known, the one that takes the
/// fewest registers: the estimate may be too high, and what is wrong with it
/// shows when the kernel is known.
static TileSizes chooseOnGpu(const GpuTargetModel &model,
                             const TileProblem &problem) {
  if (std::optional<GpuTile> tile = chooseTile(model, problem)) {
    return {tile->rows, tile->cols};
  }
  if (problem.fixedCols) {
    return {kGpuRowStep, problem.fixedCols};
  }
  TileSizes best{kGpuRowStep, kGpuColumnStep};
  unsigned fewest = std::numeric_limits<unsigned>::max();
  for (int64_t cols = kGpuColumnStep; cols <= kGpuMostPoints; cols *= 2) {
    GpuTile tile{kGpuRowStep, cols, kGpuUsualWarps, /*stages=*/1};
    CtaNeeds needs = getNeeds(model, problem, tile);
    bool isWhole = tile.getStep() <= cols && (problem.columnBlock <= 1 ||
                                              problem.columnBlock % cols == 0);
    if (isWhole && needs.sharedBytes <= model.sharedBytesPerCta &&
        needs.registersPerThread < fewest) {
      fewest = needs.registersPerThread;
      best.cols = cols;
    }
  }
  return best;
}

namespace {
struct ChooseTiles : attn::impl::AttnChooseTilesPassBase<ChooseTiles> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<TargetModel> model = getTargetModel(target);
    if (model && !matrixUnit) {
      model->matrixRate = 0;
    }
    std::optional<GpuTargetModel> gpu = getGpuTargetModel(target);
    if (!model && !gpu) {
      getOperation()->emitError("expects a target among host, avx2, avx512, "
                                "amx, neon, ")
          << listGpuTargetModels() << ", but got '" << target.getValue() << "'";
      return signalPassFailure();
    }
    getOperation()->walk([&](CascadeOp cascade) {
      std::optional<int64_t> folded = findRank(cascade, rank);
      if (!folded || cascade.getTiles()) {
        return;
      }
      TileProblem problem = getTileProblem(cascade, *folded);
      TileSizes tile =
          model ? chooseTiles(*model, problem) : chooseOnGpu(*gpu, problem);
      cascade.setTiles(ArrayRef<int64_t>{tile.rows, tile.cols});
      cascade.emitRemark() << "tile of " << tile.rows << " rows and "
                           << tile.cols << " columns over "
                           << cascade.getRankName(*folded) << " for "
                           << target.getValue() << ": " << problem.numDots
                           << " dots over " << problem.scoreChannels << " + "
                           << problem.valueChannels << " channels, packed rows "
                           << (problem.packedRows
                                   ? std::to_string(problem.packedRows)
                                   : "many");
    });
  }
};
} // namespace
