//===- GpuTileCost.h - Which tile a fold has on a GPU -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A CTA of W warps folds tiles of R rows and C columns; rows go over warps in
// blocks of 16, and the warps that are left over stand beside each other and
// share columns. As many CTAs as fit an SM run at the same time. In cycles of
// an SM, a tile costs
//
//   products     R C (E + F) multiply-adds at the rate of the tensor cores;
//   elementwise  exp2 and about 10 other operations per score;
//   shared       C (E + F) elements, read once by each row of warps;
//   columns      the same elements from memory for the first rows that want
//                them and from the L2 cache for others; longer where too few
//                bytes are in flight to hide the latency;
//
// of which the longest hides the others as far as there are warps to take
// turns, plus what each tile costs in barriers and addresses. Divided by the
// useful points of the tile, as in TileCost.h.
//
// Registers and shared memory are estimates that decide what is looked at; what
// a kernel takes in the end is counted elsewhere.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_GPUTILECOST_H
#define ATTN_TARGETMODEL_GPUTILECOST_H

#include "attn/TargetModel/GpuTargetModel.h"
#include "attn/TargetModel/TileCost.h"

namespace attn {

/// How a CTA folds. Zero: to be chosen.
struct GpuTile {
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t warps = 0;
  /// Places of the rings that the columns' operands come through.
  int64_t stages = 0;

  /// Warps that rows are divided over, and that share columns: the largest
  /// numbers that fit.
  int64_t getRowWarps() const;
  int64_t getColumnWarps() const;
  /// What columns and channels are rounded up to, so that all warps beside each
  /// other have some in every layout.
  int64_t getStep() const;
};

/// The smallest block of rows of a matrix product, and of terms of its sums.
constexpr int64_t kGpuRowStep = 16, kGpuColumnStep = 16;
/// Most warps of a CTA and places of a ring that can be asked for, and the most
/// warps that are chosen.
constexpr int64_t kGpuMostWarps = 16, kGpuMostStages = 8, kGpuUsualWarps = 8;
/// Rows and columns: no chip has room for a tile of more.
constexpr int64_t kGpuMostPoints = 65536;

/// Whether a thread holds its part of the rows' operand from tile to tile. Else
/// it is read from shared memory for each.
bool keepsRows(const GpuTargetModel &model, const TileProblem &problem,
               const GpuTile &tile);

/// What the CTA of a tile takes, as estimated.
CtaNeeds getNeeds(const GpuTargetModel &model, const TileProblem &problem,
                  const GpuTile &tile);

/// Cycles of an SM per point, for comparison; infinite where no CTA of it fits.
double getTileCost(const GpuTargetModel &model, const TileProblem &problem,
                   const GpuTile &tile);

/// The cheapest tile among those that agree with what is given. None: no such
/// tile fits the chip.
std::optional<GpuTile> chooseTile(const GpuTargetModel &model,
                                  const TileProblem &problem,
                                  const GpuTile &given = {});

} // namespace attn

#endif // ATTN_TARGETMODEL_GPUTILECOST_H
